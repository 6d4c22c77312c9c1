"""`imgscan baseline`: the findings of reports into a file that accepts them, and such a file onto a report."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from imgscan.allowlist import LONGEST_REASON, read_date
from imgscan.cli.options import OUTCOME, VERDICT, merged_params
from imgscan.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_FILE: Final = ".imgscan-baseline.json"
_HELP: Final = ("-h", "--help")
_WHOLE: Final = "update"


class _Group(click.Group):
    """A group whose name with reports behind it is what it was before there were commands in it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in _HELP:
            args = [_WHOLE, *args]
        return super().parse_args(ctx, args)


@click.group("baseline", cls=_Group)
def baseline() -> None:
    """Accept the findings that are there from now on: they stay in the report, but forbid nothing.

    \b
    imgscan build-report . --format json=report.json
    imgscan baseline create report.json --reason "known in May, being worked on" --expires 2027-03-31
    imgscan build-report . --baseline .imgscan-baseline.json
    imgscan baseline apply .imgscan-baseline.json report.json

    The file can be committed: it holds no secret, and nothing that could confirm a guess at one. Findings that a
    comment or an allowlist accepts are left to those. Entries whose last day is over do not count, and are told.

    imgscan baseline REPORT... brings a baseline up to date as imgscan baseline create does, without asking for a
    reason: entries keep theirs, and --reason and --expires are for all of them.
    """


def _options(command: Any) -> Any:  # noqa: ANN401 - click's decorators take and give functions
    for option in reversed(
        (
            click.argument("reports", metavar="REPORT...", nargs=-1, required=True, type=click.Path(path_type=Path)),
            click.option(
                "-o",
                "--output",
                type=click.Path(path_type=Path),
                default=DEFAULT_FILE,
                show_default=True,
                help="The baseline to write, or to bring up to date.",
            ),
        )
    ):
        command = option(command)
    return command


@baseline.command("create")
@_options
@click.option("--reason", required=True, help="Why they are accepted.")
@click.option("--expires", metavar="YYYY-MM-DD", help="The last day on which they are accepted.")
def create(reports: tuple[Path, ...], output: Path, reason: str, expires: str | None) -> None:
    """Accept the findings of JSON reports.

    A baseline that is there is brought up to date: --reason and --expires are for entries that are new or have expired,
    the others keep theirs; those that no report has any more go.
    """
    today = datetime.datetime.now(datetime.UTC).date()
    last_day = read_date(expires, "--expires")
    if last_day is not None and last_day < today:
        raise InputError(f"--expires {last_day} is over", next_step="give a day to come, or none")
    _write(reports, output, reason, last_day, today)


@baseline.command(_WHOLE, hidden=True)
@_options
@click.option("--reason", help="Why they are accepted, for all of them.")
@click.option("--expires", metavar="YYYY-MM-DD", help="The last day on which they are accepted, for all of them.")
def update(reports: tuple[Path, ...], output: Path, reason: str | None, expires: str | None) -> None:
    """Accept the findings of JSON reports, with one reason and last day for all of them."""
    _write(reports, output, reason, read_date(expires, "--expires"), None)


def _write(
    reports: Iterable[Path],
    output: Path,
    reason: str | None,
    last_day: datetime.date | None,
    today: datetime.date | None,
) -> None:
    from imgscan.acceptance import for_baseline
    from imgscan.cli.known import read_report
    from imgscan.cli.output import write_atomically
    from imgscan.report.json import decode
    from imgscan.store.baseline import accept_findings, new_baseline, read_baseline, render

    if reason is not None and not (reason.strip() and len(reason) <= LONGEST_REASON):
        raise InputError(f"--reason is a text of at most {LONGEST_REASON} characters that is not empty")
    is_there = os.path.exists(output)  # noqa: PTH110 - Path raises for too long a name, and writing tells of it
    before = read_baseline(output) if is_there else new_baseline(str(output))
    findings = []
    for path in reports:
        report = decode(read_report(path), str(path))
        if not report.complete:
            click.echo(f"{path} is incomplete: what was not looked at is not accepted", err=True)
        findings += for_baseline(report.findings)
    after = accept_findings(before, findings, reason=reason, expires=last_day, today=today)
    write_atomically(output, render(after))
    known = before.by_id.keys() & after.by_id.keys()
    count = len(after.entries)
    click.echo(
        f"{output}: {count} {'finding' if count == 1 else 'findings'} accepted, {count - len(known)} added, "
        f"{len(before.entries) - len(known)} removed",
        err=True,
    )


def _gate_options(command: Any) -> Any:  # noqa: ANN401 - click's decorators take and give functions
    for option in reversed((*VERDICT, *OUTCOME)):
        command = option(command)
    return command


@baseline.command("apply")
@click.argument("file", metavar="BASELINE", type=click.Path(path_type=Path))
@click.argument("report", metavar="REPORT", type=click.Path(path_type=Path))
@_gate_options
@click.pass_context
def apply(ctx: click.Context, /, **_: Any) -> int:  # noqa: ANN401 - click's own values, by way of the context
    """Judge a JSON report again with a baseline, and write it in any format. Nothing is looked at again.

    What comments and allowlists accept stays accepted; of baselines only this one counts. Budgets that the report has
    stay, unless --budget gives others. A risk that loses evidence is weighed by what is left of it; how much is at
    stake stays as the report has it.
    """
    params = merged_params(ctx, Path())
    from imgscan.acceptance import Acceptance
    from imgscan.assess import Gate
    from imgscan.cli.known import read_known, read_report
    from imgscan.cli.output import exit_code, plan_outputs, write_reports
    from imgscan.model import Severity
    from imgscan.reassess import reassess
    from imgscan.report.json import decode
    from imgscan.risk.budgets import parse_budgets
    from imgscan.store.baseline import read_baseline

    outputs = plan_outputs(params["formats"], quiet=params["quiet"])
    gate = Gate(
        fail_on=None if params["fail_on"] == "never" else Severity(params["fail_on"]),
        limits=parse_budgets(params["budgets"]),
        acceptance=Acceptance(baseline=read_baseline(params["file"]), today=datetime.datetime.now(datetime.UTC).date()),
        known=read_known(params["base"], gates=params["fail_on_new"]),
    )
    report = reassess(decode(read_report(params["report"]), str(params["report"])), gate)
    write_reports(report, outputs, params)
    return exit_code(report, exit_zero=params["exit_zero"], strict=params["strict"])
