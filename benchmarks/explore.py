"""How long `imgscan explore` takes to its first picture, of an image whose scan is kept: whole processes in a terminal
of their own, from the start of the program until the files of the image stand on the screen.

python -m benchmarks.explore TARGET [--repeats N]
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
import pexpect

from benchmarks.figures import markdown_table, seconds, spread

ROOT: Final = Path(__file__).resolve().parent.parent
ROWS_COLUMNS: Final = (40, 150)
TREE: Final = re.compile(rb"/  \d[\d.]* [kMGT]?B")
"""The root of the tree of files with its size: the last thing that is drawn."""
TIMEOUT_S: Final = 120


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("target")
@click.option("--repeats", type=click.IntRange(1, 100), default=5, show_default=True, help="Runs that are measured.")
def main(target: str, repeats: int) -> None:
    """Scan TARGET once, so that its result is kept, then open it again and again; print medians and spreads.

    Nothing is asserted: figures of a machine at work are no test. An image of 1 GB and 60,000 files to try it on:
    `python -m benchmarks.scan --sizes 1 --repeats 1 --peers none --keep` leaves imgscan-bench:1g.
    """
    with tempfile.TemporaryDirectory(prefix="imgscan-bench.") as scratch:
        environment = {**os.environ, "XDG_CACHE_HOME": scratch, "TERM": "xterm-256color"}
        report = Path(scratch) / "report.json"
        first = ["scan", target, "--no-config", "--exit-zero", "--quiet", "--format", f"json={report}"]
        done = subprocess.run([sys.executable, "-m", "imgscan", *first], env=environment, cwd=ROOT, check=False)
        if done.returncode:
            raise click.ClickException(f"imgscan scan ended with exit code {done.returncode}")
        image = json.loads(report.read_bytes())["image"]
        opened = [first_picture_s(target, environment) for _ in range(repeats + 1)][1:]  # the first warms the cache
    entries = sum(layer["entries"] for layer in image["layers"])
    size = f"{image['size_bytes'] / 1e6:.0f} MB, {entries} entries, {len(image['layers'])} layers"
    click.echo(markdown_table(("image", "what it has", "first picture"), [(target, size, seconds(spread(opened)))]))


def first_picture_s(target: str, environment: Mapping[str, str]) -> float:
    """Seconds from the start of the program to its tree of files. Raises click.ClickException if it ends before."""
    started = time.perf_counter()
    command = ["-m", "imgscan", "explore", target, "--no-config"]
    terminal = pexpect.spawn(
        sys.executable, command, dimensions=ROWS_COLUMNS, timeout=TIMEOUT_S, env=dict(environment), cwd=str(ROOT)
    )
    try:
        terminal.expect(TREE)
        taken = time.perf_counter() - started
        terminal.send("q")
        terminal.expect(pexpect.EOF)
    except (pexpect.EOF, pexpect.TIMEOUT):
        said = (terminal.before or b"").decode(errors="replace").strip()[-300:]
        raise click.ClickException(f"imgscan explore drew nothing: {said}") from None
    finally:
        terminal.close(force=True)
    return taken


if __name__ == "__main__":
    main()
