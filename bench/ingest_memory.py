"""Resident memory of `Intake` while it takes 10 million events, some of them hostile.

    python bench/ingest_memory.py [--events 10000000]

Every message is a new object, made from a fixed pool with its own time and id, so that panes come and go. Of 1,000 messages some 5 are
hostile: malformed, deep, of a model nobody watches, with a category, a column, a version or a segment never seen before. The intake is
cut every 50,000 messages. Prints the resident memory on the way; it must stay where it was after the first million.
"""

from __future__ import annotations

import argparse
import gc
import random
import re
import time
from collections.abc import Iterator

from bench_events import START_MS, events, plan

from stream_gov.decoding import Intake

POOL = 20_000
BATCH = 5_000
CUT = 50_000
STEP = 500_000
PER_MS = 2
"""Events in a millisecond of event time: 10 million events are 83 minutes."""


def resident_mb() -> float:
    with open("/proc/self/status", encoding="ascii") as status:
        kilobytes = re.search(r"VmRSS:\s+(\d+)", status.read())
    return int(kilobytes[1]) / 1024 if kilobytes else float("nan")


def hostile(i: int, head: bytes, tail: bytes) -> bytes:
    """One of several kinds of bad or odd messages, each different from all before."""
    kinds = (
        lambda: head + b"%d" % i,
        lambda: b"[" * 5_000 + b"%d" % i,
        lambda: (head + b"%d" % (START_MS + i // PER_MS) + tail).replace(b"credit-default", b"model-%d" % i),
        lambda: (head + b"%d" % (START_MS + i // PER_MS) + tail).replace(b'"RENT"', b'"rent-%d"' % i),
        lambda: (head + b"%d" % (START_MS + i // PER_MS) + tail).replace(
            b'"features":{', b'"features":{"new-%d":1,' % i
        ),
        lambda: (head + b"%d" % (START_MS + i // PER_MS) + tail).replace(b"2024.06.1", b"v%d" % i),
        lambda: (head + b"%d" % (START_MS + i // PER_MS) + tail).replace(b'"car"', b'"segment-%d"' % i),
        lambda: (head + b"%d" % (START_MS + i) + tail).replace(b'"metadata"', b'"x"').replace(b"features", b"feature"),
    )
    return kinds[i % len(kinds)]()


def stream(n: int) -> Iterator[list[bytes]]:
    """Batches of messages, each made anew."""
    pool = [re.split(rb'(?<="timestamp":)\d+', message) for message in events(POOL, seed=1)]
    random_state = random.Random(2)
    bad = {random_state.randrange(10_000) for _ in range(50)}
    for start in range(0, n, BATCH):
        batch = []
        for i in range(start, start + BATCH):
            head, tail = pool[i % POOL]
            if i % 10_000 in bad:
                batch.append(hostile(i, head, tail))
            else:
                batch.append(head + b"%d" % (START_MS + i // PER_MS) + tail)
        yield batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    options = parser.parse_args()
    watched = plan(2, segments=(("purpose",),))
    intake = Intake({watched.model: watched}.get, out_of_orderness_ms=10_000, max_future_skew_ms=3_600_000)
    begun = time.perf_counter()
    marks: list[float] = []
    n_records = n_rejected = done = largest = 0
    print(f"{'events':>12} {'seconds':>8} {'records':>8} {'rejected':>9} {'panes held':>10} {'resident MB':>12}")
    for batch in stream(options.events):
        offsets = range(done, done + len(batch))
        n_rejected += len(intake.add("events", 0, offsets, batch, [START_MS] * len(batch), now_ms=None))
        done += len(batch)
        if done % CUT == 0:
            largest = max(largest, intake.n_pending())
            n_records += len(intake.cut("events", 0, n_partitions=1, from_offset=done - CUT, to_offset=done))
        if done % STEP == 0:
            gc.collect()
            marks.append(resident_mb())
            seconds = time.perf_counter() - begun
            print(
                f"{done:12,} {seconds:8.1f} {n_records:8,} {n_rejected:9,} {largest:10,} {marks[-1]:12.1f}", flush=True
            )
    later = marks[1:]
    print(
        f"after the first million: {min(later):.1f} to {max(later):.1f} MB, {marks[-1] - marks[1]:+.1f} MB from there to the end"
    )


if __name__ == "__main__":
    main()
