"""`imgscan compare`: what changed from one report, or image, to another."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imgscan.cli.options import FAIL_ON_CHOICES, GENERAL, SCANNING, OutputType, use_color
from imgscan.errors import EXIT_FINDINGS, EXIT_GO, InputError
from imgscan.model import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgscan.model import Report

_REPORT_BYTES = 1 << 30


def _options(command: Any) -> Any:  # noqa: ANN401 - click's decorators take and give functions
    for option in reversed((*SCANNING, *GENERAL)):
        command = option(command)
    return command


@click.command("compare")
@click.argument("base", metavar="BASE")
@click.argument("head", metavar="HEAD")
@click.option(
    "--format",
    "formats",
    type=OutputType(("table", "markdown", "json")),
    multiple=True,
    help="Write the comparison as table (default), markdown or json, to PATH or stdout. Repeatable.",
)
@click.option("--fail-on-new", is_flag=True, help="Exit 1 if HEAD has a finding that BASE has not; see --fail-on.")
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON_CHOICES),
    default=Severity.HIGH.value,
    show_default=True,
    help="With --fail-on-new: from which severity on.",
)
@_options
@click.pass_context
def compare(ctx: click.Context, /, **params: Any) -> int:  # noqa: ANN401 - click's own values
    """Compare two JSON reports, or two images: what is new, gone, moved, bigger, slower.

    \b
    imgscan build-report . --format json=head.json
    imgscan compare base.json head.json
    imgscan compare registry://example.org/app:1 app:dev

    BASE and HEAD are files that --format json wrote, or images as imgscan scan takes them. A finding is the same in
    both if its fingerprint is, wherever it moved; seconds differ only beyond the spread of their runs.
    """
    from imgscan.cli.output import plan_outputs, write_atomically
    from imgscan.cli.session import NOT_ASKED
    from imgscan.delta import compare as compare_reports
    from imgscan.delta import new_findings
    from imgscan.report import Style
    from imgscan.report.compared import RENDERERS

    outputs = plan_outputs(params["formats"], quiet=params["quiet"])
    base, head = (_open(params[side], {**params, **NOT_ASKED}) for side in ("base", "head"))
    delta = compare_reports(base, head)
    style = Style(color=use_color(params["color"]), verbose=params["verbose"])
    for output in outputs:
        text = RENDERERS[output.name](delta, style)
        if output.path is None:
            click.echo(text, nl=False)
        else:
            write_atomically(output.path, text)
    fail_on = None if params["fail_on"] == "never" else Severity(params["fail_on"])
    failed = params["fail_on_new"] and fail_on is not None and new_findings(delta, fail_on)
    return EXIT_FINDINGS if failed else EXIT_GO


def _open(name: str, params: Mapping[str, Any]) -> Report:
    """A report from its file, or of an image that is scanned for it. Raises InputError, EngineError."""
    path = Path(name)
    if os.path.isfile(path) and _begins_like_json(path):  # noqa: PTH113 - Path raises for too long a name
        from imgscan.report.json import decode

        return decode(path.read_bytes(), name)
    if path.suffix == ".json":
        raise InputError(
            f"no such file: {name}", next_step=f"--format json={name} of scan, lint or build-report writes it"
        )
    from contextlib import closing

    from imgscan.cli.session import open_session, scan_target

    with closing(open_session(dict(params))) as session:
        report = scan_target(name, session)
        session.progress.clear()
        return report


def _begins_like_json(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(64)
        if path.stat().st_size > _REPORT_BYTES and head.lstrip().startswith(b"{"):
            raise InputError(f"{path} is larger than a report can be")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return head.lstrip().startswith(b"{")
