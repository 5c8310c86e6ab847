from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

# A process of its own: what another test used before must not count. (`ru_maxrss` would not do: a child starts with its parent's.)
BUILD = """
import re, sys
from stream_gov.files import TabularFile, build_reference
from stream_gov.reference import ProfileBuilder

file = TabularFile(sys.argv[1])
build_reference(file, ProfileBuilder(segments=[("region",)]), name="r", revision=1, model="m", created_ms=0)
n = sum(1 for _ in file.events(model="m"))
print(n, re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")


def write_rows(path: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "ts": np.arange(n) + 1_700_000_000,
            "x": rng.normal(size=n),
            "y": rng.normal(size=n),
            "z": rng.normal(size=n),
            "region": rng.choice(["NSW", "VIC"], n),
        }
    )
    if path.suffix == ".csv":
        pa_csv.write_csv(table, path)
    else:
        pq.write_table(table, path, row_group_size=n)  # in one piece: the worst that a writer can do


def peak_kib(path: Path, n: int) -> int:
    write_rows(path, n)
    # One plain heap: allocators of their own for each thread keep back what they like.
    plain = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(path)], env=plain, capture_output=True, text=True, check=True
    )
    n_events, peak = map(int, done.stdout.split())
    assert n_events == n
    return peak


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_length_of_the_file(tmp_path, suffix):
    # 300,000 rows fill all that is bounded, such as the sample the cells are taken from. The 700,000 more take 28 MB as arrays, 300 MB
    # as events, and must cost nothing.
    short = peak_kib(tmp_path / f"short.{suffix}", 300_000)
    long = peak_kib(tmp_path / f"long.{suffix}", 1_000_000)

    assert long < short + 15 * 1_024
