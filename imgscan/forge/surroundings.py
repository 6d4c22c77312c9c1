"""Where a CI job says that it runs: environment variables and GitHub's event file -> which forge, project, pull request
and token. What the user gives on the command line goes before.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from imgscan.errors import InputError
from imgscan.forge import github, gitlab
from imgscan.forge.api import Credential, check_base
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_LARGEST_EVENT: Final = 32 << 20
"""GitHub caps the payload of an event at 25 MB."""
_REPOSITORY: Final = lazy_re(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_PULL_REF: Final = lazy_re(r"refs/pull/([1-9][0-9]{0,17})/(merge|head)")
_NUMBER: Final = lazy_re(r"[1-9][0-9]{0,17}")
_TOKEN: Final = lazy_re(r"[!-~]{1,4096}")


@frozen
class Given:
    """What the command line says; "" and None: nothing."""

    api_url: str = ""
    project: str = ""
    number: int | None = None


@frozen
class Head:
    """What a workflow ran on: `branch` of the repository of `owner`, at commit `sha`."""

    owner: str
    branch: str
    sha: str


@frozen
class Surroundings:
    """A place for a comment. `number` is None where only the `head` of the pull request is known. `run_url` is the page
    of the run that has the whole report, `target` the branch it goes into; "" where that is not known. `job_user` is
    whom a job's own token writes as."""

    api_url: str
    project: str
    number: int | None
    head: Head | None
    credential: Credential
    run_url: str = ""
    target: str = ""
    job_user: str = ""


@frozen
class _Numbered:
    number: int


@frozen
class _Issue:
    """`pull_request` is there if the issue is one."""

    number: int
    pull_request: object = None


@frozen
class _Owner:
    login: str


@frozen
class _Repository:
    owner: _Owner


@frozen
class _Run:
    """`head_repository` is null if the fork is gone."""

    id: int
    head_sha: str
    head_branch: str | None = None
    head_repository: _Repository | None = None


@frozen
class _Event:
    """What of GitHub's events tells of a pull request."""

    pull_request: _Numbered | None = None
    issue: _Issue | None = None
    workflow_run: _Run | None = None


def on_github(env: Mapping[str, str], given: Given) -> Surroundings:
    """A GitHub Actions job, or the command line of anywhere. Raises InputError for what is missing or unusable."""
    project = given.project or env.get("GITHUB_REPOSITORY", "")
    if not _REPOSITORY.fullmatch(project):
        raise InputError(
            f"{project!r} is no repository" if project else "it is not known which repository this is about",
            next_step="--repo OWNER/NAME; in GitHub Actions GITHUB_REPOSITORY says it",
        )
    event = _read_event(env.get("GITHUB_EVENT_PATH", "")) if given.number is None else _Event()
    number = given.number or _pull_number(event, env.get("GITHUB_REF", ""))
    head = _head(event.workflow_run) if event.workflow_run else None
    if number is None and head is None:
        raise InputError(
            "it is not known which pull request this is about",
            cause=f"the event {env['GITHUB_EVENT_NAME']!r} has none" if env.get("GITHUB_EVENT_NAME") else "",
            next_step="--pr NUMBER; or run it for the events pull_request and workflow_run only",
        )
    run = str(event.workflow_run.id) if event.workflow_run else env.get("GITHUB_RUN_ID", "")
    server = env.get("GITHUB_SERVER_URL", "")
    return Surroundings(
        api_url=check_base(given.api_url or env.get("GITHUB_API_URL", "") or github.PUBLIC_API),
        project=project,
        number=number,
        head=head,
        credential=_credential(env, "GITHUB_TOKEN", "in GitHub Actions: `env: GITHUB_TOKEN: ${{ github.token }}`"),
        run_url=f"{server}/{env.get('GITHUB_REPOSITORY', project)}/actions/runs/{run}" if server and run else "",
        target=env.get("GITHUB_BASE_REF", ""),
    )


def on_gitlab(env: Mapping[str, str], given: Given) -> Surroundings:
    """A GitLab CI job, or the command line of anywhere. Raises InputError for what is missing or unusable.

    A job of a fork's merge request runs in the fork, but the merge request is one of the project it goes into.
    """
    project = given.project or env.get("CI_MERGE_REQUEST_PROJECT_ID", "") or env.get("CI_PROJECT_ID", "")
    if not project or not project.isprintable() or project in (".", ".."):
        raise InputError(
            "it is not known which project this is about",
            next_step="--project GROUP/NAME or its number; in GitLab CI CI_PROJECT_ID says it",
        )
    iid = env.get("CI_MERGE_REQUEST_IID", "")
    number = given.number or (int(iid) if _NUMBER.fullmatch(iid) else None)
    if number is None:
        raise InputError(
            "it is not known which merge request this is about",
            cause="CI_MERGE_REQUEST_IID is set in pipelines for merge requests only",
            next_step="--mr NUMBER; or `rules: [{if: $CI_PIPELINE_SOURCE == 'merge_request_event'}]`",
        )
    own = bool(env.get("GITLAB_TOKEN")) or not env.get("CI_JOB_TOKEN")
    hint = "a project access token with scope api, as a masked variable; a job's own token cannot write notes"
    found = _credential(env, "GITLAB_TOKEN" if own else "CI_JOB_TOKEN", hint)
    job = Credential(token=found.token, variable=found.variable, header="JOB-TOKEN", scheme="")
    return Surroundings(
        api_url=check_base(given.api_url or env.get("CI_API_V4_URL", "") or gitlab.PUBLIC_API),
        project=project,
        number=number,
        head=None,
        credential=found if own else job,
        run_url=env.get("CI_JOB_URL", ""),
        target=env.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", ""),
        job_user="" if own else env.get("GITLAB_USER_LOGIN", ""),
    )


def _credential(env: Mapping[str, str], variable: str, hint: str) -> Credential:
    """A token as it may stand in a header."""
    token = env.get(variable, "").strip()
    if not token:
        raise InputError(f"there is no token in {variable}", next_step=hint)
    if not _TOKEN.fullmatch(token):
        raise InputError(f"what is in {variable} cannot be a token", cause="it has blanks or line ends in it")
    return Credential(token=token, variable=variable)


def _pull_number(event: _Event, ref: str) -> int | None:
    if event.pull_request is not None:
        return event.pull_request.number
    if event.issue is not None and event.issue.pull_request is not None:
        return event.issue.number
    match = _PULL_REF.fullmatch(ref) if event.workflow_run is None else None
    return int(match[1]) if match else None


def _head(run: _Run) -> Head:
    if run.head_repository is None or not run.head_branch:
        raise InputError("the branch that the workflow ran on is gone", next_step="--pr NUMBER says which it was")
    return Head(owner=run.head_repository.owner.login, branch=run.head_branch, sha=run.head_sha)


def _read_event(path: str) -> _Event:
    """The event that the workflow runs for; an empty one if there is no such file."""
    import msgspec

    if not path:
        return _Event()
    try:
        with Path(path).open("rb") as file:
            data = file.read(_LARGEST_EVENT + 1)
        return msgspec.json.decode(data[:_LARGEST_EVENT], type=_Event)
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise InputError(
            "the event in GITHUB_EVENT_PATH cannot be read",
            cause=(error.strerror or "") if isinstance(error, OSError) else str(error),
            next_step="--pr NUMBER says which pull request it is",
        ) from error
