"""`stream-gov reference build --from-topic`: a reference from a stretch of production."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from stream_gov.cli.command_inputs import with_broker
from stream_gov.cli.output import note, warning
from stream_gov.cli.row_choice import RowChoice
from stream_gov.contracts import ConfigurationError, Monitor, parse_duration

if TYPE_CHECKING:
    from stream_gov.reference import ReferenceProfile
    from stream_gov.settings import Settings

__all__ = ["DEFAULT_LATENESS", "build_from_topic", "refuse_flags_of_files", "refuse_flags_of_topics"]

DEFAULT_LATENESS = "1d"
_ALL = "all"
_BROKER_ANSWERS_S = 10.0
_SAY_EVERY_S = 5.0


def refuse_flags_of_files(flags: Mapping[str, object]) -> None:
    """Refuse flags that say how a file is to be read.

    Raises
    ------
    ConfigurationError
        One was given.
    """
    given = [flag for flag, value in flags.items() if value]
    if given:
        msg = (
            f"{', '.join(given)}: an event says itself what is what, so with --from-topic this has no meaning; leave it out (columns are left "
            "out by `columns.exclude` in the monitor)"
        )
        raise ConfigurationError(msg)


def refuse_flags_of_topics(flags: Mapping[str, object]) -> None:
    """Refuse flags that only a topic has a use for.

    Raises
    ------
    ConfigurationError
        One was given.
    """
    given = [flag for flag, value in flags.items() if value]
    if given:
        msg = f"{', '.join(given)}: only with --from-topic; leave it out, or read from a topic"
        raise ConfigurationError(msg)


def build_from_topic(
    settings: Settings,
    monitor: Monitor,
    *,
    topic: str | None,
    name: str,
    revision: int,
    from_time: str | None,
    until_time: str | None,
    lateness: str | None,
    version: str | None,
) -> ReferenceProfile:
    """Read the events of a time and build a reference from them.

    Raises
    ------
    ConfigurationError
        No broker is known, there is no such topic, or a flag cannot be read.
    DataError
        There are no such events; the message says what the topic holds.
    UnavailableError
        The broker does not answer.
    KeyboardInterrupt
        It was stopped.
    """
    from stream_gov.reference import ProfileBuilder, build_profile
    from stream_gov.runtime.kafka_clients import wait_for_broker
    from stream_gov.runtime.stop_signals import stop_on_signals
    from stream_gov.runtime.topic_rows import Stretch, TopicRows

    choice = RowChoice.from_flags(None, from_time, until_time)
    if lateness is not None and choice.until_ms is None:
        msg = (
            f"--lateness {lateness}: without --until the topic is read to its end anyway; give --until, or leave it out"
        )
        raise ConfigurationError(msg)
    lateness_ms = _lateness(lateness or DEFAULT_LATENESS)
    running = with_broker(settings)
    cluster = wait_for_broker(running, "reference", give_up_after_s=_BROKER_ANSWERS_S)
    stop = stop_on_signals()
    now_ms = time.time_ns() // 1_000_000
    stretch = Stretch(
        model=monitor.model,
        from_ms=choice.from_ms,
        until_ms=choice.until_ms,
        lateness_ms=lateness_ms,
        version=version,
    )
    with _Progress(stop) as progress:
        rows = TopicRows(
            running,
            cluster,
            topic or running.topics.name("events"),
            stretch,
            now_ms=now_ms,
            on_progress=progress.update,
        )
        progress.n_offsets = rows.n_offsets
        profile = build_profile(
            rows.batches,
            ProfileBuilder.for_monitor(monitor),
            name=name,
            revision=revision,
            model=monitor.model,
            version=version,
            source=rows.source,
            created_ms=now_ms,
        )
    for notice in rows.notices():
        warning(notice)
    if choice.until_ms is not None and lateness_ms is not None and now_ms < choice.until_ms + lateness_ms:
        note("events of this time may still come in: it ended less than --lateness ago")
    return profile


def _lateness(text: str) -> int | None:
    if text == _ALL:
        return None
    try:
        return parse_duration(text)
    except ValueError as err:
        msg = f"--lateness {text}: {err}; or write `{_ALL}` to read to the end of the topic"
        raise ConfigurationError(msg) from err


class _Progress:
    """A bar for each pass on a terminal, otherwise a line every few seconds; on both the place where a wish to stop is heeded."""

    def __init__(self, stop: threading.Event) -> None:
        self.n_offsets = 0
        self._stop = stop
        self._said_s = time.monotonic()
        self._show: Callable[[int, int], None] = self._say
        self._end: Callable[[], None] = lambda: None

    def __enter__(self) -> _Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            tasks = {}
            bar.start()

            def show(number: int, n: int) -> None:
                if number not in tasks:
                    tasks[number] = bar.add_task(f"reading the topic, pass {number}", total=self.n_offsets)
                bar.update(tasks[number], completed=n)

            self._show, self._end = show, bar.stop
        return self

    def update(self, number: int, n: int) -> None:
        """Show how far it is.

        Raises
        ------
        KeyboardInterrupt
            It is to stop.
        """
        if self._stop.is_set():
            raise KeyboardInterrupt
        self._show(number, n)

    def _say(self, number: int, n: int) -> None:
        now = time.monotonic()
        if now - self._said_s >= _SAY_EVERY_S:
            self._said_s = now
            note(f"pass {number}: {n:,} of {self.n_offsets:,} messages")

    def __exit__(self, *_: object) -> None:
        self._end()
