"""`stream-gov ingest`, `detect` and `sink influx|prometheus|store`: workers, which run until SIGTERM or Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream_gov.cli.command_inputs import end_as_stopped, log_to_stderr, read_settings, with_broker
from stream_gov.cli.groups import Command, examples, new_app
from stream_gov.cli.options import Bootstrap, MetricsPort, StateDir

if TYPE_CHECKING:
    from stream_gov.settings import Settings

__all__ = ["detect", "ingest", "sinks"]

sinks = new_app(
    help="Workers: write results and alerts to other places.\n\nOffsets are committed only after the write, so an outage is lag, never loss.",
    epilog=examples("stream-gov sink influx --bootstrap localhost:9092"),
)


def ingest(bootstrap: Bootstrap = None, metrics_port: MetricsPort = None, state_dir: StateDir = None) -> None:
    """Read inference events and send on their summaries.

    It runs until SIGTERM or Ctrl-C; then it ends its cut and leaves the group. Start as many as there are cores: they share the
    partitions of the topic of events. A broker that is not there is waited for.
    """
    settings = _settings(bootstrap=bootstrap, metrics_port=metrics_port, state_dir=state_dir)
    from stream_gov.runtime.ingest_worker import run_ingest
    from stream_gov.runtime.stop_signals import stop_on_signals

    run_ingest(settings, stop_on_signals())
    end_as_stopped()


def detect(bootstrap: Bootstrap = None, metrics_port: MetricsPort = None, state_dir: StateDir = None) -> None:
    """Merge summaries, close windows, judge them, and send results and alerts.

    It runs until SIGTERM or Ctrl-C. Start several to share the models: they share the partitions of the topic of summaries.
    """
    settings = _settings(bootstrap=bootstrap, metrics_port=metrics_port, state_dir=state_dir)
    from stream_gov.runtime.detect_worker import run_detect
    from stream_gov.runtime.stop_signals import stop_on_signals

    run_detect(settings, stop_on_signals())
    end_as_stopped()


def _settings(**flags: object) -> Settings:
    settings = with_broker(read_settings(**flags))
    log_to_stderr(settings)
    return settings


@sinks.command(
    "influx", cls=Command, epilog=examples("stream-gov sink influx --url http://influxdb:8086 --bucket drift")
)
def sink_influx(
    url: Annotated[
        str | None,
        typer.Option("--url", help="Address of InfluxDB 2. Default: the setting `influx.url`.", show_default=False),
    ] = None,
    org: Annotated[
        str | None, typer.Option("--org", help="Organisation. Default: the setting `influx.org`.", show_default=False)
    ] = None,
    bucket: Annotated[
        str | None, typer.Option("--bucket", help="Bucket. Default: the setting `influx.bucket`.", show_default=False)
    ] = None,
    bootstrap: Bootstrap = None,
    metrics_port: MetricsPort = None,
    state_dir: StateDir = None,
) -> None:
    """Write results and alerts to InfluxDB 2.

    The token is no flag, since other users of the machine could read it: set STREAM_GOV_INFLUX__TOKEN, or name a file by
    STREAM_GOV_INFLUX__TOKEN_FILE. An outage of InfluxDB is lag, never loss.
    """
    given = {name: value for name, value in (("url", url), ("org", org), ("bucket", bucket)) if value is not None}
    settings = _settings(bootstrap=bootstrap, metrics_port=metrics_port, state_dir=state_dir, influx=given or None)
    from stream_gov.cli.sink_metrics import serve_sink_metrics
    from stream_gov.runtime.stop_signals import stop_on_signals
    from stream_gov.sinks import SinkCounts, run_influx_sink

    counts = SinkCounts()
    with serve_sink_metrics(settings, "influx", counts):
        run_influx_sink(settings, stop_on_signals(), counts=counts)
    end_as_stopped()


@sinks.command("prometheus", cls=Command, epilog=examples("stream-gov sink prometheus --metrics-port 9464"))
def sink_prometheus(bootstrap: Bootstrap = None, metrics_port: MetricsPort = None, state_dir: StateDir = None) -> None:
    """Serve the newest drift values, windows and open alerts on /metrics.

    It keeps nothing: at each start it reads the topics from their beginning.
    """
    settings = _settings(bootstrap=bootstrap, metrics_port=metrics_port, state_dir=state_dir)
    from stream_gov.runtime.stop_signals import stop_on_signals
    from stream_gov.sinks import run_prometheus_sink

    run_prometheus_sink(settings, stop_on_signals())
    end_as_stopped()


@sinks.command("store", cls=Command, epilog=examples("stream-gov sink store --store-url postgresql://gov@db/gov"))
def sink_store(
    store_url: Annotated[
        str | None,
        typer.Option(
            "--store-url",
            metavar="URL",
            help="SQLite file or PostgreSQL. Default: the setting `store_url`, else store.sqlite in the state directory.",
            show_default=False,
        ),
    ] = None,
    bootstrap: Bootstrap = None,
    metrics_port: MetricsPort = None,
    state_dir: StateDir = None,
) -> None:
    """Write results and alerts to a database: SQLite, or PostgreSQL.

    A URL with a password is better set by STREAM_GOV_STORE_URL or STREAM_GOV_STORE_URL_FILE than by a flag.
    """
    settings = _settings(bootstrap=bootstrap, metrics_port=metrics_port, state_dir=state_dir, store_url=store_url)
    from stream_gov.cli.sink_metrics import serve_sink_metrics
    from stream_gov.runtime.stop_signals import stop_on_signals
    from stream_gov.sinks import SinkCounts, run_store_sink

    counts = SinkCounts()
    with serve_sink_metrics(settings, "store", counts):
        run_store_sink(settings, stop_on_signals(), counts=counts)
    end_as_stopped()
