"""The InfluxDB sink: results and alerts as time series, for dashboards."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import urlsplit

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from stream_gov.contracts import ConfigurationError, UnavailableError
from stream_gov.settings import InfluxSettings, Settings
from stream_gov.sinks.consume import LoopOptions
from stream_gov.sinks.influx_errors import api_error, connection_error
from stream_gov.sinks.influx_points import Point, PointKey, point_of
from stream_gov.sinks.run import run_loop
from stream_gov.sinks.sink import Finding, Record, SinkCounts

__all__ = ["InfluxSink", "run_influx_sink"]


class InfluxSink:
    """Writes points to a bucket of InfluxDB 2; see `docs/influxdb.md` for their layout.

    A point written twice overwrites itself. Of two records of the same point in one batch only the later is sent. The client's own
    retries are off: the loop repeats a batch, with partitions paused.

    Parameters
    ----------
    settings
        Where to write.

    Raises
    ------
    ConfigurationError
        The address is not one of HTTP, or the organisation or bucket has no name.
    """

    name = "influx"

    def __init__(self, settings: InfluxSettings) -> None:
        address = urlsplit(settings.url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            msg = (
                f"influx.url is {settings.url!r}; it must be an address such as http://localhost:8086: "
                "set influx.url (STREAM_GOV_INFLUX__URL)"
            )
            raise ConfigurationError(msg)
        for key in ("org", "bucket"):
            if not getattr(settings, key):
                msg = f"influx.{key} is empty: set influx.{key} (STREAM_GOV_INFLUX__{key.upper()}) to its name in InfluxDB"
                raise ConfigurationError(msg)
        self._settings = settings
        self._points: dict[PointKey, Point] = {}
        self._client: Any = InfluxDBClient(
            url=settings.url,
            token=settings.token.get_secret_value(),
            org=settings.org,
            timeout=settings.timeout,
            enable_gzip=True,
        )
        self._api: Any = self._client.write_api(write_options=SYNCHRONOUS)

    def setup(self) -> None:
        """Prove that the token may write to the bucket, by a write without points."""
        self._send([])

    def add(self, record: Record) -> None:
        """Take one record into the buffer."""
        key, point = point_of(record)
        self._points.pop(key, None)  # so that the later one also stands later
        self._points[key] = point

    def flush(self) -> None:
        """Write the buffer in one request, or raise."""
        points = list(self._points.values())
        self._points.clear()
        self._send(points)

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def check(self) -> list[Finding]:
        """What is wrong with the server or the settings, for `stream-gov doctor`; empty if records can be written.

        Writes nothing. One thing at a time: an organisation cannot be judged while the token is refused.
        """
        if not self._settings.token.get_secret_value():
            return [
                Finding(
                    "no token for InfluxDB is set",
                    "set influx.token (STREAM_GOV_INFLUX__TOKEN, or STREAM_GOV_INFLUX__TOKEN_FILE)",
                )
            ]
        try:
            self.setup()
        except (ConfigurationError, UnavailableError) as err:
            problem, _, remedy = str(err).rpartition("; ")
            return [Finding(problem or str(err), remedy)]
        return []

    def _send(self, points: list[Point]) -> None:
        try:
            self._api.write(
                bucket=self._settings.bucket,
                org=self._settings.org,
                # without points the client would send nothing, and so prove nothing
                record=points or b"\n",
                write_precision="us",
            )
        except ApiException as err:
            raise api_error(err, self._settings, n_points=len(points)) from err
        except (urllib3.exceptions.HTTPError, OSError) as err:
            raise connection_error(err, self._settings) from err


def run_influx_sink(settings: Settings, stop: threading.Event, *, counts: SinkCounts | None = None) -> None:
    """Write results and alerts to InfluxDB until `stop` is set.

    Parameters
    ----------
    settings
        `bootstrap` must be filled in; `influx` says where to write.
    stop
        Ends it, within a few seconds.
    counts
        Where it counts, for another thread to read.

    Raises
    ------
    ConfigurationError
        A setting that no server can mend: no address of Kafka, or one of InfluxDB that is none.
    """
    sink = InfluxSink(settings.influx)
    run_loop(settings, sink, stop, options=LoopOptions(batch_size=settings.influx.batch_size), counts=counts)
