from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from stream_gov import __version__
from stream_gov.settings import ENV_PREFIX, load_settings

ROOT = Path(__file__).parents[2]
WORKERS = ("ingest", "detect", "sink-influx", "sink-prometheus", "sink-store")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


def interpolated(value: str) -> str:
    """`${NAME:-default}` as it stands without a `.env`."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", value)


def test_file_follows_the_compose_specification(compose):
    # of check-jsonschema only this file is wanted
    package = importlib.metadata.distribution("check-jsonschema")
    schema_file = Path(str(package.locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json")))
    schema = json.loads(schema_file.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [f"{e.json_path}: {e.message}" for e in validator.iter_errors(compose)] == []
    assert not validator.is_valid({"services": {"a": {"imag": "x"}}}), "the check would find a misspelt key"


def test_stack_is_kafka_the_stores_the_dashboards_and_the_workers(compose):
    assert set(compose["services"]) == {"kafka", "influxdb", "prometheus", "grafana", *WORKERS}


def test_every_image_is_pinned_to_a_version(compose):
    for name, service in compose["services"].items():
        tag = service["image"].rpartition(":")[2]
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag), f"{name}: {service['image']}"


def test_workers_are_built_from_the_dockerfile_as_this_version(compose):
    for name in WORKERS:
        service = compose["services"][name]
        assert service["build"] == {"context": "."}
        assert service["image"] == f"stream-gov:{__version__}"


def test_every_service_has_a_health_check_and_restarts(compose):
    in_image = "\nHEALTHCHECK " in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for name, service in compose["services"].items():
        assert "healthcheck" in service or ("build" in service and in_image), name
        assert service["restart"] == "unless-stopped", name


def test_services_wait_for_services_that_exist_and_can_tell_that_they_are_well(compose):
    services = compose["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}"
            assert how == {"condition": "service_healthy"}
    for name in WORKERS:
        assert "kafka" in services[name]["depends_on"]


def test_volumes_name_files_that_exist_or_volumes_that_are_declared(compose):
    declared = set(compose["volumes"])
    used = set()
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            assert target.startswith("/"), f"{name}: {volume}"
            if source.startswith("."):
                assert (ROOT / source).exists(), f"{name}: {source}"
                assert mode == ["ro"], f"{name} may change {source}"
            else:
                used.add(source)
    assert used == declared


def test_ports_are_bound_to_this_machine_only(compose):
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert sorted(p.split(":")[1] for p in published) == ["3000", "8086", "9090", "9092"]
    assert all(p.startswith("127.0.0.1:") for p in published)


def test_workers_can_write_nowhere_but_where_they_must(compose):
    for name in WORKERS:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        writable = [entry.partition(":")[0] for entry in service["tmpfs"]]
        writable += [entry.split(":")[1] for entry in service.get("volumes", [])]
        assert sorted(writable) == ["/tmp", "/var/lib/stream-gov"]


@pytest.mark.parametrize("name", WORKERS)
def test_environment_of_a_worker_is_accepted_by_the_settings(compose, monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    environment = compose["services"][name]["environment"]
    given = {k: interpolated(v) for k, v in environment.items()}
    assert all(k.startswith(ENV_PREFIX) for k in given)
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    settings = load_settings()
    assert settings.bootstrap == "kafka:9092"
    for key, value in given.items():
        found: Any = settings
        for level in key.removeprefix(ENV_PREFIX).lower().split("__"):
            assert hasattr(found, level), f"{key} is no setting"
            found = getattr(found, level)
        shown = found.get_secret_value() if hasattr(found, "get_secret_value") else found
        assert str(shown) == value, key


def test_influxdb_is_set_up_with_what_the_sink_and_grafana_use(compose):
    services = compose["services"]
    influxdb, sink = services["influxdb"]["environment"], services["sink-influx"]["environment"]
    assert influxdb["DOCKER_INFLUXDB_INIT_MODE"] == "setup"
    assert "DOCKER_INFLUXDB_INIT_RETENTION" not in influxdb, "points of a replay are old"
    assert sink["STREAM_GOV_INFLUX__ORG"] == influxdb["DOCKER_INFLUXDB_INIT_ORG"]
    assert sink["STREAM_GOV_INFLUX__BUCKET"] == influxdb["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert sink["STREAM_GOV_INFLUX__TOKEN"] == influxdb["DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"]
    assert services["grafana"]["environment"]["INFLUX_TOKEN"] == influxdb["DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"]
    assert len(interpolated(influxdb["DOCKER_INFLUXDB_INIT_PASSWORD"])) >= 8, "InfluxDB refuses a shorter one"


def test_addresses_name_services_of_the_file(compose):
    services = compose["services"]
    assert services["sink-influx"]["environment"]["STREAM_GOV_INFLUX__URL"] == "http://influxdb:8086"
    sources = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/datasources.yaml").read_text(encoding="utf-8")
    )
    for source in sources["datasources"]:
        host = re.fullmatch(r"http://([a-z]+):\d+", source["url"])
        assert host is not None
        assert host.group(1) in services


def test_kafka_is_one_kraft_node_that_both_the_workers_and_this_machine_reach(compose):
    kafka = compose["services"]["kafka"]
    environment = kafka["environment"]
    listeners = dict(entry.split("://") for entry in environment["KAFKA_LISTENERS"].split(","))
    advertised = dict(entry.split("://") for entry in environment["KAFKA_ADVERTISED_LISTENERS"].split(","))
    protocols = dict(entry.split(":") for entry in environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert environment["KAFKA_PROCESS_ROLES"] == "broker,controller"
    assert set(listeners) == set(protocols) == {"INTERNAL", "EXTERNAL", "CONTROLLER"}
    assert environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == "1@" + listeners["CONTROLLER"]
    assert advertised == {"INTERNAL": "kafka:9092", "EXTERNAL": "127.0.0.1:9092"}
    assert kafka["ports"] == ["127.0.0.1:9092" + listeners["EXTERNAL"]]
    assert environment["KAFKA_LOG_DIRS"] in {v.split(":")[1] for v in kafka["volumes"]}


def test_every_variable_the_file_reads_is_in_the_example(compose):
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    read = set(re.findall(r"\$\{([A-Z_]+)", text))
    assert read == set(re.findall(r"^([A-Z_]+)=", example, flags=re.MULTILINE))
    assert not re.findall(r"\$\{[A-Z_]+\}", text), "every variable has a default"


def test_every_worker_is_scraped(compose):
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    for name in WORKERS:
        (discovery,) = jobs[name]["dns_sd_configs"]
        port = compose["services"][name]["environment"]["STREAM_GOV_METRICS_PORT"]
        assert discovery == {"names": [name], "type": "A", "port": int(port)}


def test_changing_the_name_of_a_setting_would_be_found(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAM_GOV_TOPICS__REPLICAS", "1")
    with pytest.raises(Exception, match="replication"):
        load_settings()
