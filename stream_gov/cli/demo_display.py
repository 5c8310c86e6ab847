"""The demo's display: live on a terminal, a line every few seconds where there is none."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from stream_gov.cli.demo_watch import ColumnWatch, DemoWatch
from stream_gov.cli.histogram import bars
from stream_gov.cli.output import note
from stream_gov.contracts import Alert, Verdict
from stream_gov.files.time_axis import moment

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["DemoDisplay", "LinesDisplay", "LiveDisplay", "make_display"]

_SAY_EVERY_S = 5.0
_OTHER_CELLS = 46
"""Characters of a row beside the windows."""
_FRAMES_PER_SECOND = 6
_LEAST_FULL = 1.6
"""Height of a full block at the least. Heights are in units of the rule, straight up to it and logarithmic beyond."""


class DemoDisplay(Protocol):
    """Shows how the demo goes; a context."""

    def __enter__(self) -> DemoDisplay: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stage(self, text: str) -> None:
        """Say what is being done now."""
        ...

    def show(self, watch: DemoWatch, n_sent: int, n_events: int, rate: float, news: Sequence[Alert]) -> None:
        """Show what has been seen; `news` are alerts that have just opened or resolved."""
        ...


def make_display() -> DemoDisplay:
    """Give the display that suits standard error."""
    return LiveDisplay() if sys.stderr.isatty() else LinesDisplay()


class LinesDisplay:
    """A line for each stage and alert, and one every few seconds."""

    def __init__(self) -> None:
        self._said_s = time.monotonic()

    def __enter__(self) -> LinesDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def stage(self, text: str) -> None:
        """Say what is being done now."""
        note(text)

    def show(self, watch: DemoWatch, n_sent: int, n_events: int, rate: float, news: Sequence[Alert]) -> None:
        """Say how things stand, now and then."""
        for alert in news:
            note(f"alert {alert.change.value}: {alert.message}")
        if time.monotonic() - self._said_s >= _SAY_EVERY_S:
            self._said_s = time.monotonic()
            note(watch.line(n_sent, n_events, rate))


class LiveDisplay:
    """Progress, and each column's drift over the newest windows, drawn again several times a second."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("replay"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f} events/s"),
            TimeRemainingColumn(),
            console=self._console,
            expand=True,
        )
        self._task: Any = None
        self._drawn_s = 0.0
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def stage(self, text: str) -> None:
        """Say what is being done now."""
        self._console.print(text, highlight=False)

    def show(self, watch: DemoWatch, n_sent: int, n_events: int, rate: float, news: Sequence[Alert]) -> None:
        """Draw how things stand."""
        for alert in news:
            colour = "red" if alert.change.value == "opened" else "green"
            self._console.print(f"[bold {colour}]alert {alert.change.value}[/] {alert.message}", highlight=False)
        now = time.monotonic()
        if now - self._drawn_s < 1 / _FRAMES_PER_SECOND and n_sent < n_events:
            return
        self._drawn_s = now
        if self._task is None:
            self._task = self._progress.add_task("replay", total=n_events, rate=0.0)
        self._progress.update(self._task, completed=n_sent, rate=rate)
        self._live.update(self._draw(watch), refresh=True)

    def _draw(self, watch: DemoWatch) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        where = "" if watch.newest_window_end_ms is None else f", the newest to {moment(watch.newest_window_end_ms)}"
        counts = Text(f"{watch.n_windows:,} windows closed{where}; {watch.n_results:,} results", style="dim")
        room = max(10, self._console.width - _OTHER_CELLS)
        return Group(Text(), _columns_table(watch, room), Text(), _open_alerts(watch), Text(), counts, self._progress)


def _columns_table(watch: DemoWatch, room: int) -> RenderableType:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, expand=True)
    table.add_column("column", no_wrap=True)
    table.add_column("a window a day, the newest on the right", no_wrap=True, ratio=1)
    table.add_column("statistic", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for name in sorted(watch.columns):
        column = watch.columns[name]
        newest = column.newest
        value = "" if newest is None or newest.value is None else f"{newest.value:.2f}"
        verdict = column.verdict(newest) if newest is not None else Verdict.INSUFFICIENT
        table.add_row(
            name, _sparkline(column, room), column.statistic, value, Text(verdict.value, style=_STYLES[verdict])
        )
    return table


_STYLES = {Verdict.DRIFT: "bold red", Verdict.STABLE: "green", Verdict.INSUFFICIENT: "dim"}


def _sparkline(column: ColumnWatch, room: int) -> Text:
    from rich.text import Text

    shown = list(column.weights)[-room:]
    heights = [weight if weight <= 1 else 1 + math.log(weight) for weight, _ in shown]
    full = max([_LEAST_FULL, *heights])
    line = Text()
    for height, (_, result) in zip(heights, shown, strict=True):
        line.append(bars([max(height, 0.01), full])[0], style=_STYLES[column.verdict(result)])
    return line


def _open_alerts(watch: DemoWatch) -> RenderableType:
    from rich.text import Text

    if not watch.open_alerts:
        return Text("no alert is open", style="dim")
    text = Text()
    for alert in watch.open_alerts:
        named = ", ".join(dict.fromkeys(c.column for c in alert.causes if c.column)) or alert.model
        text.append("open alert ", style="bold red")
        text.append(f"since {moment(alert.opened_window_end_ms)}: {named}")
    return text
