"""How many pane records a second one process detects, and how much memory the models take.

    python bench/detect.py [--models 1000] [--panes 8] [--columns 12] [--compare season]

Every model has a window of 24 panes of an hour every pane; with `--compare season` it is compared with the mixture of the 24 hours of the day, with
`--compare trailing` with 64 panes of the past; every pane record goes through its packed form, as from Kafka, and every update of the
table is packed, as to its changelog. Prints records a second of processor time with every window judged, and the resident memory at the end.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from stream_gov.contracts import Monitor, PaneRecord, WatermarkRecord, decode_record, encode_record
from stream_gov.detection import Detector, PartitionState, StaticCatalog
from stream_gov.reference import ProfileBuilder, RowBatch, build_profile
from stream_gov.summaries import NumericSummary, PaneSummary

HOUR_MS = 3_600_000
COMPARE = {"whole": "", "season": ", season: hour_of_day", "trailing": ", trailing: {length: 64h}"}
T0 = 1_767_225_600_000
SOURCES = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1_000)
    parser.add_argument("--panes", type=int, default=30)
    parser.add_argument("--columns", type=int, default=12)
    parser.add_argument("--events", type=int, default=500, help="in one pane record")
    parser.add_argument("--compare", choices=COMPARE, default="whole")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    rows = RowBatch(
        {f"x{i}": rng.normal(size=20_000) for i in range(options.columns)},
        20_000,
        times_ms=T0 - 20_000 * 60_000 + np.arange(20_000) * 60_000,
    )
    monitors, profiles = [], []
    for m in range(options.models):
        monitor = Monitor.from_yaml(
            f"{{monitor: m{m}, model: m{m}, reference: m{m}, window: {{size: 24h, every: 1h}}{COMPARE[options.compare]}}}",
            source="bench",
        )
        monitors.append(monitor)
        if m == 0:
            profile = build_profile(
                lambda: [rows],
                ProfileBuilder.for_monitor(monitor),
                name="m0",
                revision=1,
                model="m0",
                source="bench",
                created_ms=0,
            )
        profiles.append(profile)
    catalog = StaticCatalog(monitors)
    for m in range(options.models):
        # one profile object a model, as a catalog that reads the topic holds them
        catalog.put_profile(type(profile).from_bytes(rename(profile, f"m{m}").to_bytes()))
    packed = []
    for _ in range(16):
        pane = PaneSummary(profile.layout)
        pane.update_times(T0, T0, options.events)
        for summary in pane.columns.values():
            assert isinstance(summary, NumericSummary)
            summary.update_values(rng.normal(size=options.events))
        packed.append(pane.to_bytes())
    detector, state, table = Detector(catalog), PartitionState(), {}
    n_records = n_results = 0
    started = time.process_time()
    for p in range(options.panes):
        start = T0 + p * HOUR_MS
        for source in range(SOURCES):
            for m in range(options.models):
                record = PaneRecord(
                    f"m{m}",
                    "1",
                    "",
                    f"m{m}@1",
                    start,
                    HOUR_MS,
                    "events",
                    source,
                    p,
                    p + 1,
                    options.events,
                    0,
                    packed[(m + p) % 16],
                )
                step = detector.step(state, decode_record(encode_record(record)))
                table.update(step.updates)
                n_records += 1
            mark = WatermarkRecord("events", source, SOURCES, p, p + 1, start + HOUR_MS, idle=False)
            step = detector.step(state, mark)
            table.update(step.updates)
            n_results += len(step.results)
    seconds = time.process_time() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{options.models} models of {options.columns} columns, pane records of {len(packed[0])} bytes from {SOURCES} partitions\n"
        f"{n_records / seconds:,.0f} pane records a second of processor time, {n_results / seconds:,.0f} results/s "
        f"({n_records:,} records, {n_results:,} results, {seconds:.1f} s)\n"
        f"{memory:,.0f} MB resident at most, of it {sum(len(v) for v in table.values() if v) / 1e6:,.0f} MB packed table"
    )


def rename(profile, name):
    from dataclasses import replace

    layout = replace(profile.layout, id=f"{name}@1")
    return replace(profile, name=name, layout=layout)


if __name__ == "__main__":
    main()
