"""The commands of `examples/electricity/README.md` are run as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "electricity"


def test_the_commands_of_the_readme_find_the_change(tmp_path):
    (block,) = re.findall(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    script = block.replace("path/to/examples/electricity", str(EXAMPLE))
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))

    done = subprocess.run(
        ["/bin/sh", "-eu", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "drift.html").stat().st_size > 0
    (opened,) = [line for line in done.stdout.splitlines() if line.startswith("1997-05")][:1]
    assert all(column in done.stdout for column in ("vicprice", "vicdemand", "transfer"))
    assert "1997-05-05" <= opened[:10] <= "1997-05-12", "the change begins on 5 May 1997"
