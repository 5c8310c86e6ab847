"""Decode and summarise on one core, against a loop that only calls `orjson.loads` on the same bytes.

    python bench/decode_and_summarise.py [--runs 9] [--only NAME] [--derived]

Each run takes both loops in turn over the same batches of 5,000 messages, so that a busy machine slows both; the table has the medians
over the runs. `Intake` is cut after every 20 batches, as a worker does every few seconds, and the cut's time counts. With `--derived` the
events have a text of 100 characters, or a vector of 384 numbers, besides; the last column is what that adds to an event, against plain ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import numpy as np
import orjson
from bench_events import CATEGORIES, MODEL, events, mean_bytes, plan

from stream_gov.decoding import CountingPlan, Intake
from stream_gov.summaries import TextDerivation, VectorDerivation, text_blocks

BATCH = 5_000
BATCHES = 20


def changed(messages: Iterable[bytes], change: Callable[[int, dict[str, object]], None], every: int = 1) -> list[bytes]:
    """Messages with every so many of them changed."""
    result = []
    for i, message in enumerate(messages):
        if i % every:
            result.append(message)
            continue
        event = json.loads(message)
        change(i, event)
        result.append(json.dumps(event, separators=(",", ":")).encode())
    return result


def text_time(_: int, event: dict) -> None:
    moment = datetime.fromtimestamp(event["timestamp"] / 1_000, UTC)
    event["timestamp"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def scenarios(n: int) -> dict[str, tuple[list[bytes], list[CountingPlan]]]:
    """Messages and plans by name."""
    plain = list(events(n, seed=1))
    many = [plan(model=f"{MODEL}-{i}") for i in range(50)]
    mixed = [
        message
        for batch in zip(*(events(n // 50, seed=i, model=f"{MODEL}-{i}") for i in range(50)), strict=True)
        for message in batch
    ]
    one_segment, two_segments = (("purpose",),), (("purpose",), ("home_ownership",))
    return {
        "plain": (plain, [plan()]),
        "two profiles at once": (plain, [plan(2)]),
        "5 segments": (plain, [plan(segments=one_segment)]),
        "9 segments": (plain, [plan(segments=two_segments)]),
        "12 panes": (list(events(n, seed=1, span_ms=60_000 * 12 * BATCHES)), [plan()]),
        "1 of 20 numbers missing": (changed(plain, lambda i, e: e["features"].update(loan_amount=None), 2), [plan()]),
        "texts as times": (changed(plain, text_time), [plan()]),
        "with metadata": (changed(plain, lambda i, e: e.update(metadata={"host": "a1", "n": i})), [plan()]),
        "1 % unseen categories": (changed(plain, lambda i, e: e["features"].update(purpose=f"p{i % 7}"), 100), [plan()]),
        "a new column in all": (changed(plain, lambda i, e: e["features"].update(new=i)), [plan()]),
        "1 % malformed": ([m[:-1] if i % 100 == 0 else m for i, m in enumerate(plain)], [plan()]),
        "all malformed": ([m[:-1] for m in plain], [plan()]),
        "50 models mixed": (mixed, many),
        "no monitor for any": (plain, []),
    }  # fmt: skip


def derived_scenarios(n: int) -> dict[str, tuple[list[bytes], list[CountingPlan]]]:
    """Plain messages, and the same with a text or a vector; each of a tenth of the messages comes ten times."""
    rng = np.random.default_rng(1)
    plain = list(events(n // 10, seed=1))
    words = ["".join(rng.choice(list("etaoinshrdlu"), rng.integers(2, 10))) for _ in range(5_000)]
    texts = [" ".join(rng.choice(words, 40))[:100] for _ in plain]
    often = np.unique(np.concatenate([block.words for block in text_blocks(words[:4_000])]))
    vectors = np.round(rng.normal(0, 0.05, (len(plain), 384)), 6)
    with_text = changed(plain, lambda i, e: e["features"].update(comment=texts[i]))
    with_vector = changed(plain, lambda i, e: e["features"].update(emb=vectors[i].tolist()))
    return {
        "plain": (plain * 10, [plan()]),
        "a text of 100 characters": (with_text * 10, [plan(derivations=(TextDerivation("comment", often),))]),
        "a vector of 384 numbers": (with_vector * 10, [plan(derivations=(VectorDerivation("emb", 384),))]),
    }


def run_intake(messages: list[bytes], intake: Intake) -> int:
    times = [0] * BATCH
    records = 0
    for start in range(0, len(messages), BATCH):
        batch = messages[start : start + BATCH]
        intake.add("events", 0, range(start, start + len(batch)), batch, times, now_ms=None)
    records += len(intake.cut("events", 0, n_partitions=1, from_offset=0, to_offset=len(messages)))
    return records


def run_orjson(messages: list[bytes]) -> None:
    loads = orjson.loads
    for message in messages:
        try:  # noqa: SIM105  # a context manager would slow the loop that is compared with
            loads(message)
        except ValueError:
            pass


def timed(act: Callable[[], object], n: int) -> float:
    """Events a second of processor time: other work on the machine does not count."""
    start = time.process_time()
    act()
    return n / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--only", help="the scenario with this name alone")
    parser.add_argument("--derived", action="store_true", help="what texts and vectors cost")
    options = parser.parse_args()
    n = BATCH * BATCHES
    print(
        f"{n:,} events a run, batches of {BATCH:,}, {options.runs} runs, {sum(map(len, CATEGORIES.values()))} categories"
    )
    print(
        f"{'scenario':24} {'bytes':>6} {'records':>7} {'orjson.loads/s':>15} {'summarised/s':>13} {'ratio':>6} {'range of ratio':>15}"
        + ("  orjson, ours: us more" if options.derived else "")
    )
    plain: tuple[float, float] | None = None
    for name, (messages, plans) in (derived_scenarios(n) if options.derived else scenarios(n)).items():
        if options.only not in (None, name):
            continue
        by_model = {p.model: p for p in plans}
        intake = Intake(by_model.get, out_of_orderness_ms=10_000, max_future_skew_ms=3_600_000)
        records = run_intake(messages, intake)  # warms both: types of models are made once in the life of a worker
        run_orjson(messages)
        pairs = [
            (timed(lambda: run_orjson(messages), n), timed(lambda: run_intake(messages, intake), n))  # noqa: B023
            for _ in range(options.runs)
        ]
        only_loads, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = [b / a for a, b in pairs]
        print(
            f"{name:24} {mean_bytes(messages):6.0f} {records:7} {only_loads:15,.0f} {ours:13,.0f} "
            f"{statistics.median(ratios):6.2f} {min(ratios):7.2f} - {max(ratios):.2f}"
            + (f" {1e6 / only_loads - plain[0]:12.1f}, {1e6 / ours - plain[1]:5.1f}" if plain is not None else ""),
            flush=True,
        )
        if options.derived and name == "plain":
            plain = 1e6 / only_loads, 1e6 / ours


if __name__ == "__main__":
    main()
