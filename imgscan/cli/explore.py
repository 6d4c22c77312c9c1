"""`imgscan explore`: an image in the terminal, to look around in."""

from __future__ import annotations

import sys
from typing import Any

import click

from imgscan.cli.options import GENERAL, SCANNING
from imgscan.errors import InputError


def _options(command: Any) -> Any:  # noqa: ANN401 - click's decorators take and give functions
    for option in reversed((*SCANNING, *GENERAL)):
        command = option(command)
    return command


@click.command("explore")
@click.argument("target", metavar="TARGET")
@click.option(
    "--platform",
    envvar="IMGSCAN_PLATFORM",
    metavar="OS/ARCH[/VARIANT]",
    help="Which image where there are several.  [default: linux on this machine's processor]",
)
@_options
def explore(target: str, platform: str | None, **params: Any) -> None:  # noqa: ANN401 - click's own values
    """Look around in an image: its layers, the files of each with what the layer did to them, wasted bytes, findings.

    TARGET is an image as imgscan scan takes it. Needs a terminal, and the package textual.

    \b
    Tab         layers, files             f, e          findings, files
    a m r u     added, modified, removed, unchanged: show or hide
    c           only what the layer changed             Ctrl+F, /   filter by a regular expression
    s           by size or name           b             modes and owners
    Enter       go to the file of a finding             q           quit
    """
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise InputError("explore needs a terminal", next_step=f"for a report: imgscan scan {target}")
    try:
        from imgscan.explore.app import Explored, Explorer
    except ModuleNotFoundError as error:
        raise InputError("explore needs the package textual", next_step="pip install 'imgscan[tui]'") from error
    from contextlib import closing

    from imgscan.cli.session import NOT_ASKED, open_session, scan_for_report
    from imgscan.layers.blocks import CacheDamagedError

    with closing(open_session({**params, **NOT_ASKED})) as session:
        scan, report = scan_for_report(target, session, platform=platform)
        session.progress.clear()
        explored = Explored(report=report, listings=tuple(layer.listing for layer in scan.layers))
        try:
            Explorer(explored).run()
        except CacheDamagedError as error:
            raise InputError("a kept layer cannot be read any more", next_step="try again, with --no-cache") from error
