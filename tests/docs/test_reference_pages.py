"""`docs/references.md` and `docs/formats/reference-profile.md` are held to the code."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from itertools import accumulate
from pathlib import Path

import msgspec
import pytest

from stream_gov.files import TableMapping
from stream_gov.files.csv_types import NULL_WORDS
from stream_gov.files.table_mapping import TIMESTAMP_NAMES
from stream_gov.reference import MAX_CATEGORIES

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "references.md").read_text(encoding="utf-8")
FORMAT = (ROOT / "docs" / "formats" / "reference-profile.md").read_text(encoding="utf-8")
GOLDEN = sorted((ROOT / "tests" / "golden" / "profiles").glob("format-1-*.sgref"))


def test_the_python_of_the_guide_runs():
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    subprocess.run([sys.executable, "-W", "error", "-c", block], check=True)


def test_the_guide_names_each_role_of_a_column():
    flags = set(re.findall(r"^\| `--([a-z-]+)` \|", GUIDE, re.MULTILINE))
    named = {"score" if f == "scores" else f.replace("_", "-") for f in TableMapping.__dataclass_fields__}

    assert flags == named - {"model-version"}
    assert "`--model-version`" in GUIDE
    assert ", ".join(f"`{name}`" for name in TIMESTAMP_NAMES) in GUIDE
    assert {word for word in ("NA", "N/A", "NaN", "null", "None") if f"`{word}`" in GUIDE} <= set(NULL_WORDS)
    assert f"{MAX_CATEGORIES:,} most frequent categories" in GUIDE


def test_the_guide_names_every_command_rightly():
    for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL):
        for line in block.splitlines():
            words = line.split()
            assert words[0] == "stream-gov"
            subprocess.run(
                [sys.executable, "-m", "stream_gov.cli.main", *words[1:3], "--help"], check=True, capture_output=True
            )


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_the_page_of_the_format_lists_every_key(path):
    table = FORMAT.partition("## Body")[2].partition("## Layout")[0]
    listed = {
        key for cell in re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE) for key in re.findall(r"`(\w+)`", cell)
    }

    written = set(msgspec.msgpack.decode(path.read_bytes()[21:]))
    may_lack = {"long_run", "season", "slots", "seasonal_long_run"}
    assert listed - may_lack <= written <= listed
    assert listed == written or path.stem != "format-1-season"


def unpack(data: bytes, size: int) -> list[int]:
    """Packed counts, read as the page says."""
    width_of = "BHIQ"
    if data[0] < 8:
        return list(struct.unpack(f"<{size}{width_of[data[0]]}", data[1:]))
    place, width = divmod(data[0] - 8, 4)
    (m,) = struct.unpack_from("<I", data, 1)
    numbers = struct.unpack_from(f"<{m}{width_of[place]}{m}{width_of[width]}", data, 5)
    counts = [0] * size
    for position, count in zip(numbers[:m], numbers[m:], strict=True):
        counts[position] = count
    return counts


def test_a_reader_written_from_the_page_alone_finds_the_counts():
    profile = msgspec.msgpack.decode(next(p for p in GOLDEN if "all-kinds" in p.stem).read_bytes()[21:])
    _, columns, covariance = profile["layout"]
    pane_format, n_events, _, _, summaries, *_, joint = msgspec.msgpack.decode(dict(profile["segments"])[""])
    assert (pane_format, n_events, covariance) == (1, 1_000, True)
    found = {}
    for (name, (kind, *cells)), (n_missing, n_type_errors, *counts) in zip(columns, summaries, strict=True):
        if kind == "numeric":
            edges, groups = cells[0], struct.unpack(f"<{len(cells[1]) // 4}I", cells[1])
            assert len(groups) == len(edges) // 8 + 1
            fine = unpack(counts[0], len(groups))
            found[name] = [sum(c for c, g in zip(fine, groups, strict=True) if g == k) for k in range(max(groups) + 1)]
            if name == "rooms":
                _, _, center, scale, atoms = cells
                assert struct.unpack("<4d", atoms) == (1, 2, 3, 4)
                assert center + counts[1] / sum(fine) * scale / 2**16 == pytest.approx(2.5)
        elif kind == "categorical":
            found[name] = [*unpack(counts[0], len(cells[0])), counts[1][2] if counts[1] else 0]
        else:
            found[name] = counts
        assert sum(found[name]) + n_missing + n_type_errors == n_events
    assert found["rooms"] == [250, 250, 250, 250, 0]
    assert found["stock"] == [100] * 6 + [400]
    assert found["region"] == [600, 200, 0]
    assert found["member"] == [750, 250]
    n, sums, cross = joint
    d = len(sums) // 8
    assert (n, d, len(cross)) == (980, 5, list(accumulate(range(d + 1)))[-1] * 8)
