"""Where the report of a fleet goes: checked before the work begins, written after it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Any, Final

import click
from msgspec.json import Decoder

from imgscan.cli.options import Output, use_color
from imgscan.cli.output import plan_outputs, write_atomically
from imgscan.errors import InputError
from imgscan.fleets import FleetImage, FleetReport
from imgscan.model import Report
from imgscan.report import Style
from imgscan.report.fleet import Load, render_fleet
from imgscan.store.fleetstore import FleetStore

_BY_IMAGE: Final = "sarif"


def plan_fleet_outputs(formats: Sequence[Output], *, quiet: bool) -> tuple[Output, ...]:
    """The outputs to write: those asked for, and the table on stdout if nothing else goes there.

    Raises InputError if two would mix on stdout, two would write one file, or a file cannot be written.
    """
    folders = [output for output in formats if output.name == _BY_IMAGE]
    for output in folders:
        if output.path is None:
            raise InputError("--format sarif is a file an image", next_step="name a folder: --format sarif=FOLDER")
        if output.path.exists() and not output.path.is_dir():
            raise InputError(f"{output.path} is no folder", next_step="--format sarif=FOLDER")
    return (*plan_outputs([output for output in formats if output.name != _BY_IMAGE], quiet=quiet), *folders)


def write_fleet(report: FleetReport, store: FleetStore, outputs: Sequence[Output], params: dict[str, Any]) -> None:
    """Write every output. Files appear whole or not at all."""
    width = shutil.get_terminal_size((120, 24)).columns
    style = Style(color=use_color(params["color"]), width=width, verbose=params["verbose"])
    load = _loader(store)
    for output in outputs:
        if output.name == _BY_IMAGE:
            _write_sarif(report, load, output)
        elif output.path is None:
            click.echo(render_fleet(report, output.name, load, style), nl=False, color=True)
        else:
            write_atomically(output.path, render_fleet(report, output.name, load, Style(verbose=True)))
    sys.stdout.flush()


def _write_sarif(report: FleetReport, load: Load, output: Output) -> None:
    from imgscan.report.fleet.sarif import sarif_files

    folder = output.path
    assert folder is not None, "it was checked"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    for name, text in sarif_files(report, load):
        write_atomically(folder / name, text)


def _loader(store: FleetStore) -> Load:
    def load(image: FleetImage) -> Report | None:
        data = store.image(image.key) if image.key else None
        try:
            return _decoder.decode(data) if data is not None else None
        except ValueError:
            return None

    return load


_decoder: Final = Decoder(Report)
