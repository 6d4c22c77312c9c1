"""`imgscan baseline`: the findings of reports into a file that accepts them."""

from __future__ import annotations

from pathlib import Path

import click

from imgscan.allowlist import LONGEST_REASON, read_date
from imgscan.errors import InputError

DEFAULT_FILE = ".imgscan-baseline.json"


@click.command("baseline")
@click.argument("reports", metavar="REPORT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=DEFAULT_FILE,
    show_default=True,
    help="The baseline to write, or to bring up to date.",
)
@click.option("--reason", help="Why they are accepted, for all of them.")
@click.option("--expires", metavar="YYYY-MM-DD", help="The last day on which they are accepted, for all of them.")
def baseline(reports: tuple[Path, ...], output: Path, reason: str | None, expires: str | None) -> None:
    """Accept the findings of JSON reports: later runs with --baseline FILE report them, but they forbid nothing.

    \b
    imgscan build-report . --format json=report.json
    imgscan baseline report.json
    imgscan build-report . --baseline .imgscan-baseline.json

    A baseline that is there is brought up to date: entries keep their reason and their last day, those that no report
    has any more go. The file can be committed: it holds no secret, and nothing that could confirm a guess at one.
    Findings that a comment or an allowlist accepts are left to those.
    """
    from imgscan.acceptance import for_baseline
    from imgscan.cli.output import write_atomically
    from imgscan.report.json import decode
    from imgscan.store.baseline import accept_findings, new_baseline, read_baseline, render

    if reason is not None and not (reason.strip() and len(reason) <= LONGEST_REASON):
        raise InputError(f"--reason is a text of at most {LONGEST_REASON} characters that is not empty")
    last_day = read_date(expires, "--expires")
    before = read_baseline(output) if output.exists() else new_baseline(str(output))
    findings = []
    for path in reports:
        report = decode(read_report(path), str(path))
        if not report.complete:
            click.echo(f"{path} is incomplete: what was not looked at is not accepted", err=True)
        findings += for_baseline(report.findings)
    after = accept_findings(before, findings, reason=reason, expires=last_day)
    write_atomically(output, render(after))
    known = before.by_id.keys() & after.by_id.keys()
    count = len(after.entries)
    click.echo(
        f"{output}: {count} {'finding' if count == 1 else 'findings'} accepted, {count - len(known)} new; "
        f"{len(before.entries) - len(known)} went",
        err=True,
    )


def read_report(path: Path) -> bytes:
    """The bytes of a report's file. Raises InputError that says how one is written."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the report {path} cannot be read: {error.strerror}",
            next_step=f"--format json={path} of scan, lint or build-report writes it",
        ) from error
