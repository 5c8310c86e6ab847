"""What a database's errors mean: wait, mend a setting, or leave a record out."""

from __future__ import annotations

import re

from sqlalchemy import exc
from sqlalchemy.engine import URL

from stream_gov.contracts import ConfigurationError, StreamGovError, UnavailableError
from stream_gov.sinks.sink import RefusedRecordsError

__all__ = ["store_error"]

_SETTING = "store_url (STREAM_GOV_STORE_URL)"

_MEND_CODES = {
    "28000": "the log-in is refused",
    "28P01": "the password is wrong",
    "3D000": "the database does not exist",
    "3F000": "the schema does not exist",
    "42501": "a permission is missing",
}
"""PostgreSQL's SQLSTATE where only a person can help."""

_REFUSED_CLASSES = {"22", "23", "54"}
"""Classes of SQLSTATE that are about a value: wrong data, a broken constraint, a limit such as the length of an index entry."""

_MEND_WORDS = {
    "password authentication failed": "the password is wrong",
    "no password supplied": "the password is missing",
    "role": "the log-in is refused",
    "pg_hba.conf": "the log-in is refused",
    "database": "the database does not exist",
}
"""The same where the connection itself fails: libpq then gives no SQLSTATE, only words after `FATAL:`."""


def store_error(err: exc.SQLAlchemyError, url: URL) -> StreamGovError:
    """Translate an error of SQLAlchemy; the address is shown without its password."""
    place = url.render_as_string(hide_password=True)
    cause = getattr(err, "orig", None)
    reason = " ".join(str(cause if cause is not None else err).split())
    sqlstate = getattr(cause, "sqlstate", None)
    remedy = _MEND_CODES.get(sqlstate or "") or _remedy_of_connection(reason)
    if remedy is not None:
        return ConfigurationError(
            f"the store {place} cannot be used: {remedy} ({reason}); mend it there, or set {_SETTING}"
        )
    if "file is not a database" in reason:
        return ConfigurationError(f"{place} is a file, but no SQLite database; name another by {_SETTING}")
    if (
        isinstance(err, exc.DataError | exc.IntegrityError)
        or (sqlstate or "")[:2] in _REFUSED_CLASSES
        or not isinstance(err, exc.DBAPIError)  # SQLAlchemy's own: a value that has no form in the database
    ):
        return RefusedRecordsError(f"the store {place} refuses a record ({reason})")
    # SQLite says the same by its words alone
    if isinstance(err, exc.ProgrammingError) or re.search(r"\b(no such|has no) (table|column)", reason):
        return ConfigurationError(
            f"the tables of the store {place} are not as this release made them ({reason}); "
            f"restore them, or name an empty database by {_SETTING}"
        )
    return UnavailableError(f"the store {place} does not answer ({reason}); start it or free it, or set {_SETTING}")


def _remedy_of_connection(reason: str) -> str | None:
    _, fatal, words = reason.partition("FATAL: ")
    if not fatal or "starting up" in words or "shutting down" in words or "too many" in words:
        return None
    return next((remedy for word, remedy in _MEND_WORDS.items() if word in words), None)
