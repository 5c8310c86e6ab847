"""The HTTP endpoints of a worker: `/metrics` for Prometheus, `/livez` and `/readyz` for whoever starts and restarts it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import Lock, Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

__all__ = ["STANDSTILL_S", "Health", "serve_endpoints"]

STANDSTILL_S = 300.0
"""A worker that is running and whose loop has not turned for so long is not alive: Kafka has given its partitions away by then."""


class Health:
    """Whether a worker lives, and whether it does its work; threads may write and read it.

    A worker is alive unless it is running and its loop stands still: while it waits for a broker, to start it anew would not help.
    It is ready while it is running and has no trouble.

    Parameters
    ----------
    monotonic_s
        Seconds that never run backwards.
    """

    def __init__(self, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._lock = Lock()
        self._waits_for = "it is starting"
        self._running = False
        self._turned_s = monotonic_s()

    def waits(self, reason: str) -> None:
        """Note that the worker cannot work now, and why."""
        with self._lock:
            self._running, self._waits_for = False, reason

    def turns(self, trouble: str = "") -> None:
        """Note that the loop has turned.

        Parameters
        ----------
        trouble
            Why it comes no further all the same, such as a store that does not answer; empty: it does.
        """
        with self._lock:
            self._running, self._turned_s, self._waits_for = True, self._monotonic_s(), trouble

    def why_not_alive(self) -> str:
        """Return why the worker must be started anew; empty: it lives."""
        with self._lock:
            stood_s = self._monotonic_s() - self._turned_s
            return f"its loop has not turned for {stood_s:.0f} s" if self._running and stood_s > STANDSTILL_S else ""

    def why_not_ready(self) -> str:
        """Return why the worker does not do its work; empty: it does."""
        dead = self.why_not_alive()
        with self._lock:
            return dead or self._waits_for


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Log no requests."""


def serve_endpoints(host: str, port: int, registry: CollectorRegistry, health: Health) -> tuple[WSGIServer, Thread]:
    """Serve `/metrics`, `/livez` and `/readyz` until the server is shut down.

    `/livez` and `/readyz` answer 200 or 503 and JSON: `{"ok": false, "reason": "..."}`.

    Raises
    ------
    OSError
        The address cannot be listened on.
    """
    metrics = make_wsgi_app(registry)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path in ("/livez", "/readyz"):
            reason = health.why_not_alive() if path == "/livez" else health.why_not_ready()
            body = json.dumps({"ok": not reason} | ({"reason": reason} if reason else {})).encode()
            status = "503 Service Unavailable" if reason else "200 OK"
        elif path in ("/metrics", "/"):
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        else:
            body, status = b'{"ok": false, "reason": "there are /metrics, /livez and /readyz"}', "404 Not Found"
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    of_family = type("_ServerOfFamily", (_Server,), {"address_family": family})
    server: WSGIServer = make_server(host, port, app, of_family, handler_class=_SilentHandler)
    thread = Thread(target=server.serve_forever, name="endpoints", daemon=True)
    thread.start()
    return server, thread
