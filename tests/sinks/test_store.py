from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream_gov.contracts import (
    AlertCause,
    AlertChange,
    AlertSeverity,
    AlertStatus,
    ConfigurationError,
    Result,
    UnavailableError,
    Verdict,
)
from stream_gov.settings import Settings
from stream_gov.sinks import Store
from stream_gov.sinks.store_tables import ALERT_EVENTS
from tests.contracts.messages import END_MS, START_MS, a_result, an_alert
from tests.sinks.store_bench import RESOLVED, WEEK_MS, an_event, in_week


def test_what_is_written_is_read_back(store: Store) -> None:
    full = a_result(threshold=0.25, reason="because", segment="region=NSW", rejected=3)
    bare = a_result(
        id="b",
        value=None,
        p_value=None,
        level=None,
        tolerance=None,
        verdict=Verdict.INSUFFICIENT,
        version="",
        column="",
    )
    causes = [
        an_alert().causes[0],
        AlertCause(column="", statistic="s", value=None, rule="r", n_reference=1, n_window=2, detail="ü"),
    ]
    alert = an_alert(causes=causes, columns=["a,b", 'q"'])
    store.write([full, bare, alert])
    assert sorted(store.results(), key=lambda r: r.id) == sorted([full, bare], key=lambda r: r.id)
    assert list(store.alerts()) == [alert]


@pytest.mark.parametrize("number", [1e-308, 0.1 + 0.2, 1.7976931348623157e308, -1.5, 5e-324])
def test_numbers_come_back_to_the_last_bit(store: Store, number: float) -> None:
    store.write([a_result(value=number, p_value=number)])
    (found,) = store.results()
    assert str(found.value) == str(number)


def test_the_same_message_twice_is_one_row(store: Store) -> None:
    for _ in range(2):
        store.write([a_result(), an_alert(), a_result(), an_alert()])
    assert list(store.results()) == [a_result()]
    assert list(store.alerts()) == [an_alert()]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in three"])
def test_a_lower_revision_never_replaces_a_higher_one(store: Store, together: bool) -> None:
    revisions = [a_result(revision=n, value=float(n)) for n in (1, 2, 0)]
    for batch in [revisions] if together else [[r] for r in revisions]:
        store.write(batch)
    assert [(r.revision, r.value) for r in store.results()] == [(2, 2.0)]


def test_of_the_same_revision_the_later_stands(store: Store) -> None:
    """A backtest with other thresholds gives the same ids; the last one counts."""
    store.write([a_result(verdict=Verdict.DRIFT)])
    store.write([a_result(verdict=Verdict.STABLE)])
    assert [r.verdict for r in store.results()] == [Verdict.STABLE]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, 5), min_size=1, max_size=12), cuts=st.sets(st.integers(1, 11)))
def test_whatever_the_order_and_the_batches_the_highest_revision_stands(
    store: Store, order: list[int], cuts: set[int]
) -> None:
    with store._transaction() as connection:
        connection.execute(sqlalchemy.text("DELETE FROM results"))
    batch: list[Result] = []
    for i, revision in enumerate(order):
        if i in cuts:
            store.write(batch)
            batch = []
        batch.append(a_result(revision=revision, value=float(revision)))
    store.write(batch)
    assert [(r.revision, r.value) for r in store.results()] == [(max(order), float(max(order)))]


def test_results_are_found_by_model_column_statistic_and_time(store: Store) -> None:
    wanted = [in_week(n, column=c, model=m) for n in range(4) for c in ("a", "b", "") for m in ("x", "y")]
    store.write(reversed(wanted))

    def found(**query: Any) -> list[tuple[int, str, str]]:
        return [((r.window_end_ms - END_MS) // WEEK_MS, r.model, r.column) for r in store.results(**query)]

    assert found() == sorted(found())
    assert len(found()) == len(wanted)
    assert found(model="x", column="b") == [(n, "x", "b") for n in range(4)]
    assert found(model="y", column="") == [(n, "y", "") for n in range(4)]
    assert found(model="x", column="a", since_ms=END_MS + WEEK_MS) == [(1, "x", "a"), (2, "x", "a"), (3, "x", "a")]
    assert found(model="x", column="a", until_ms=END_MS + WEEK_MS) == [(0, "x", "a")]
    assert found(statistic="psi", model="x", column="a", since_ms=END_MS, until_ms=END_MS + 1) == [(0, "x", "a")]
    assert found(statistic="ks") == []


def test_many_results_are_read_one_after_the_other(store: Store) -> None:
    store.write([a_result(id=f"{i:05}", column=f"c{i:05}") for i in range(4_321)])
    assert [r.id for r in store.results()] == [f"{i:05}" for i in range(4_321)]
    first = next(iter(store.results()))  # and left
    assert first.id == "00000"
    store.write([in_week(1)])


def test_an_alert_stands_as_its_last_change_left_it(store: Store) -> None:
    later = {"opened_window_start_ms": START_MS + 1}
    store.write([an_event(1, n_windows=2), an_event(0), an_event(2, **RESOLVED, n_windows=3)])
    store.write([an_event(0, "alert-2", model="other", **later)])
    store.write([an_event(0)])  # delivered again
    assert [(a.alert_id, a.sequence, a.status) for a in store.alerts()] == [
        ("alert-1", 2, AlertStatus.RESOLVED),
        ("alert-2", 0, AlertStatus.OPEN),
    ]
    assert [a.alert_id for a in store.alerts(status=AlertStatus.OPEN)] == ["alert-2"]
    assert [a.alert_id for a in store.alerts(status=AlertStatus.RESOLVED)] == ["alert-1"]
    assert [a.alert_id for a in store.alerts(model="other")] == ["alert-2"]
    assert list(store.alerts(model="other", status=AlertStatus.RESOLVED)) == []
    assert [(a.sequence, a.change) for a in store.alert_changes("alert-1")] == [
        (0, AlertChange.OPENED),
        (1, AlertChange.UPDATED),
        (2, AlertChange.RESOLVED),
    ]


def test_making_the_tables_twice_and_at_once_is_harmless(store_url: str) -> None:
    errors: list[Exception] = []
    begin = threading.Barrier(4)

    def start(n: int) -> None:
        store = Store(store_url)
        try:
            begin.wait(10)
            store.create()
            store.write([a_result(id=f"{n}")])
            store.create()
        except Exception as err:
            errors.append(err)
        finally:
            store.close()

    threads = [threading.Thread(target=start, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    store = Store(store_url)
    assert len(list(store.results())) == 4
    store.close()


def test_a_store_of_a_later_release_is_refused(store: Store, store_url: str) -> None:
    with store._transaction() as connection:
        connection.execute(sqlalchemy.text("UPDATE stream_gov_schema SET version = 2"))
    later = Store(store_url)
    for use in (later.create, lambda: list(later.results()), lambda: list(later.alerts())):
        with pytest.raises(ConfigurationError, match=r"tables of version 2.*knows version 1; upgrade stream-gov"):
            use()
    later.close()


def test_reading_makes_no_store(store_url: str, tmp_path: Path) -> None:
    store = Store(store_url)
    with pytest.raises(ConfigurationError, match=r"there is no store at .* yet; start stream-gov sink store"):
        list(store.results())
    with pytest.raises(ConfigurationError, match="there is no store"):
        list(store.alerts())
    store.close()
    assert list(tmp_path.glob("**/*.sqlite")) == []


def test_a_missing_column_is_a_damaged_store(store: Store) -> None:
    with store._transaction() as connection:
        connection.execute(sqlalchemy.text("ALTER TABLE results DROP COLUMN monitor"))
    with pytest.raises(ConfigurationError, match="are not as this release made them"):
        list(store.results())


@pytest.mark.parametrize("use", ["write", "read"])
def test_a_store_of_an_earlier_release_gets_the_columns_it_lacks(store: Store, store_url: str, use: str) -> None:
    store.write([a_result(id="before", distance=0.5)])
    with store._transaction() as connection:
        connection.execute(sqlalchemy.text("ALTER TABLE results DROP COLUMN distance"))
    later = Store(store_url)
    if use == "write":
        later.create()
        later.write([a_result(id="after", distance=0.5)])
    found = {r.id: r.distance for r in later.results()}
    later.close()
    assert found == ({"before": None, "after": 0.5} if use == "write" else {"before": None})


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("mysql://user@host/db", "may be sqlite or postgresql"),
        ("not a url", "store_url is no URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("postgresql+nodriver://host/db", "driver 'nodriver' of PostgreSQL is not installed"),
    ],
)
def test_a_wrong_url_is_refused_at_once(bad: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Store(bad)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database at all, but long enough to look at" * 100)
    store = Store(f"sqlite:///{tmp_path / 'notes.txt'}")
    with pytest.raises(ConfigurationError, match=r"notes\.txt is a file, but no SQLite database"):
        store.create()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(f"sqlite:///{tmp_path / 'file' / 'below' / 'store.sqlite'}")
    with pytest.raises(ConfigurationError, match=r"folder .* cannot be made \(Not a directory\).*state_dir"):
        store.create()


def test_a_locked_file_is_something_to_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_gov.sinks.store._SQLITE_WAIT_S", 0.05)
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    store = Store(url)
    store.create()
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="database is locked"):
            store.write([a_result()])
        assert list(store.results()) == []  # readers do not wait
    store.write([a_result()])
    assert len(list(store.results())) == 1


def test_settings_give_a_file_in_the_state_directory(tmp_path: Path) -> None:
    store = Store(Settings(state_dir=tmp_path / "state").store)
    store.create()
    assert (tmp_path / "state" / "store.sqlite").is_file()


OLD_TABLES = """
CREATE TABLE alert_events (
    id VARCHAR(64) NOT NULL, alert_id VARCHAR(64) NOT NULL, sequence BIGINT NOT NULL, change TEXT NOT NULL, status TEXT NOT NULL,
    monitor TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, segment TEXT NOT NULL, reference TEXT NOT NULL,
    opened_window_start_ms BIGINT NOT NULL, opened_window_end_ms BIGINT NOT NULL, window_start_ms BIGINT NOT NULL,
    window_end_ms BIGINT NOT NULL, n_windows BIGINT NOT NULL, causes TEXT NOT NULL, columns TEXT NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (id), CONSTRAINT alert_events_by_alert UNIQUE (alert_id, sequence));
CREATE INDEX alert_events_by_model ON alert_events (model, opened_window_start_ms);
CREATE TABLE results (
    id VARCHAR(64) NOT NULL, monitor TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL, segment TEXT NOT NULL,
    "column" TEXT NOT NULL, statistic TEXT NOT NULL, window_start_ms BIGINT NOT NULL, window_end_ms BIGINT NOT NULL,
    revision BIGINT NOT NULL, value FLOAT(53), rule TEXT NOT NULL, threshold FLOAT(53), p_value FLOAT(53), level FLOAT(53),
    tolerance FLOAT(53), calibration TEXT NOT NULL, n_reference BIGINT NOT NULL, n_window BIGINT NOT NULL, verdict TEXT NOT NULL,
    reason TEXT NOT NULL, reference TEXT NOT NULL, events BIGINT NOT NULL, late BIGINT NOT NULL, rejected BIGINT NOT NULL,
    PRIMARY KEY (id));
CREATE INDEX results_by_column ON results (model, "column", statistic, window_end_ms);
CREATE INDEX results_by_window ON results (model, window_end_ms);
CREATE TABLE stream_gov_schema (id INTEGER NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (id));
INSERT INTO stream_gov_schema (id, version) VALUES (1, 1);
INSERT INTO results VALUES ('r', 'm', 'electricity', '1', '', 'vicprice', 'psi', 0, 1000, 0, 3.25, 'threshold', 0.2, NULL, NULL,
    NULL, '', 17520, 336, 'drift', '', 'e@1', 336, 0, 0);
INSERT INTO alert_events VALUES ('e', 'alert-0', 0, 'opened', 'open', 'm', 'electricity', '1', '', 'e@1', 0, 1000, 0, 1000, 1,
    '[{"column":"vicprice","statistic":"psi","value":3.25,"rule":"threshold","threshold":0.2,"n_reference":17520,"n_window":336}]',
    '["vicprice"]', 'electricity: drift in vicprice');
"""
"""The tables as the first release made them, with a row in each."""


@pytest.fixture
def old_store_url(store_url: str, tmp_path: Path) -> str:
    (tmp_path / "deep").mkdir(exist_ok=True)
    engine = Store(store_url)._engine
    with engine.begin() as connection:
        for statement in OLD_TABLES.split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    engine.dispose()
    return store_url


def test_a_store_of_the_first_release_is_read_as_it_is(old_store_url: str) -> None:
    store = Store(old_store_url)
    (alert,) = store.alerts(status=AlertStatus.OPEN)
    assert (alert.alert_id, alert.severity, alert.group_id, alert.snoozed_until_ms) == ("alert-0", "warning", "", None)
    assert list(store.alert_changes("alert-0")) == [alert]
    assert [(r.value, r.maintenance) for r in store.results(column="vicprice")] == [(3.25, False)]
    # reading has changed nothing
    columns = {c["name"] for c in sqlalchemy.inspect(store._engine).get_columns("alert_events")}
    assert "severity" not in columns
    store.close()


def test_a_store_of_the_first_release_is_written_on_and_what_it_holds_stays(old_store_url: str) -> None:
    stores = [Store(old_store_url) for _ in range(2)]
    for store in stores:
        store.create()  # the second finds the columns there
    told = an_alert(
        sequence=3,
        severity=AlertSeverity.CRITICAL,
        group_id="g",
        by="anna",
        note='it\'s "mine"',
        at_ms=2**53,
        command_id="c",
        acknowledged_by="anna",
        snoozed_until_ms=END_MS,
        status=AlertStatus.ACKNOWLEDGED,
        change=AlertChange.SNOOZED,
    )
    stores[0].write([told, a_result(maintenance=True)])
    assert list(stores[1].alerts(status=AlertStatus.ACKNOWLEDGED)) == [told]
    assert [a.alert_id for a in stores[1].alerts()] == ["alert-0", told.alert_id]
    assert {(r.id, r.maintenance) for r in stores[1].results()} == {("r", False), (a_result().id, True)}
    for store in stores:
        store.close()


def test_the_first_release_goes_on_writing_into_tables_that_this_one_has_widened(old_store_url: str) -> None:
    store = Store(old_store_url)
    store.create()
    of_first = [line for line in OLD_TABLES.split(";") if "INSERT INTO alert_events" in line]
    columns = ", ".join(c.name for c in ALERT_EVENTS.columns if not c.nullable)
    insert = (
        of_first[0]
        .replace("alert_events VALUES", f"alert_events ({columns}) VALUES")
        .replace("'e', 'alert-0', 0", "'f', 'alert-0', 1")
    )
    with store._transaction() as connection:
        connection.exec_driver_sql(insert)
    assert [(a.sequence, a.severity, a.by) for a in store.alert_changes("alert-0")] == [
        (0, "warning", ""),
        (1, "warning", ""),
    ]
    store.close()


def test_two_workers_that_widen_the_tables_at_once_do_so_once(old_store_url: str) -> None:
    errors: list[Exception] = []
    begin = threading.Barrier(4)

    def start() -> None:
        store = Store(old_store_url)
        try:
            begin.wait(10)
            store.create()
            list(store.alerts())
        except Exception as err:
            errors.append(err)
        finally:
            store.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
