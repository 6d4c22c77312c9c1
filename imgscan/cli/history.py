"""`imgscan history`: reports recorded, trends, what is new since the last run."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imgscan.alike import alike
from imgscan.cli.options import FAIL_ON_CHOICES
from imgscan.errors import EXIT_FINDINGS, EXIT_GO, InputError
from imgscan.model import Severity

if TYPE_CHECKING:
    from imgscan.model import Report
    from imgscan.pastruns import Recorded

_SHOWN = 20
_RANKS = {severity.value: rank for rank, severity in enumerate(Severity)}
_STORE = click.option(
    "--store",
    envvar="IMGSCAN_HISTORY",
    metavar="URL",
    help="Where it is kept: a file, sqlite:///FILE or postgresql://HOST/DATABASE.  "
    "[default: history.sqlite3 of your data folder]",
)


@click.group("history")
def history() -> None:
    """Keep what reports say over time: trends of sizes and rebuild times, and what is new since the last run.

    \b
    imgscan scan registry://example.org/app:latest --format json=report.json
    imgscan history record report.json --fail-on-new
    imgscan history show
    """


@history.command("record")
@click.argument("reports", metavar="REPORT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@_STORE
@click.option("--target", help="What the report is about, if not what it says itself: the same name in every run.")
@click.option("--label", help="A word about this run, such as the commit.")
@click.option(
    "--fail-on-new", is_flag=True, help="Exit 1 for a finding that the run before did not have; see --fail-on."
)
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON_CHOICES),
    default=Severity.HIGH.value,
    show_default=True,
    help="With --fail-on-new and --webhook: from which severity on.",
)
@click.option(
    "--webhook",
    envvar="IMGSCAN_WEBHOOK",
    metavar="URL",
    help="Post new findings as JSON to this https:// address.",
)
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Forget all but the latest N runs of the target.")
def record(reports: tuple[Path, ...], **params: Any) -> int:  # noqa: ANN401 - click's own values
    """Record JSON reports, and say what is new and what is gone since the run before.

    The first run of a target has nothing to be compared with: nothing in it is new.
    """
    from imgscan.cli.known import read_report
    from imgscan.report.json import decode
    from imgscan.store.history import default_url, open_history

    if params["target"] and len(reports) > 1:
        raise InputError("--target names one target", next_step="record one report at a time")
    decoded = [(path, decode(read_report(path), str(path))) for path in reports]
    fail_on = None if params["fail_on"] == "never" else Severity(params["fail_on"])
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    failed = False
    with open_history(params["store"] or default_url()) as opened:
        for _, report in decoded:
            target = params["target"] or report.target.ref
            recorded = opened.record(report, target, at, params["label"])
            if params["keep"]:
                opened.keep(target, params["keep"])
            _say(target, recorded)
            bad = _bad(recorded, fail_on)
            failed = failed or bool(bad)
            if bad and params["webhook"]:
                _post(params["webhook"], target, report, recorded)
    return EXIT_FINDINGS if failed and params["fail_on_new"] else EXIT_GO


@history.command("show")
@click.argument("target", required=False)
@_STORE
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="How many runs.")
@click.option(
    "--format", "style", type=click.Choice(["table", "markdown", "json"]), default="table", help="How to print it."
)
def show(target: str | None, store: str | None, last: int, style: str) -> None:
    """Show the trends of TARGET; without it, of every target there is."""
    from imgscan.report.trend import render_markdown, render_table
    from imgscan.store.history import default_url, open_history

    with open_history(store or default_url()) as opened:
        targets = [name for name, _, _ in opened.targets()]
        if target is not None and target not in targets:
            near = alike(target, targets, most=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "imgscan history show lists all"
            raise InputError(f"the history has no target {target!r}", next_step=hint)
        chosen = [target] if target is not None else targets
        found = {name: opened.runs(name, last) for name in chosen}
    if style == "json":
        from imgscan.report.json import indented_json

        click.echo(indented_json(found), nl=False)
        return
    if not found:
        click.echo("nothing is recorded yet: imgscan history record REPORT", err=True)
    draw = render_markdown if style == "markdown" else render_table
    click.echo("\n".join(draw(name, runs) for name, runs in found.items()), nl=False)


def _bad(recorded: Recorded, fail_on: Severity | None) -> bool:
    if recorded.first or fail_on is None:
        return False
    return any(finding.severity.rank >= fail_on.rank for finding in recorded.new)


def _say(target: str, recorded: Recorded) -> None:
    from imgscan.escape import plain
    from imgscan.report.summary import ordered, where

    if recorded.first:
        click.echo(f"{plain(target)}: the first run, {len(recorded.new)} findings")
        return
    click.echo(f"{plain(target)}: {len(recorded.new)} new, {len(recorded.gone)} gone, {recorded.standing} as before")
    for finding in ordered(recorded.new)[:_SHOWN]:
        click.echo(f"  new   {finding.severity} {plain(finding.rule_id)} {plain(where(finding.location))}")
    for gone in sorted(recorded.gone, key=lambda each: _RANKS.get(each.severity, len(_RANKS)))[:_SHOWN]:
        click.echo(f"  gone  {plain(gone.severity)} {plain(gone.rule_id)} {plain(gone.message)}")
    for word, found in (("new", recorded.new), ("gone", recorded.gone)):
        if len(found) > _SHOWN:
            click.echo(f"  and {len(found) - _SHOWN} more {word}")


def _post(url: str, target: str, report: Report, recorded: Recorded) -> None:
    from imgscan.forge.webhook import post_new

    post_new(url, target, report, recorded)
