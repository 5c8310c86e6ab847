"""What stands on the topics and in the stores after the faults, held against what must stand there."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy

from stream_gov.sinks.store_tables import ALERT_EVENTS, RESULTS
from tests.broker.cluster import TestCluster, wait_until
from tests.broker.test_detect_worker import newest
from tests.chaos.traffic import STRAGGLERS, Expected, Traffic
from tests.conftest import Influx
from tests.detection.scenario import HOUR, T0
from tests.sinks.influx_bench import all_points, at


class Outcome:
    """Reads the topics once they hold everything."""

    def __init__(self, cluster: TestCluster, traffic: Traffic) -> None:
        self._traffic = traffic
        self._cluster = cluster
        self._metrics = cluster.json_reader("metrics")
        self._alerts = cluster.json_reader("alerts")
        self._dead_letters = cluster.reader("dead_letters")

    @property
    def expected(self) -> Expected:
        return self._traffic.expected

    def results(self) -> dict[str, dict[str, Any]]:
        """The newest revision of every result of the windows that must be closed."""
        return {id_: r for id_, r in newest(self._metrics()).items() if r["window_end_ms"] <= self._traffic.end_ms}

    def wait_for_the_last_window(self, *, deadline_s: float) -> None:
        ends = {(model, self._traffic.end_ms) for model in self._traffic.models}

        def closed() -> bool:
            found = {(r["model"], r["window_end_ms"]) for r in self._metrics()}
            return ends <= found and all(
                offset == end
                for worker, role in (("ingest", "events"), ("detect", "summaries"))
                for (offset, _), end in zip(
                    self._cluster.committed(worker, role), self._cluster.ends(role), strict=True
                )
                if end
            )

        wait_until(closed, "the last windows close and everything is committed", deadline_s=deadline_s)

    # --- on the topics -------------------------------------------------------------------------------------------------------------

    def assert_every_window_is_exact(self) -> None:
        """Events by model and window, counted by hand."""
        counted = {
            (r["model"], r["window_start_ms"]): r["events"]
            for r in self.results().values()
            if r["statistic"] == "events" and r["model"] != STRAGGLERS
        }
        expected = self.expected.counted
        wrong = {k: (counted.get(k), n) for k, n in expected.items() if counted.get(k) != n}
        late = {
            (r["model"], r["window_start_ms"]): r["late"]
            for r in self.results().values()
            if r["statistic"] == "events" and r["late"] and r["model"] != STRAGGLERS
        }
        assert not wrong, (
            f"{len(wrong)} of {len(expected)} windows (found, expected): {dict(list(wrong.items())[:5])}; late: {late}"
        )
        assert set(counted) == set(expected)

    def assert_events_counted_late_and_refused_are_those_sent(self) -> None:
        """The sum, also for the model with late events."""
        results = [r for r in newest(self._metrics()).values() if r["statistic"] == "events"]
        end = self._traffic.end_ms
        for model, sent in self.expected.sent.items():
            # the last events, hours later, stand in a window that may be open still
            counted = sum(r["events"] for r in results if r["model"] == model and r["window_end_ms"] <= end)
            late = sum(r["late"] for r in results if r["model"] == model)
            windows = sorted(
                ((r["window_start_ms"] - T0) // HOUR, r["revision"], r["events"], r["late"])
                for r in results
                if r["model"] == model
            )
            assert counted + late == sent, (
                f"{model}: {counted} counted, {late} late, {sent} sent; (hour, revision, events, late): {windows}"
            )
            assert (late > 0) == (model == STRAGGLERS)
        places = {(_header(m, "partition"), _header(m, "offset")): _header(m, "reason") for m in self._dead_letters()}
        assert dict(Counter(places.values())) == self.expected.refused

    def assert_results_and_alerts_are_those_of_a_backtest(self) -> None:
        expected = self.expected
        found = {
            id_: (r["value"], r["verdict"], r["events"])
            for id_, r in self.results().items()
            if r["model"] != STRAGGLERS
        }
        assert found == {r.id: (r.value, r.verdict, r.events) for r in expected.results}
        alerts = {a["id"]: a for a in self._alerts() if a["model"] != STRAGGLERS}
        wanted = {a.id: (a.change, a.sequence, a.window_end_ms) for a in expected.alerts}
        assert len(wanted) > 2
        # the events that close the last windows may end an alert, which the backtest does not know
        in_time = {id_: a for id_, a in alerts.items() if a["window_end_ms"] <= self._traffic.end_ms}
        assert {id_: (a["change"], a["sequence"], a["window_end_ms"]) for id_, a in in_time.items()} == wanted

    def repeated_alerts(self) -> int:
        """Messages on the topic that repeat another of the same id."""
        ids = [a["id"] for a in self._alerts()]
        return len(ids) - len(set(ids))

    # --- in the stores -------------------------------------------------------------------------------------------------------------

    def wait_for_store(self, url: str, *, deadline_s: float) -> None:
        """Every message of the topics stands in the store, once."""
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        n_results = len({r["id"] for r in self._metrics()})
        n_alerts = len({a["id"] for a in self._alerts()})

        def counts() -> tuple[int, int]:
            with engine.connect() as connection:
                rows = [
                    connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(table)).scalar_one()
                    for table in (RESULTS, ALERT_EVENTS)
                ]
            return rows[0], rows[1]

        wait_until(lambda: counts() == (n_results, n_alerts), "the store holds everything", deadline_s=deadline_s)
        wait_until(
            lambda: self._rows_of(engine) == self._newest_of_topic(), "the newest revision of each", deadline_s=30
        )

    def _rows_of(self, engine: sqlalchemy.Engine) -> dict[str, tuple[Any, ...]]:
        with engine.connect() as connection:
            rows = connection.execute(sqlalchemy.select(RESULTS)).mappings()
            return {r["id"]: tuple(r[k] for k in _COMPARED) for r in rows}

    def _newest_of_topic(self) -> dict[str, tuple[Any, ...]]:
        return {id_: tuple(r[k] for k in _COMPARED) for id_, r in newest(self._metrics()).items()}

    def wait_for_influx(self, influx: Influx, *, deadline_s: float) -> None:
        """Every point equals what the topics, and so the store, say."""
        results = newest(self._metrics()).values()

        def key(r: dict[str, Any]) -> tuple[Any, ...]:
            return (at(r["window_end_ms"]), r["model"], r["column"] or "(model)", r["statistic"])

        drift = {key(r): (r["value"], r["verdict"], r["revision"]) for r in results if r["rule"] != "none"}
        windows = {
            key(r)[:2]: (r["events"], r["late"], r["rejected"], r["revision"]) for r in results if r["rule"] == "none"
        }

        def points() -> tuple[dict[Any, Any], dict[Any, Any]]:
            found = {
                (p["_time"], p["model"], p["column"], p["statistic"]): (p.get("value"), p["verdict"], p["revision"])
                for p in all_points(influx, "drift")
            }
            counted = {
                (p["_time"], p["model"]): (p["events"], p["late"], p["rejected"], p["revision"])
                for p in all_points(influx, "window")
            }
            return found, counted

        wait_until(lambda: points() == (drift, windows), "InfluxDB holds what the topics say", deadline_s=deadline_s)
        sequences = {(a["model"], a["alert_id"], a["sequence"]) for a in self._alerts()}
        wait_until(
            lambda: {(p["model"], p["alert_id"], p["sequence"]) for p in all_points(influx, "alert")} == sequences,
            "InfluxDB holds every alert",
            deadline_s=deadline_s,
        )


_COMPARED = (
    "model",
    "column",
    "statistic",
    "window_end_ms",
    "revision",
    "value",
    "verdict",
    "events",
    "late",
    "rejected",
)


def _header(message: Any, name: str) -> str:
    return bytes(dict(message.headers() or [])[name]).decode()
