"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Waits that double up to a limit, each shortened at random by up to half.

    The random part keeps many workers from knocking at the same moment at a server that has just come back.

    Parameters
    ----------
    first_s, limit_s
        The first wait and the longest one, in seconds, before the random part.
    random_share
        Gives numbers in ``[0, 1)``; injected by tests.

    Examples
    --------
    >>> backoff = Backoff(first_s=1.0, limit_s=5.0, random_share=lambda: 1.0)
    >>> [backoff.next_s() for _ in range(4)]
    [1.0, 2.0, 4.0, 5.0]
    """

    def __init__(
        self, *, first_s: float = 0.5, limit_s: float = 30.0, random_share: Callable[[], float] = random.random
    ) -> None:
        if not 0 < first_s <= limit_s:
            msg = f"first_s is {first_s} and limit_s {limit_s}; the first wait is positive and not above the limit"
            raise ValueError(msg)
        self._first_s = first_s
        self._limit_s = limit_s
        self._random_share = random_share
        self._n_waits = 0

    def next_s(self) -> float:
        """Seconds to wait now."""
        # beyond 2**32 the limit has long been reached, and the power would overflow a float one day
        longest = min(self._limit_s, self._first_s * 2.0 ** min(self._n_waits, 32))
        self._n_waits += 1
        return longest * (0.5 + 0.5 * self._random_share())

    def reset(self) -> None:
        """Start anew, after a success."""
        self._n_waits = 0
