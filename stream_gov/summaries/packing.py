"""Packing of counts and large integers into few bytes, the same bytes for the same content."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import UnreadableRecordError

__all__ = ["pack_counts", "pack_integer", "unpack_counts", "unpack_integer"]

_WIDTHS = ("<u1", "<u2", "<u4", "<u8")
_SPARSE = 8  # added to the width's number: positions of the cells that are not empty come first


def _width(largest: int) -> int:
    return 0 if largest < 2**8 else 1 if largest < 2**16 else 2 if largest < 2**32 else 3


def pack_counts(counts: NDArray[np.int64]) -> bytes:
    """Pack counts (shape `(k,)`, each >= 0), dense or by position, whichever is shorter.

    Examples
    --------
    >>> unpack_counts(pack_counts(np.array([0, 3, 70_000])), 3).tolist()
    [0, 3, 70000]
    """
    width = _width(int(counts.max(initial=0)))
    place = _width(max(counts.size - 1, 0))
    n_filled = int(np.count_nonzero(counts))
    if n_filled * (2**place + 2**width) + 1 < counts.size * 2**width:
        filled = counts.nonzero()[0]
        head = bytes((_SPARSE + 4 * place + width, *n_filled.to_bytes(4, "little")))
        return head + filled.astype(_WIDTHS[place]).tobytes() + counts[filled].astype(_WIDTHS[width]).tobytes()
    return bytes((width,)) + counts.astype(_WIDTHS[width]).tobytes()


def unpack_counts(data: bytes, size: int) -> NDArray[np.int64]:
    """Read what :func:`pack_counts` wrote; `size` is the number of cells.

    Raises
    ------
    UnreadableRecordError
        The bytes do not hold that many counts.
    """
    try:
        code = data[0]
        if code < _SPARSE:
            counts = np.frombuffer(data, _WIDTHS[code], offset=1).astype(np.int64)
        else:
            place, width = divmod(code - _SPARSE, 4)
            n = int.from_bytes(data[1:5], "little")
            positions = np.frombuffer(data, _WIDTHS[place], count=n, offset=5)
            counts = np.zeros(size, np.int64)
            counts[positions] = np.frombuffer(data, _WIDTHS[width], count=n, offset=5 + positions.nbytes)
    except (IndexError, ValueError) as err:
        msg = f"damaged counts ({len(data)} bytes for {size} cells): {err}"
        raise UnreadableRecordError(msg) from err
    if counts.size != size:
        msg = f"damaged counts: {counts.size} cells where {size} are expected"
        raise UnreadableRecordError(msg)
    return counts


def pack_integer(value: int) -> int | bytes:
    """Give an integer of any size as MessagePack can carry it: as it is, or as bytes where 64 bits are too few."""
    if -(2**63) <= value < 2**63:
        return value
    return value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)


def unpack_integer(value: int | bytes) -> int:
    """Read what :func:`pack_integer` gave."""
    return value if isinstance(value, int) else int.from_bytes(value, "little", signed=True)
