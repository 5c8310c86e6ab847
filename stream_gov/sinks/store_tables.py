"""The tables of the store, and how messages stand in them. `docs/sinks.md` describes them for those who query them by SQL."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    exc,
    func,
    inspect,
    select,
    text,
)

from stream_gov.contracts import Alert, Result

__all__ = [
    "ALERT_EVENTS",
    "RESULTS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "TABLES",
    "add_missing_columns",
    "alert_of",
    "current_alerts",
    "missing_columns",
    "result_of",
    "row_of_alert",
    "row_of_result",
]

SCHEMA_VERSION = 1
"""Raised when the tables change so that an earlier release can no longer use them. New columns are nullable, are added to older tables, and
do not raise it; where they hold nothing a message has the default of its field."""

TABLES = MetaData()

SCHEMA = Table(
    "stream_gov_schema",
    TABLES,
    # one row: the fixed key keeps two workers that start together from adding two
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)

RESULTS = Table(
    "results",
    TABLES,
    Column("id", String(64), primary_key=True),
    Column("monitor", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("segment", Text, nullable=False),
    Column("column", Text, nullable=False),
    Column("statistic", Text, nullable=False),
    Column("window_start_ms", BigInteger, nullable=False),
    Column("window_end_ms", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("value", Float(53)),
    Column("rule", Text, nullable=False),
    Column("threshold", Float(53)),
    Column("p_value", Float(53)),
    Column("level", Float(53)),
    Column("tolerance", Float(53)),
    Column("distance", Float(53)),
    Column("calibration", Text, nullable=False),
    Column("since_ms", BigInteger),
    Column("n_reference", BigInteger, nullable=False),
    Column("n_window", BigInteger, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("maintenance", Boolean),
    Index("results_by_window", "model", "window_end_ms"),
    Index("results_by_column", "model", "column", "statistic", "window_end_ms"),
)

ALERT_EVENTS = Table(
    "alert_events",
    TABLES,
    Column("id", String(64), primary_key=True),
    Column("alert_id", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("change", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("monitor", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("segment", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("opened_window_start_ms", BigInteger, nullable=False),
    Column("opened_window_end_ms", BigInteger, nullable=False),
    Column("window_start_ms", BigInteger, nullable=False),
    Column("window_end_ms", BigInteger, nullable=False),
    Column("n_windows", BigInteger, nullable=False),
    Column("causes", Text, nullable=False),  # JSON
    Column("columns", Text, nullable=False),  # JSON
    Column("message", Text, nullable=False),
    Column("severity", Text),
    Column("group_id", Text),
    Column("by", Text),
    Column("note", Text),
    Column("at_ms", BigInteger),
    Column("command_id", Text),
    Column("acknowledged_by", Text),
    Column("snoozed_until_ms", BigInteger),
    UniqueConstraint("alert_id", "sequence", name="alert_events_by_alert"),
    Index("alert_events_by_model", "model", "opened_window_start_ms"),
)


def missing_columns(connection: Connection, table: Table) -> set[str]:
    """Columns that a table of an earlier release lacks; any other that is not there is damage, and is found when it is used."""
    there = {column["name"] for column in inspect(connection).get_columns(table.name)}
    return {column.name for column in table.columns if column.nullable} - there


def add_missing_columns(connection: Connection) -> None:
    """Bring tables of an earlier release up to this one."""
    for table in TABLES.sorted_tables:
        for name in sorted(missing_columns(connection, table)):
            column = table.c[name]
            kind = column.type.compile(connection.dialect)
            named = connection.dialect.identifier_preparer
            change = f"ALTER TABLE {named.format_table(table)} ADD COLUMN {named.format_column(column)} {kind}"
            try:
                connection.execute(text(change))
            except exc.OperationalError as err:
                if "duplicate column" not in str(err):  # SQLite has no lock for this: another worker was faster
                    raise


def current_alerts() -> Select[Any]:
    """Each alert as its last change left it."""
    last = (
        select(ALERT_EVENTS.c.alert_id, func.max(ALERT_EVENTS.c.sequence).label("sequence"))
        .group_by(ALERT_EVENTS.c.alert_id)
        .subquery("last")
    )
    return select(ALERT_EVENTS).join(
        last, and_(ALERT_EVENTS.c.alert_id == last.c.alert_id, ALERT_EVENTS.c.sequence == last.c.sequence)
    )


def row_of_result(result: Result) -> dict[str, Any]:
    """Row of `results`; keys are the fields of the message."""
    row = msgspec.structs.asdict(result)
    row["verdict"] = result.verdict.value
    return row


def result_of(row: RowMapping) -> Result:
    """Message of a row of `results`."""
    return msgspec.convert(_filled(row, Result), Result)


def row_of_alert(alert: Alert) -> dict[str, Any]:
    """Row of `alert_events`; keys are the fields of the message."""
    row = msgspec.structs.asdict(alert)
    row["change"] = alert.change.value
    row["status"] = alert.status.value
    row["severity"] = alert.severity.value
    row["causes"] = msgspec.json.encode(alert.causes).decode()
    row["columns"] = msgspec.json.encode(alert.columns).decode()
    return row


def alert_of(row: RowMapping) -> Alert:
    """Message of a row of `alert_events`."""
    fields = _filled(row, Alert)
    for name in ("causes", "columns"):
        fields[name] = msgspec.json.decode(fields[name])
    return msgspec.convert(fields, Alert)


def _filled(row: RowMapping, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Fields that the row holds, and those that are null and have no default."""
    fields = msgspec.structs.fields(kind)
    return {f.name: row[f.name] for f in fields if f.name in row and (row[f.name] is not None or f.required)}
