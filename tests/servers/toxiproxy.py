"""A proxy that cuts, throttles and delays connections on request (https://github.com/Shopify/toxiproxy), and a Kafka to put behind it."""

from __future__ import annotations

import itertools
import json
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.servers.finder import KAFKA, TOXIPROXY, Server, free_port, server_or_skip

_names = itertools.count()


@dataclass(frozen=True)
class Proxy:
    """The way to one server through toxiproxy."""

    api: str
    name: str
    address: str
    """`host:port` to connect to."""

    def cut(self) -> None:
        """End all connections, and accept none."""
        _call(self.api, "POST", f"/proxies/{self.name}", {"enabled": False})

    def delay(self, ms: int, *, jitter_ms: int = 0) -> None:
        """Let each piece of an answer come later."""
        self._poison("latency", {"latency": ms, "jitter": jitter_ms})

    def throttle(self, kilobytes_per_s: int) -> None:
        """Bound what comes through, each way."""
        self._poison("bandwidth", {"rate": kilobytes_per_s}, streams=("upstream", "downstream"))

    def reset(self, after_ms: int) -> None:
        """Break each connection so long after it was made."""
        self._poison("reset_peer", {"timeout": after_ms})

    def heal(self) -> None:
        """Pass everything on as it comes."""
        _call(self.api, "POST", f"/proxies/{self.name}", {"enabled": True})
        for toxic in _call(self.api, "GET", f"/proxies/{self.name}/toxics"):
            _call(self.api, "DELETE", f"/proxies/{self.name}/toxics/{toxic['name']}")

    def _poison(self, kind: str, attributes: dict[str, int], *, streams: tuple[str, ...] = ("downstream",)) -> None:
        for stream in streams:
            toxic = {"type": kind, "name": f"{kind}-{stream}", "stream": stream, "attributes": attributes}
            _call(self.api, "POST", f"/proxies/{self.name}/toxics", toxic)


def make_proxy(toxiproxy: Server, upstream: str, *, port: int = 0) -> Proxy:
    """Open a way to `upstream`, a `host:port`."""
    name = f"proxy-{next(_names)}"
    made = _call(
        toxiproxy.address,
        "POST",
        "/proxies",
        {"name": name, "listen": f"127.0.0.1:{port}", "upstream": upstream, "enabled": True},
    )
    return Proxy(toxiproxy.address, name, made["listen"])


def start_proxied_kafka(folder: Path) -> tuple[Server, Proxy]:
    """Start a Kafka and a toxiproxy, or skip; clients that begin at the proxy stay behind it, since Kafka tells them its address."""
    toxiproxy = server_or_skip(TOXIPROXY, folder)
    inner, outer = free_port(), free_port()
    kind = replace(
        KAFKA,
        variable="STREAM_GOV_TEST_KAFKA_PROXIED",  # of no use by itself: a script starts it
        why_no_container="a container of it would tell its clients another address than the proxy's",
        script_arguments=(
            f"listeners=PLAINTEXT://127.0.0.1:{{port}},PROXIED://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{{controller_port}}",
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},PROXIED://127.0.0.1:{outer}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT",
            "group.min.session.timeout.ms=1000",
        ),
    )
    server = server_or_skip(kind, folder)
    proxy = make_proxy(toxiproxy, f"127.0.0.1:{inner}", port=outer)

    def stop() -> None:
        server.stop()
        toxiproxy.stop()

    return replace(server, stop=stop, options={"toxiproxy": toxiproxy.address}), proxy


def _call(api: str, method: str, path: str, content: Any = None) -> Any:
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{api}{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        body = answer.read()
    return json.loads(body) if body else None
