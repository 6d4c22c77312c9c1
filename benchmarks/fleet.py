"""How `imgscan fleet` grows: a real registry filled with images that share layers, one worker beside several.

python -m benchmarks.fleet [OPTIONS]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from tabulate import tabulate

from benchmarks.fleetimages import Fleet, LayerFile, make_fleet, make_layers, push_image, seeded
from benchmarks.fleetregistry import Registry, running
from benchmarks.measure import Measured, measure

_TIMEOUT_S: Final = 3600
_SEED: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run: `figures` are what it says itself, `served_bytes` what the registry says it handed out of layers."""

    name: str
    images: int
    workers: str
    measured: Measured
    figures: dict[str, Any]
    served_bytes: int
    findings: frozenset[tuple[str, str]]


class Bench:
    """A registry, and runs over it."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self.registry = registry
        self._folder = folder
        self.rows: list[Row] = []

    def run(self, name: str, fleet: Fleet, scheduler: str, store: str) -> Row:
        """One run, timed; what it found is kept in `store`, a name of the bench's."""
        listed = self._folder / "images.txt"
        listed.write_text("".join(f"registry://{self.registry.host}/{one}\n" for one in fleet.names))
        out = self._folder / "fleet.json"
        out.unlink(missing_ok=True)
        command = [sys.executable, "-m", "imgscan", "fleet", str(listed), "--quiet", "--exit-zero", "--no-config"]
        command += ["--store", f"sqlite:///{self._folder / store}.sqlite3", "--format", f"json={out}"]
        command += ["--jobs", scheduler.removeprefix("processes:")] if scheduler.startswith("processes:") else []
        command += ["--scheduler", scheduler] if scheduler.startswith("local:") else []
        served = self.registry.served_bytes()
        with (self._folder / "log").open("wb") as log:
            measured = measure(command, timeout_s=_TIMEOUT_S, environment=dict(os.environ), log=log)
        if measured.exit_code != 0:
            raise click.ClickException((self._folder / "log").read_text(errors="replace")[-2000:])
        report = json.loads(out.read_text())
        row = Row(
            name=name,
            images=len(fleet.names),
            workers=scheduler,
            measured=measured,
            figures=report["figures"],
            served_bytes=self.registry.served_bytes() - served,
            findings=frozenset((one["image"], one["fingerprint"]) for one in report["findings"]),
        )
        self.rows.append(row)
        click.echo(f"{name}, {scheduler}: {measured.wall_s:.1f} s", err=True)
        return row


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--images", type=click.IntRange(2), default=200, show_default=True, help="Images of the fleet.")
@click.option("--layers", type=click.IntRange(6), default=30, show_default=True, help="Distinct layers.")
@click.option("--layer-mb", type=click.IntRange(1), default=20, show_default=True, help="Text in each layer, in MB.")
@click.option("--workers", default="1,2,4", show_default=True, help="Workers of a Dask cluster of this machine.")
@click.option("--growth", default="50,200,1000", show_default=True, help="Thin images, to see how a run grows.")
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write every run, too.")
def main(images: int, layers: int, layer_mb: int, workers: str, growth: str, json_path: Path | None) -> None:
    """Fill a registry (Debian's docker-registry) with images that share layers, scan the fleet by one worker and by
    several, again, and with one more image; then fleets of thin images that grow.

    Files of this Python's packages are what is in the layers. What the registry handed out is taken from its own log.
    Nothing is asserted but that every run finds the same: figures of a machine at work are no test.
    """
    with tempfile.TemporaryDirectory(prefix="imgscan-fleet-") as name, running(Path(name)) as registry:
        folder = Path(name)
        bench = Bench(registry, folder)
        made = make_layers(layers, layer_mb << 20, seeded(_SEED), folder)
        fleet = _filled(registry, "shared", images, made)
        _with_workers(bench, fleet, [f"local:{count}" for count in workers.split(",")], made)
        for count in map(int, growth.split(",")):
            thin = make_layers(layers, 1 << 16, seeded(_SEED + count), folder)
            grown = _filled(registry, f"thin{count}", count, thin)
            bench.run(f"{count} thin images", grown, "processes:2", f"thin{count}")
            bench.run(f"{count} thin images again", grown, "processes:2", f"thin{count}")
    click.echo(_table(bench.rows))
    if json_path is not None:
        json_path.write_text(json.dumps([_as_json(row) for row in bench.rows], indent=1))


def _filled(registry: Registry, prefix: str, images: int, layers: Sequence[LayerFile]) -> Fleet:
    fleet = make_fleet(prefix, images, layers, seeded(_SEED))
    with closing(registry.pusher()) as pusher:
        for name in fleet.names:
            push_image(pusher, name, fleet.chains[name])
    return fleet


def _with_workers(bench: Bench, fleet: Fleet, schedulers: Sequence[str], layers: Sequence[LayerFile]) -> None:
    """The same fleet by each scheduler from nothing; then again, and with one image more."""
    first = [bench.run("first run", fleet, scheduler, f"workers{scheduler[6:]}") for scheduler in schedulers]
    here = bench.run("first run", fleet, "processes:2", "here")
    if any(row.findings != here.findings for row in first):
        raise click.ClickException("runs found different things")
    bench.run("again", fleet, "processes:2", "here")
    more = make_layers(1, layers[0].size_bytes, seeded(_SEED + 1), layers[0].path.parent)
    name = "shared/more:1"
    chain = (*fleet.chains[fleet.names[0]], *more)
    with closing(bench.registry.pusher()) as pusher:
        push_image(pusher, name, chain)
    grown = Fleet(names=(*fleet.names, name), chains={**fleet.chains, name: chain})
    bench.run("one more image", grown, "processes:2", "here")


def _table(rows: Sequence[Row]) -> str:
    base: dict[str, float] = {}
    lines = []
    for row in rows:
        wall = row.measured.wall_s
        first = base.setdefault("first" if row.name in ("first run", "again", "one more image") else row.name, wall)
        figures = row.figures
        lines.append(
            [
                row.name,
                row.workers,
                figures["images"],
                figures["layers_distinct"],
                figures["layers_read"],
                f"{figures['bytes_distinct'] / 1e6:.1f}",
                f"{row.served_bytes / 1e6:.1f}",
                f"{wall:.2f}",
                f"{wall / first:.3f}",
                f"{row.measured.cpu_s:.1f}",
                f"{row.measured.process_bytes / 1e6:.0f}",
            ]
        )
    head = ["run", "workers", "images", "distinct layers", "read", "distinct MB", "served MB", "s", "of the first"]
    return tabulate(lines, [*head, "CPU s", "peak MB"], tablefmt="github", disable_numparse=True)


def _as_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "workers": row.workers,
        "wall_s": row.measured.wall_s,
        "cpu_s": row.measured.cpu_s,
        "process_bytes": row.measured.process_bytes,
        "served_bytes": row.served_bytes,
        "figures": row.figures,
        "findings": len(row.findings),
    }


if __name__ == "__main__":
    main()
