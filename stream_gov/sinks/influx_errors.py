"""What InfluxDB's answers mean: wait, mend a setting, or leave a record out."""

from __future__ import annotations

import json
import re

import urllib3
from influxdb_client.rest import ApiException

from stream_gov.contracts import ConfigurationError, StreamGovError, UnavailableError
from stream_gov.settings import InfluxSettings
from stream_gov.sinks.sink import RefusedRecordsError

__all__ = ["api_error", "connection_error"]

_LONGEST_REASON = 500
"""InfluxDB repeats the refused line in its answer, which may be long."""


def connection_error(err: Exception, settings: InfluxSettings) -> UnavailableError:
    """Say that there was no answer."""
    if isinstance(err, urllib3.exceptions.ReadTimeoutError | urllib3.exceptions.ConnectTimeoutError) and not isinstance(
        err, urllib3.exceptions.NewConnectionError
    ):
        reason = f"no answer within {settings.timeout / 1_000:g} s, influx.timeout"
    else:
        # urllib3 begins with the address of an object, which helps nobody
        reason = re.sub(r"^<?[\w.]*(Connection|Pool)[^:]*: ", "", str(err)) or type(err).__name__
    return UnavailableError(
        f"InfluxDB at {settings.url} does not answer ({reason}); start it, or set influx.url (STREAM_GOV_INFLUX__URL)"
    )


def api_error(err: ApiException, settings: InfluxSettings, *, n_points: int) -> StreamGovError:
    """Say what an answer other than success means.

    Parameters
    ----------
    err
        The answer.
    settings
        Named in the message, except for the token.
    n_points
        How many points the request carried; 0 for one that only proves that writing is possible.

    Returns
    -------
    `ConfigurationError` for a wrong token, organisation, bucket or address; `RefusedRecordsError` for points it will never take;
    `UnavailableError` for all else, since an answer nobody expected is no reason to drop records.
    """
    code, full_reason = _code_and_reason(err)
    reason = full_reason[:_LONGEST_REASON]
    match err.status:
        case 401 | 403 if err.status == 401 or "token is inactive" in reason:
            return ConfigurationError(
                f"InfluxDB at {settings.url} refuses the token ({err.status} {reason}); "
                "set influx.token (STREAM_GOV_INFLUX__TOKEN, or STREAM_GOV_INFLUX__TOKEN_FILE) to an active token"
            )
        case 403:
            return ConfigurationError(
                f"the token may not write to bucket {settings.bucket!r} of InfluxDB at {settings.url} (403 {reason}); "
                "give it write permission there, or set influx.token (STREAM_GOV_INFLUX__TOKEN) to one that has it"
            )
        case 404 if code == "not found" and reason.startswith("organization"):
            return ConfigurationError(
                f"InfluxDB at {settings.url} has no organisation {settings.org!r}; "
                "create it (influx org create -n NAME), or set influx.org (STREAM_GOV_INFLUX__ORG)"
            )
        case 404 if code == "not found":
            return ConfigurationError(
                f"InfluxDB at {settings.url} has no bucket {settings.bucket!r} in organisation {settings.org!r} ({reason}); "
                "create it (influx bucket create -n NAME), or set influx.bucket (STREAM_GOV_INFLUX__BUCKET)"
            )
        case 404 | 405:
            return ConfigurationError(
                f"what answers at {settings.url} is no InfluxDB 2 ({err.status}); set influx.url (STREAM_GOV_INFLUX__URL)"
            )
        case 400 | 422 if n_points == 0:
            return ConfigurationError(
                f"InfluxDB at {settings.url} refuses even a write without points ({err.status} {reason}); "
                "mend influx.org (STREAM_GOV_INFLUX__ORG) and influx.bucket (STREAM_GOV_INFLUX__BUCKET)"
            )
        case 400 | 422 if code in {"invalid", "unprocessable entity", "unprocessable_entity"}:
            return RefusedRecordsError(
                f"InfluxDB refuses a point ({err.status} {reason})", all_refused=_n_dropped(full_reason) >= n_points
            )
        case 413:
            return RefusedRecordsError("InfluxDB refuses a request of this size (413)")
        case 0:
            return UnavailableError(
                f"no secure connection to InfluxDB at {settings.url} ({reason}); "
                "mend its certificate, or set influx.url (STREAM_GOV_INFLUX__URL)"
            )
        case _:
            return UnavailableError(f"InfluxDB at {settings.url} cannot write now ({err.status} {reason})")


def _code_and_reason(err: ApiException) -> tuple[str, str]:
    """Return the code and the words of an answer; the code is empty if the answer is not InfluxDB's."""
    try:
        answer = json.loads(err.body or "")
        code, reason = str(answer["code"]), str(answer["message"])
    except (ValueError, TypeError, KeyError):
        return "", str(err.reason or "without a reason").replace("\n", " ")
    return code, reason.replace("\n", " ")


def _n_dropped(reason: str) -> int:
    """How many points a partial write left out; 0 if it does not say."""
    found = re.search(r"\bdropped=(\d+)", reason)
    return int(found.group(1)) if found else 0
