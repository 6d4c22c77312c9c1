"""How long `imgscan --help` takes, beside a bare interpreter: interleaved whole processes, medians and their ratio.

python benchmarks/startup.py [RUNS]
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

COMMANDS = {
    "imgscan --help": [str(Path(sys.executable).with_name("imgscan")), "--help"],
    "import click": [sys.executable, "-c", "import click"],
    "python -c pass": [sys.executable, "-c", "pass"],
}


def main() -> None:
    """Print one line for each command."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs + 1):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            taken[name].append(time.perf_counter() - started)
    bare = median(taken["python -c pass"][1:])
    for name, seconds in taken.items():
        middle = median(seconds[1:])  # the first run warms the file cache
        sys.stdout.write(f"{name:16} median {middle * 1000:6.1f} ms  {middle / bare:5.2f} x a bare interpreter\n")


if __name__ == "__main__":
    main()
