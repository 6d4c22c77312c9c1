"""Where reports of a fleet go: checked before the work begins, written atomically after it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from imgscan.cli.options import Output, use_color
from imgscan.cli.output import plan_outputs, write_atomically
from imgscan.errors import InputError
from imgscan.report import Style
from imgscan.report.fleet import render_fleet

if TYPE_CHECKING:
    from imgscan.assess import Gate
    from imgscan.fleets import FleetImage, FleetReport
    from imgscan.model import Report
    from imgscan.report.fleet import Load
    from imgscan.store.fleetstore import FleetStore

_FOLDER: Final = "sarif"
"""The format that is a file an image."""


def plan_fleet_outputs(formats: Sequence[Output], *, quiet: bool) -> tuple[Output, ...]:
    """The outputs to write: those asked for, and the table on stdout if nothing else goes there. Raises InputError for
    what `plan_outputs` refuses, and for SARIF without a folder or with one that cannot be."""
    for output in formats:
        if output.name == _FOLDER:
            _check_folder(output.path)
    # The table on stdout comes first, and goes by what else there is.
    planned = plan_outputs([output for output in formats if output.name != _FOLDER], quiet=quiet)
    folders = [output for output in formats if output.name == _FOLDER]
    if len({output.path for output in folders}) < len(folders):
        raise InputError(f"sarif would be written twice to {folders[0].path}")
    return (*planned, *folders)


def write_fleet(
    report: FleetReport, store: FleetStore, outputs: Sequence[Output], params: dict[str, Any], gate: Gate
) -> None:
    """Write every output. Files appear whole or not at all; images' own reports come from the store, judged by `gate`
    as they were in the run."""
    width = shutil.get_terminal_size((120, 24)).columns
    style = Style(color=use_color(params["color"]), width=width, verbose=params["verbose"])
    load = loader(store, gate)
    for output in outputs:
        if output.name == _FOLDER and output.path is not None:
            _write_folder(report, load, output.path)
        elif output.path is None:
            click.echo(render_fleet(report, load, output.name, style), nl=False, color=True)
        else:
            write_atomically(output.path, render_fleet(report, load, output.name, Style(verbose=True)))
    sys.stdout.flush()


def loader(store: FleetStore, gate: Gate) -> Load:
    """What gives an image's own report, under the name that the run has for it: None if it failed, or if the store has
    it no more. Reports are kept as they are put together, so what is accepted is said here."""
    from imgscan.fleet.assemble import judged
    from imgscan.report.json import decode

    def load(image: FleetImage) -> Report | None:
        data = store.image(image.key) if image.key else None
        if data is None:
            return None
        try:
            raw = decode(data)
        except InputError:
            return None
        return judged(replace(raw, target=replace(raw.target, ref=image.name)), None, gate)

    return load


def _write_folder(report: FleetReport, load: Load, folder: Path) -> None:
    from imgscan.report.fleet.sarif import sarif_files

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    for name, text in sarif_files(report, load):
        write_atomically(folder / name, text)


def _check_folder(folder: Path | None) -> None:
    if folder is None:
        raise InputError("sarif is a file an image", next_step="give it a folder: --format sarif=FOLDER")
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"cannot write sarif files into {folder}: {there} is a file")
    if not os.access(there, os.W_OK):
        raise InputError(f"cannot write sarif files into {folder}: {there} is not writable")
