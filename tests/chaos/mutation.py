"""Damaged messages, from valid ones: some bytes of them changed, cut, doubled, spliced, or nothing of them left."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_TOKENS = (
    b"null", b"true", b"-1", b"1e999", b"NaN", b"9" * 400, b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\u0000", b"\\ud800", b"\xff", b"\x00", b"",
    b'"timestamp":0', b'"model":"m"', b'"features":{}', b"0.1", b"--", b'"\xf0\x9f\x98\x80"',
)  # fmt: skip


def _changed_byte(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] = rng.randrange(256)


def _flipped_bit(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut_out(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.randint(1, 12)]


def _cut_off(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def _doubled(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(len(data))
    data[start:start] = data[start : start + rng.randint(1, 40)]


def _token_put_in(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(len(data))
    data[start : start + rng.choice((0, 0, 1, 4))] = rng.choice(_TOKENS)


_MUTATIONS = (_changed_byte, _flipped_bit, _cut_out, _cut_off, _doubled, _token_put_in, _token_put_in)


def mutated(rng: random.Random, valid: bytes, *, times: int) -> bytes:
    """Return `valid`, changed so many times in random ways."""
    data = bytearray(valid)
    for _ in range(times):
        if data:
            rng.choice(_MUTATIONS)(rng, data)
    return bytes(data)


def spliced(rng: random.Random, first: bytes, second: bytes) -> bytes:
    """Return the beginning of one and the end of the other."""
    return first[: rng.randrange(len(first) + 1)] + second[rng.randrange(len(second) + 1) :]


def deep(rng: random.Random) -> bytes:
    """Return JSON nested up to 3,000 deep, closed or not."""
    depth = rng.choice((99, 100, 101, rng.randint(1, 3_000)))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return opening * depth + b"1" + closing * (depth if rng.random() < 0.7 else rng.randrange(depth + 1))


def wide(rng: random.Random) -> bytes:
    """Return an object of up to 2,000 names."""
    return b"{" + b",".join(b'"k%d":%d' % (i, i) for i in range(rng.randint(1, 2_000))) + b"}"


def messages(valid: Sequence[bytes], *, n: int, seed: int) -> Iterator[bytes]:
    """Yield messages: a quarter valid, half of them mutated, and among the others random bytes, deep and wide JSON.

    Parameters
    ----------
    valid
        What they are made from.
    n
        How many.
    seed
        Makes them the same again.
    """
    rng = random.Random(seed)
    for _ in range(n):
        base, kind = rng.choice(valid), rng.random()
        if kind < 0.25:
            yield base
        elif kind < 0.75:
            yield mutated(rng, base, times=rng.choice((1, 1, 1, 2, 3, 8)))
        elif kind < 0.85:
            yield spliced(rng, base, rng.choice(valid))
        elif kind < 0.95:
            yield rng.randbytes(rng.choice((0, 1, 8, 60, 400)))
        elif kind < 0.98:
            start = base.find(b"{", 1)
            yield base[:start] + deep(rng) + base[start + 1 :] if rng.random() < 0.5 else deep(rng)
        elif kind < 0.985:
            yield base.replace(b'"features":{', b'"features":' + wide(rng)[:-1] + b",", 1)
        else:
            yield mutated(rng, rng.choice((base + base, b"[" + base + b"]", base.decode().encode("utf-16"))), times=1)
