"""Times in UTC for people: moments as short as they can be, and round times for an axis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["day", "moment", "ticks"]


def _at(time_ms: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)


def day(time_ms: int) -> str:
    """Date of a time."""
    return f"{_at(time_ms):%Y-%m-%d}"


def moment(time_ms: int) -> str:
    """Shortest text of a time: without hours at midnight, without seconds at a full minute.

    Examples
    --------
    >>> moment(0), moment(86_340_000), moment(1_500)
    ('1970-01-01', '1970-01-01 23:59', '1970-01-01 00:00:01')
    """
    at = _at(time_ms)
    if not time_ms % 86_400_000:
        return f"{at:%Y-%m-%d}"
    return f"{at:%Y-%m-%d %H:%M}" if not time_ms % 60_000 else f"{at:%Y-%m-%d %H:%M:%S}"


_STEPS = (
    (1, "%H:%M:%S"), (5, "%H:%M:%S"), (15, "%H:%M:%S"), (60, "%H:%M"), (300, "%H:%M"), (900, "%H:%M"), (3_600, "%d %b %H:%M"),
    (10_800, "%d %b %H:%M"), (21_600, "%d %b %H:%M"), (43_200, "%d %b %H:%M"), (86_400, "%d %b"), (172_800, "%d %b"),
    (604_800, "%d %b"), (1_209_600, "%d %b"),
)  # fmt: skip
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)
_MOST_TICKS = 7


def ticks(first_ms: int, last_ms: int) -> list[tuple[int, str]]:
    """Round times with their labels: parts of a day and weeks, or months and years where those would be more than seven.

    Examples
    --------
    >>> [text for _, text in ticks(0, 86_400_000 * 3)]
    ['01 Jan 1970', '01 Jan 12:00', '02 Jan 00:00', '02 Jan 12:00', '03 Jan 00:00', '03 Jan 12:00']
    """
    for step_s, form in _STEPS:
        step = step_s * 1_000
        start = -(-first_ms // step) * step
        if (last_ms - start) // step < _MOST_TICKS:
            texts = [(t, _at(t).strftime(form)) for t in range(start, last_ms, step)]
            return [(t, text if i else _with_date(_at(t), form)) for i, (t, text) in enumerate(texts)]
    for months in _MONTHS:
        found = _month_ticks(first_ms, last_ms, months)
        if len(found) <= _MOST_TICKS:
            return found
    return _month_ticks(first_ms, last_ms, 600)


def _with_date(at: datetime, form: str) -> str:
    """Give the first label what the others leave out."""
    midnight = at.hour == at.minute == at.second == 0
    return at.strftime("%d %b %Y" if midnight or "%H" not in form else "%d %b %Y %H:%M")


def _month_ticks(first_ms: int, last_ms: int, months: int) -> list[tuple[int, str]]:
    at = _at(first_ms)
    index = at.year * 12 + at.month - 1
    index = -(-(index + 1) // months) * months
    found: list[tuple[int, str]] = []
    while True:
        first = datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)
        time_ms = int(first.timestamp() * 1_000)
        if time_ms >= last_ms:
            return found
        found.append((time_ms, first.strftime("%Y" if months >= 12 else "%b %Y")))
        index += months
