"""The store: results and alerts in a database, for `stream-gov alerts`, reports, and SQL. SQLite by default, PostgreSQL by its URL."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Select, Table, create_engine, event, exc, inspect, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from stream_gov.contracts import Alert, AlertStatus, ConfigurationError, Result
from stream_gov.settings import Settings
from stream_gov.sinks.consume import LoopOptions
from stream_gov.sinks.run import run_loop
from stream_gov.sinks.sink import Record, SinkCounts
from stream_gov.sinks.store_errors import store_error
from stream_gov.sinks.store_tables import (
    ALERT_EVENTS,
    RESULTS,
    SCHEMA,
    SCHEMA_VERSION,
    TABLES,
    add_missing_columns,
    alert_of,
    current_alerts,
    missing_columns,
    result_of,
    row_of_alert,
    row_of_result,
)

__all__ = ["Store", "StoreSink", "run_store_sink"]

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_ROWS_AT_ONCE = 1_000
_SQLITE_WAIT_S = 30.0
"""How long a writer waits for another one."""
_LOCK = 0x5747_5354
"""Key of PostgreSQL's advisory lock while the tables are made; any number will do, as long as it is always the same."""


class Store:
    """Results by id with their newest revision, and every change of every alert.

    Writing a message twice changes nothing, and a lower revision never replaces a higher one.

    Parameters
    ----------
    url
        ``sqlite:///path/to/file``, or ``postgresql://user:password@host/database``.

    Raises
    ------
    ConfigurationError
        The URL is none, is of another database, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self._url = _understand(url)
        self._engine = _make_engine(self._url)
        self._insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        self._checked = False
        self._missing: dict[str, set[str]] = {}
        """By table, columns that this release knows and the release that made the table did not."""

    def create(self) -> None:
        """Make the tables where they are missing, add the columns that those of an earlier release lack, and check their version.

        Raises
        ------
        ConfigurationError
            A later release of stream-gov made the tables, or the database refuses the log-in.
        UnavailableError
            The database does not answer.
        """
        if self._url.database and self._engine.dialect.name == "sqlite":
            self._make_folder(Path(self._url.database).parent)
        with self._transaction() as connection:
            if connection.dialect.name == "postgresql":
                # CREATE IF NOT EXISTS alone fails where two workers make the same table at the same moment
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            for table in TABLES.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
                for index in sorted(table.indexes, key=lambda i: str(i.name)):
                    connection.execute(CreateIndex(index, if_not_exists=True))
            first = self._insert(SCHEMA).values(id=1, version=SCHEMA_VERSION).on_conflict_do_nothing()
            connection.execute(first)
            self._check_version(connection)
            add_missing_columns(connection)
            self._missing = {}

    def write(self, records: Iterable[Record]) -> None:
        """Write records in one transaction.

        Raises
        ------
        RefusedRecordsError
            A record has a value that the database cannot hold.
        UnavailableError
            The database does not answer.
        """
        results: dict[str, Result] = {}
        alerts: dict[str, Alert] = {}
        for record in records:
            if isinstance(record, Alert):
                alerts[record.id] = record
            elif record.id not in results or record.revision >= results[record.id].revision:
                results[record.id] = record
        with self._transaction() as connection:
            # in order of their ids, so that two workers that write the same rows do not wait for each other in a circle
            self._upsert(connection, RESULTS, [row_of_result(results[i]) for i in sorted(results)], by="revision")
            self._upsert(connection, ALERT_EVENTS, [row_of_alert(alerts[i]) for i in sorted(alerts)])

    def results(
        self,
        *,
        model: str | None = None,
        column: str | None = None,
        statistic: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> Iterator[Result]:
        """Results in the order of their windows' ends.

        Parameters
        ----------
        model, column, statistic
            Only of these; a column `""` stands for the whole model.
        since_ms, until_ms
            Only of windows that end at `since_ms` or later, and before `until_ms`.
        """
        c = RESULTS.c
        query = select(RESULTS).order_by(c.window_end_ms, c.model, c.version, c.segment, c.column, c.statistic)
        for column_of_table, wanted in ((c.model, model), (c.column, column), (c.statistic, statistic)):
            if wanted is not None:
                query = query.where(column_of_table == wanted)
        if since_ms is not None:
            query = query.where(c.window_end_ms >= since_ms)
        if until_ms is not None:
            query = query.where(c.window_end_ms < until_ms)
        return (result_of(row) for row in self._rows(query, RESULTS))

    def alerts(self, *, model: str | None = None, status: AlertStatus | None = None) -> Iterator[Alert]:
        """Alerts as their last change left them, in the order in which they opened.

        Parameters
        ----------
        model
            Only of this model.
        status
            Only those that stand like this: `open` are those that are neither acknowledged nor resolved.
        """
        c = ALERT_EVENTS.c
        query = current_alerts().order_by(c.opened_window_start_ms, c.model, c.version, c.segment, c.alert_id)
        if model is not None:
            query = query.where(c.model == model)
        if status is not None:
            query = query.where(c.status == AlertStatus(status).value)
        return (alert_of(row) for row in self._rows(query, ALERT_EVENTS))

    def alert_changes(self, alert_id: str) -> Iterator[Alert]:
        """Every change of one alert, the first one first."""
        c = ALERT_EVENTS.c
        query = select(ALERT_EVENTS).where(c.alert_id == alert_id).order_by(c.sequence)
        return (alert_of(row) for row in self._rows(query, ALERT_EVENTS))

    def close(self) -> None:
        """Close connections."""
        self._engine.dispose()

    def _rows(self, query: Select[Any], table: Table) -> Iterator[Any]:
        if not self._checked:
            self._check_there()
        if missing := self._missing.get(table.name):
            there = [column for column in table.columns if column.name not in missing]
            query = query.with_only_columns(*there, maintain_column_froms=True)
        with (
            self._transaction() as connection,
            # closed in any case: a reader may leave before the end
            connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query) as found,
        ):
            yield from found.mappings()

    def _check_there(self) -> None:
        """Check before the first reading that there is a store; reading makes none."""
        database = self._url.database
        if self._engine.dialect.name == "sqlite" and database and not Path(database).exists():
            raise ConfigurationError(self._nothing_there())
        with self._transaction() as connection:
            if not inspect(connection).has_table(SCHEMA.name):
                raise ConfigurationError(self._nothing_there())
            self._check_version(connection)
            self._missing = {table.name: missing_columns(connection, table) for table in (RESULTS, ALERT_EVENTS)}

    def _nothing_there(self) -> str:
        return (
            f"there is no store at {self._url.render_as_string(hide_password=True)} yet; start stream-gov sink store or stream-gov up, "
            "which make it, or set store_url (STREAM_GOV_STORE_URL)"
        )

    def _check_version(self, connection: Connection) -> None:
        found = connection.execute(select(SCHEMA.c.version)).scalar_one_or_none()
        if found != SCHEMA_VERSION:
            msg = (
                f"the store {self._url.render_as_string(hide_password=True)} has tables of version {found}, and this release of stream-gov "
                f"knows version {SCHEMA_VERSION}; upgrade stream-gov, or set store_url (STREAM_GOV_STORE_URL) to another database"
            )
            raise ConfigurationError(msg)
        self._checked = True

    def _upsert(
        self, connection: Connection, table: Table, rows: list[dict[str, Any]], *, by: str | None = None
    ) -> None:
        if not rows:
            return
        statement = self._insert(table)
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=[table.c.id],
            set_={column.name: new[column.name] for column in table.columns if column.name != "id"},
            where=None if by is None else new[by] >= table.c[by],
        )
        connection.execute(statement, rows)

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            msg = (
                f"the folder {folder} of the store cannot be made ({err.strerror}); "
                "set state_dir (STREAM_GOV_STATE_DIR) or store_url (STREAM_GOV_STORE_URL) to a place that can be written to"
            )
            raise ConfigurationError(msg) from err

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except exc.SQLAlchemyError as err:
            raise store_error(err, self._url) from err


def _understand(url: str) -> URL:
    try:
        parsed = make_url(url)
    except exc.ArgumentError as err:
        msg = (
            "store_url is no URL of a database; write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE "
            "(STREAM_GOV_STORE_URL)"
        )
        raise ConfigurationError(msg) from err  # the value itself is not shown, since it may hold a password
    kind, _, driver = parsed.drivername.partition("+")
    if kind not in _DRIVERS:
        msg = f"store_url names a database of kind {kind!r}; the store may be sqlite or postgresql: set store_url (STREAM_GOV_STORE_URL)"
        raise ConfigurationError(msg)
    if kind == "sqlite" and parsed.database in {None, "", ":memory:"}:
        msg = "store_url names no file; write sqlite:///FILE (STREAM_GOV_STORE_URL): a store in memory would end with its connection"
        raise ConfigurationError(msg)
    return parsed if driver else parsed.set(drivername=_DRIVERS[kind])


def _make_engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        # a connection for each use: cheap with a file, and no file is left open
        engine = create_engine(url, connect_args={"timeout": _SQLITE_WAIT_S}, poolclass=NullPool)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    try:
        return create_engine(
            url,
            pool_pre_ping=True,
            pool_size=1,
            max_overflow=2,
            # a server that hangs must not hang the sink beyond what the consumer group tolerates
            connect_args={"connect_timeout": 10, "tcp_user_timeout": 30_000, "options": "-c statement_timeout=60000"},
        )
    except (ImportError, exc.NoSuchModuleError) as err:
        driver = url.get_driver_name() if isinstance(err, ImportError) else url.drivername.partition("+")[2]
        msg = (
            f"the driver {driver!r} of PostgreSQL is not installed; install psycopg by: pip install 'stream-gov[postgres]', "
            "and write store_url (STREAM_GOV_STORE_URL) as postgresql://USER:PASSWORD@HOST/DATABASE"
        )
        raise ConfigurationError(msg) from err


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # readers do not wait for the writer, nor it for them
    connection.execute("PRAGMA journal_mode=WAL")
    # offsets are committed once this has committed: it must then outlive a power cut
    connection.execute("PRAGMA synchronous=FULL")


class StoreSink:
    """Writes to a store.

    Parameters
    ----------
    store
        Where to; closed with the sink.
    """

    name = "store"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: list[Record] = []

    def setup(self) -> None:
        """Make the tables where they are missing."""
        self._store.create()

    def add(self, record: Record) -> None:
        """Take one record into the buffer."""
        self._records.append(record)

    def flush(self) -> None:
        """Write the buffer in one transaction, or raise."""
        records, self._records = self._records, []
        self._store.write(records)

    def close(self) -> None:
        """Close connections."""
        self._store.close()


def run_store_sink(settings: Settings, stop: threading.Event, *, counts: SinkCounts | None = None) -> None:
    """Write results and alerts to the store until `stop` is set.

    Parameters
    ----------
    settings
        `bootstrap` must be filled in; `store_url`, or else `state_dir`, says where to write.
    stop
        Ends it, within a second or two.
    counts
        Where it counts, for another thread to read.

    Raises
    ------
    ConfigurationError
        A setting that no server can mend: no address of Kafka, or a URL that is none.
    """
    run_loop(settings, StoreSink(Store(settings.store)), stop, options=LoopOptions(), counts=counts)
