"""Drive the whole flow in one process: feed events, advance event time, read results and alerts. For your own tests too.

Nothing here needs a broker or a clock::

    driver = Driver(monitor, reference)
    driver.feed({"amount": 12.5}, at="2026-03-01T09:00:00Z")
    driver.advance("2026-03-01T10:00:00Z")
    assert driver.verdict(column="amount", statistic="psi") == "insufficient"
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from stream_gov.contracts import (
    NO_WATERMARK,
    Alert,
    DataError,
    Monitor,
    ReplayRecord,
    Result,
    SummaryRecord,
    Verdict,
    WatermarkRecord,
    decode_record,
    encode_record,
    parse_duration,
)
from stream_gov.decoding import Intake, Rejection
from stream_gov.detection import Detector, StaticCatalog, Step, closing_watermark
from stream_gov.detection.state import PartitionState
from stream_gov.reference import ReferenceProfile, counting_plan

__all__ = ["Driver", "to_ms"]

_TOPIC = "inference-events"


def to_ms(time: str | int | datetime) -> int:
    """Epoch milliseconds of RFC 3339 text with an offset, of an aware datetime, or of milliseconds themselves.

    Examples
    --------
    >>> to_ms("1970-01-01T00:00:01Z")
    1000
    """
    if isinstance(time, int):
        return time
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    if moment.tzinfo is None:
        msg = f"{time!r} has no offset from UTC; write it with Z or +02:00"
        raise ValueError(msg)
    return round(moment.timestamp() * 1_000)


class Driver:
    """The ingest and detect stages in one process.

    Parameters
    ----------
    monitor
        A monitor, or the text of a monitor file.
    reference
        What it is compared with; None for a monitor without one.
    partitions
        Partitions of the topic of events.
    out_of_orderness
        How far event times may run backwards in a partition, such as `"10s"`.

    Notes
    -----
    Summary records and the detector's table pass through their packed forms, as they do between processes. Event time moves only with
    events and by :meth:`advance`. The detector's wall clock does not exist; that of ingest (for events from the future) is moved by
    :attr:`now_ms`.
    """

    def __init__(
        self,
        monitor: Monitor | str,
        reference: ReferenceProfile | None = None,
        *,
        partitions: int = 1,
        out_of_orderness: str = "0s",
    ) -> None:
        self.monitor = Monitor.from_yaml(monitor, source="monitor") if isinstance(monitor, str) else monitor
        self.catalog = StaticCatalog([self.monitor], [] if reference is None else [reference])
        self.table: dict[str, bytes] = {}
        """What the detector keeps, as it would stand in its table."""
        self.now_ms: int | None = None
        """Clock of ingest; None: no event is from the future."""
        self.steps: list[Step] = []
        self.rejections: list[Rejection] = []
        self._partitions = partitions
        self._orderness_ms = parse_duration(out_of_orderness)
        self._next_offset = [0] * partitions
        self._cut_from = [0] * partitions
        self._last_event_ms: int | None = None
        self._ids = itertools.count()
        self._results: list[Result] = []
        self._alerts: list[Alert] = []
        self._detector = Detector(self.catalog)
        self._state = PartitionState()
        self._replaced: list[ReferenceProfile] = []
        self._replay: dict[str, Any] = {}
        self._make_intake()

    def _make_intake(self) -> None:
        def plan_of(model: str) -> Any:
            monitor = self.catalog.monitor(model)
            return (
                None
                if monitor is None
                else counting_plan(monitor, [*self.catalog.profiles_for(model), *self._replaced])
            )

        self._intake = Intake(plan_of, out_of_orderness_ms=self._orderness_ms, max_future_skew_ms=parse_duration("1h"))

    # --- in --------------------------------------------------------------------------------------------------------------------------

    def feed(
        self,
        features: Mapping[str, Any],
        *,
        at: str | int | datetime,
        partition: int = 0,
        version: str = "1",
        model: str | None = None,
        prediction: Any = None,
        scores: Any = None,
        event_id: str | None = None,
    ) -> None:
        """Send one event; it is counted at once, and sent on with the next :meth:`cut`."""
        event: dict[str, Any] = {
            "event_id": event_id or f"e{next(self._ids)}",
            "model": self.monitor.model if model is None else model,
            "version": version,
            "timestamp": to_ms(at),
            "features": dict(features),
            "prediction": prediction,
        }
        if scores is not None:
            event["scores"] = scores
        self.feed_bytes([json.dumps(event).encode()], at=at, partition=partition)

    def feed_bytes(self, values: Iterable[bytes], *, at: str | int | datetime, partition: int = 0) -> None:
        """Send raw messages, good or bad; `at` is the time Kafka would give them."""
        batch = list(values)
        first = self._next_offset[partition]
        offsets = list(range(first, first + len(batch)))
        times = [to_ms(at)] * len(batch)
        self.rejections += self._intake.add(_TOPIC, partition, offsets, batch, times, now_ms=self.now_ms)
        self._next_offset[partition] += len(batch)
        self._last_event_ms = max(to_ms(at), self._last_event_ms or 0)

    def cut(self, partition: int | None = None, *, send_twice: bool = False) -> None:
        """End a cut of one partition or of all: its summaries and its watermark go to the detector.

        Parameters
        ----------
        partition
            None: all of them.
        send_twice
            Send everything again, as the next owner of a partition does after a crash: the summaries before their watermarks are sent
            for the first time, and both after it.
        """
        chosen = range(self._partitions) if partition is None else [partition]
        records: list[SummaryRecord] = []
        for p in chosen:
            records += self._intake.cut(
                _TOPIC,
                p,
                n_partitions=self._partitions,
                from_offset=self._cut_from[p],
                to_offset=self._next_offset[p],
            )
            self._cut_from[p] = self._next_offset[p]
        records.sort(key=lambda r: isinstance(r, WatermarkRecord))
        panes = [r for r in records if not isinstance(r, WatermarkRecord)]
        for record in (*panes, *records, *records) if send_twice else records:
            self.take(record)

    def advance(self, to: str | int | datetime) -> None:
        """Move event time on without events: every partition says that nothing older than `to` will come."""
        self.cut()
        if self._replay:
            self._say_replayed_to(to_ms(to), ended=False)
        else:
            self._say_watermark(to_ms(to))

    def begin_replay(self, name: str, *, from_time: str | int | datetime, until_time: str | int | datetime) -> None:
        """Begin to replay old events: until :meth:`finish` the model has a clock of its own."""
        self.cut()
        self._replay = {"replay": name, "from_ms": to_ms(from_time), "until_ms": to_ms(until_time)}
        self._last_event_ms = to_ms(until_time)
        self._say_replayed_to(NO_WATERMARK, ended=False)

    def finish(self) -> None:
        """End the stream as a replay does: every window that holds an event closes for good."""
        self.cut()
        window = self.monitor.window
        end = closing_watermark(
            self._last_event_ms or 0,
            size_ms=window.size,
            every_ms=window.every_ms,
            allowed_lateness_ms=window.allowed_lateness,
        )
        self._say_replayed_to(end, ended=True)
        self._replay = {}

    def _say_replayed_to(self, watermark_ms: int, *, ended: bool) -> None:
        for p in range(self._partitions):
            offset = self._next_offset[p]
            self._next_offset[p] = self._cut_from[p] = offset + 1
            self.take(
                ReplayRecord(
                    self.monitor.model, _TOPIC, p, offset, offset + 1, watermark_ms, ended=ended, **self._replay
                )
            )
        self._say_watermark(NO_WATERMARK)

    def _say_watermark(self, watermark_ms: int) -> None:
        for p in range(self._partitions):
            offset = self._next_offset[p]
            self.take(WatermarkRecord(_TOPIC, p, self._partitions, offset, offset, watermark_ms, idle=False))

    def take(self, record: SummaryRecord) -> Step:
        """Give the detector one record."""
        step = self._detector.step(self._state, decode_record(encode_record(record)))
        self._results += step.results
        self._alerts += step.alerts
        for key, value in step.updates.items():
            if value is None:
                self.table.pop(key, None)
            else:
                self.table[key] = value
        self.steps.append(step)
        return step

    def put_monitor(self, monitor: Monitor | str) -> None:
        """Change the monitor while it runs; where it names another revision, ingest goes on counting on the one before, too."""
        old = self.catalog.profiles_for(self.monitor.model)
        self.monitor = Monitor.from_yaml(monitor, source="monitor") if isinstance(monitor, str) else monitor
        self.catalog.put_monitor(self.monitor)
        now = {p.id for p in self.catalog.profiles_for(self.monitor.model)}
        if any(p.id not in now for p in old):
            self._replaced = [p for p in old if p.id not in now]
        self._make_intake_again()

    def put_reference(self, reference: ReferenceProfile, *, count_on_old: bool = True) -> None:
        """Change the reference while it runs; ingest goes on counting on the old one too, unless told otherwise."""
        old = self.catalog.profiles_for(self.monitor.model)
        self.catalog.put_profile(reference)
        self._replaced = [p for p in old if p.id != reference.id] if count_on_old else []
        self._make_intake_again()

    def _make_intake_again(self) -> None:
        self.cut()
        self._make_intake()

    def restart(self) -> None:
        """Forget everything but the table, as after a crash of the detector."""
        self._state = self._detector.restore(self.table.items())

    # --- out -------------------------------------------------------------------------------------------------------------------------

    def results(
        self,
        *,
        column: str | None = None,
        statistic: str | None = None,
        segment: str | None = None,
        version: str | None = None,
        newest_revisions: bool = True,
    ) -> list[Result]:
        """Return results in the order of their windows; of each only the newest revision, unless told otherwise."""
        chosen: list[Result] = list(self._results)
        if newest_revisions:
            by_id: dict[str, Result] = {}
            for result in self._results:
                if result.id not in by_id or result.revision >= by_id[result.id].revision:
                    by_id[result.id] = result
            chosen = list(by_id.values())
        wanted = {"column": column, "statistic": statistic, "segment": segment, "version": version}
        return sorted(
            (r for r in chosen if all(v is None or getattr(r, name) == v for name, v in wanted.items())),
            key=lambda r: (r.window_end_ms, r.version, r.segment, r.column, r.statistic, r.revision),
        )

    def verdict(self, *, column: str, statistic: str, segment: str = "") -> Verdict:
        """Verdict of the newest window.

        Raises
        ------
        DataError
            No window with such a result has closed.
        """
        found = self.results(column=column, statistic=statistic, segment=segment)
        if not found:
            msg = f"no window with a result of {statistic} for column {column!r} and segment {segment!r} has closed yet; advance event time"
            raise DataError(msg)
        return found[-1].verdict

    def alerts(self) -> list[Alert]:
        """Return every alert message, in order."""
        return list(self._alerts)
