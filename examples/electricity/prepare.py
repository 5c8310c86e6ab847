"""Write the electricity data with a column of times: `python examples/electricity/prepare.py [electricity.csv]`."""

from __future__ import annotations

import csv
import gzip
import sys
from datetime import datetime, timedelta, timezone
from importlib.resources import files

START = datetime(1996, 5, 7, tzinfo=timezone(timedelta(hours=10)))  # New South Wales, without summer time
HALF_HOUR = timedelta(minutes=30)


def main(target: str = "electricity.csv") -> None:
    """Copy the data that comes with the package, each row with the half-hour it stands for."""
    data = files("stream_gov") / "demo_data" / "electricity.csv.gz"
    with data.open("rb") as packed, gzip.open(packed, "rt", newline="") as lines, open(target, "w", newline="") as out:
        rows, writer = csv.reader(lines), csv.writer(out)
        writer.writerow(["timestamp", *next(rows)])
        for i, row in enumerate(rows):
            writer.writerow([(START + i * HALF_HOUR).isoformat(), *row])
    print(f"wrote {target}")


if __name__ == "__main__":
    main(*sys.argv[1:])
