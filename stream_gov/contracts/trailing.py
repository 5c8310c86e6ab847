"""Trailing references: which stretch of the recent past a window is compared with, and the steps it is kept in."""

from __future__ import annotations

from stream_gov.contracts.durations import Duration, format_duration
from stream_gov.contracts.strict_model import StrictModel

__all__ = ["MAX_TRAILING_STEPS", "TrailingConfig"]

MAX_TRAILING_STEPS = 64
"""Steps in which `gap + length` of a series is kept, at most."""
_LARGEST_STEP_SHARE = 1 / 8
"""A stretch of fewer than eight steps that are longer than `every` would begin and end too far from where it should."""


class TrailingConfig(StrictModel):
    """The stretch of `length` that ends `gap` before a window starts.

    It is kept in steps of one length, a multiple of `window.every`: the least with which `gap + length` is at most 64 steps. Where that is
    `every` itself the stretch is exact. Otherwise it is the last whole steps that end at or before `gap` before the window, `length` rounded
    up to whole steps.

    Examples
    --------
    >>> week = TrailingConfig(length="7d")
    >>> week.step_ms(86_400_000) // 3_600_000, week.step_ms(3_600_000) // 3_600_000
    (24, 3)
    """

    length: Duration
    gap: Duration = 0
    """Between the end of the stretch and the start of the window."""

    def step_ms(self, every_ms: int) -> int:
        """Length of a step in milliseconds."""
        per_step = -(-(self.length + self.gap) // (MAX_TRAILING_STEPS * every_ms))
        return max(per_step, 1) * every_ms

    def stretch(self, window_start_ms: int, every_ms: int) -> tuple[int, int]:
        """Start and end of the stretch that a window is compared with, epoch milliseconds; both multiples of the step.

        Examples
        --------
        >>> TrailingConfig(length="7ms", gap="2ms").stretch(20, every_ms=1)
        (11, 18)
        """
        step = self.step_ms(every_ms)
        end = (window_start_ms - self.gap) // step * step
        return end - -(-self.length // step) * step, end

    def check(self, every_ms: int) -> None:
        """Check that the stretch can be kept.

        Raises
        ------
        ValueError
            It cannot, in words.
        """
        every = format_duration(every_ms)
        if self.length <= 0 or self.length % every_ms or self.gap % every_ms:
            msg = (
                f"trailing.length ({format_duration(self.length)}) and trailing.gap ({format_duration(self.gap)}) must be multiples of "
                f"window.every ({every}), length at least one"
            )
            raise ValueError(msg)
        step = self.step_ms(every_ms)
        if step > every_ms and step > self.length * _LARGEST_STEP_SHARE:
            msg = (
                f"trailing: gap and length span {(self.length + self.gap) // every_ms} times window.every ({every}) and are kept in "
                f"{MAX_TRAILING_STEPS} steps at most, so a step would be {format_duration(step)}, too coarse for a length of "
                f"{format_duration(self.length)}; choose a longer length or every, or a shorter gap (to compare hours with like hours "
                "use `season`)"
            )
            raise ValueError(msg)

    def __str__(self) -> str:
        return format_duration(self.length) + (f"/{format_duration(self.gap)}" if self.gap else "")
