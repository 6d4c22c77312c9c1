"""`imgscan comment`: one comment on a pull request or merge request, brought up to date by every run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from imgscan.errors import EngineError, InputError

if TYPE_CHECKING:
    from imgscan.forge.post import Forge, Posted
    from imgscan.forge.surroundings import Surroundings
    from imgscan.model import Report
    from imgscan.report.comment import CommentStyle

_LARGEST_REPORT: Final = 512 << 20
_OPTIONS: Final = (
    click.option(
        "--base",
        type=click.Path(path_type=Path),
        metavar="BASE",
        help="The JSON report of the branch this goes into: the comment tells what changed. May be missing yet.",
    ),
    click.option(
        "--when",
        type=click.Choice(["always", "changes", "findings"]),
        default="changes",
        show_default=True,
        envvar="IMGSCAN_COMMENT_WHEN",
        help="When to make a comment that is not there yet; one that is there is always brought up to date.",
    ),
    click.option(
        "--name", default="default", show_default=True, help="Which comment this is, if a pull request has several."
    ),
    click.option("--dry-run", is_flag=True, help="Print the comment and post nothing; needs no token."),
    click.option("--pr", "--mr", "number", type=click.IntRange(1), help="The number of the pull or merge request."),
    click.option("--repo", "--project", "project", default="", help="OWNER/NAME; GitLab: also the project's number."),
    click.option(
        "--api-url",
        default="",
        metavar="URL",
        help="The API of an own server: https://HOST/api/v3, https://HOST/api/v4.",
    ),
    click.option(
        "--author",
        default="",
        metavar="LOGIN",
        help="Whom the token writes as, where it may not ask: NAME[bot] for a GitHub App.",
    ),
    click.option("--report-url", default="", metavar="URL", help="Where the whole report is.  [default: the CI run]"),
    click.option("-q", "--quiet", is_flag=True, envvar="IMGSCAN_QUIET", help="Say nothing of what was done."),
)


def _own_options(command: Any) -> Any:  # noqa: ANN401 - a function, which click takes and gives
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("comment")
@click.argument("forge", type=click.Choice(["github", "gitlab"]))
@click.argument("report", type=click.Path(path_type=Path))
@_own_options
def comment(forge: str, report: Path, base: Path | None, **options: Any) -> int:  # noqa: ANN401 - click's own values
    """Say what the JSON report REPORT means for a pull request, in one comment that later runs bring up to date.

    \b
    imgscan build-report . --format json=report.json --exit-zero
    imgscan comment github report.json --base main.json

    In GitHub Actions and GitLab CI the pull request, the repository and the server are known. The token is taken
    from GITHUB_TOKEN (`permissions: pull-requests: write`) or GITLAB_TOKEN (a project access token with scope api; a
    job's CI_JOB_TOKEN cannot write notes).

    A fork's pull request has a token that may only read: then the comment goes to the step's summary, and the exit
    code is 0. To comment there, too, let a second workflow (on: workflow_run) run this with the report that the first
    one stored: it finds the pull request itself, checks the report and writes every line anew.

    A comment is made if something changed against --base, or without it if there is a finding. Nothing is deleted when
    all is mended: the comment says so.
    """
    from imgscan.forge.api import is_private
    from imgscan.report.comment import When, is_worth_saying, marker
    from imgscan.source.registryhttp import host_of

    head, before = _read(report), _read_base(base, options)
    place = None if options["dry_run"] else _place(forge, options)
    if place is not None and not is_private(place.api_url):
        _tell(f"{host_of(place.api_url)} is asked over plain HTTP: whoever is on the way can read the token", options)
    body = _body(head, before, _style(forge, place, options))
    create = is_worth_saying(head, before, When(options["when"]))
    if place is None:
        click.echo(body, nl=False)
        if not create:
            _tell("there is nothing to say: no comment would be made, one that is there would say this", options)
        return 0
    try:
        posted, where = _post(forge, place, marker(options["name"]), body, create=create, author=options["author"])
    except EngineError as error:
        if forge != "github" or not _summarized(error, body, os.environ):
            raise
        return 0
    _tell(_done(posted, where), options)
    return 0


def _read(path: Path) -> Report:
    from imgscan.cli.known import read_report
    from imgscan.report.json import decode

    return decode(read_report(path, largest=_LARGEST_REPORT), str(path))


def _read_base(path: Path | None, options: Mapping[str, Any]) -> Report | None:
    """None where the branch has no report yet, as before the first run there."""
    if path is None:
        return None
    if path.exists():
        return _read(path)
    _tell(f"there is no base report {path}: the comment tells of all findings", options)
    return None


def _place(forge: str, options: Mapping[str, Any]) -> Surroundings:
    from imgscan.forge.surroundings import Given, on_github, on_gitlab

    given = Given(api_url=options["api_url"], project=options["project"], number=options["number"])
    return (on_github if forge == "github" else on_gitlab)(os.environ, given)


def _style(forge: str, place: Surroundings | None, options: Mapping[str, Any]) -> CommentStyle:
    from imgscan.report.comment import GITHUB_LIMIT, GITLAB_LIMIT, CommentStyle, check_url, is_url

    known = place.run_url if place and is_url(place.run_url) else ""
    return CommentStyle(
        name=options["name"],
        labels=(
            (place.target if place else "") or "base",
            "this pull request" if forge == "github" else "this merge request",
        ),
        limit=GITHUB_LIMIT if forge == "github" else GITLAB_LIMIT,
        url=check_url(options["report_url"]) or known,
    )


def _body(report: Report, base: Report | None, style: CommentStyle) -> str:
    from imgscan.report.comment import render

    try:
        return render(report, base, style)
    except (ArithmeticError, ValueError) as error:
        # Reports of other people's runs may hold figures that no run gives.
        raise InputError("the report has figures that cannot be", cause=type(error).__name__) from error


def _post(forge: str, place: Surroundings, marker: str, body: str, *, create: bool, author: str) -> tuple[Posted, str]:
    """What was done, and where."""
    from contextlib import closing

    from imgscan.forge import github, gitlab
    from imgscan.forge.post import post

    module = github if forge == "github" else gitlab
    with closing(module.open_api(place.api_url, place.credential)) as api:
        number = place.number or _number_by_head(api, place)
        there: Forge = (
            github.GitHub(api, place.project, number, author=author)
            if forge == "github"
            else gitlab.GitLab(api, place.project, number, author=author or place.job_user)
        )
        sign = "#" if forge == "github" else "!"
        return post(there, marker=marker, body=body, create=create), f"{place.project}{sign}{number}"


def _number_by_head(api: Any, place: Surroundings) -> int:  # noqa: ANN401 - an Api, which loads late
    from imgscan.forge.github import find_pull_request

    head = place.head
    assert head is not None
    number = find_pull_request(api, place.project, owner=head.owner, branch=head.branch, sha=head.sha)
    if number is None:
        raise InputError(
            f"no open pull request of {place.project} is at commit {head.sha[:12]} of {head.owner}:{head.branch}",
            cause="it was closed, or there are newer commits, whose own run will comment",
            next_step="--pr NUMBER says which it is",
        )
    return number


def _summarized(error: EngineError, body: str, env: Mapping[str, str]) -> bool:
    """Whether the body went to the step's summary instead, because the token may not comment."""
    from imgscan.escape import plain, workflow_data
    from imgscan.forge.refusals import RefusedError
    from imgscan.forge.summary import append_summary

    path = env.get("GITHUB_STEP_SUMMARY", "")
    if not path or not isinstance(error, RefusedError):
        return False
    fits = append_summary(Path(path), body)
    where = "the comment is in the step's summary instead" if fits else "nor is there room in the step's summary"
    text = f"{error.what} ({plain(error.cause)}): {where}. The token of a fork's pull request may only read."
    is_workflow = env.get("GITHUB_ACTIONS") == "true"
    click.echo(f"::notice title=imgscan::{workflow_data(text)}" if is_workflow else f"imgscan: {text}", err=True)
    return True


def _done(posted: Posted, where: str) -> str:
    from imgscan.forge.sticky import Act

    known = f"comment {posted.comment_id} on {where}"
    words = {Act.CREATE: "made", Act.UPDATE: "brought up to date", Act.SKIP: "says so already"}
    text = f"{known} {words[posted.act]}" if posted.comment_id is not None else f"nothing to say on {where}"
    if posted.deleted:
        text += f", {posted.deleted} like it deleted"
    if posted.stranger:
        text += (
            f"\n  it was written as {posted.stranger}, so the next run will not know it again: "
            f"give it --author {posted.stranger!r}"
        )
    return text


def _tell(text: str, options: Mapping[str, Any]) -> None:
    from imgscan.escape import plain

    if not options["quiet"]:
        click.echo("imgscan: " + "\n".join(plain(line) for line in text.split("\n")), err=True)
