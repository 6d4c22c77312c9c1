"""What CI jobs say of themselves: which pull request, whose token, and what is told when something is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from forge.fake_forge import TOKEN

from imgscan.errors import InputError
from imgscan.forge.summary import MAX_BYTES, append_summary
from imgscan.forge.surroundings import Given, Head, on_github, on_gitlab

ACTIONS = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_TOKEN": TOKEN,
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_API_URL": "https://github.example/api/v3",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_RUN_ID": "42",
    "GITHUB_BASE_REF": "main",
}
PIPELINE = {
    "GITLAB_TOKEN": TOKEN,
    "CI_API_V4_URL": "https://gitlab.example/api/v4",
    "CI_PROJECT_ID": "12",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_JOB_URL": "https://gitlab.example/acme/shop/-/jobs/1",
}
FORK_RUN = {
    "id": 41,
    "head_sha": "c0ffee",
    "head_branch": "patch-1",
    "head_repository": {"owner": {"login": "guest"}},
    "pull_requests": [],
}
EVENTS = [
    pytest.param({"number": 7, "pull_request": {"number": 7}}, "", 7, id="pull_request"),
    pytest.param({"issue": {"number": 8, "pull_request": {"url": "x"}}}, "", 8, id="issue_comment"),
    pytest.param({"ref": "refs/heads/main"}, "refs/pull/9/merge", 9, id="ref"),
    pytest.param({"pull_request": {"number": 7}}, "refs/pull/9/merge", 7, id="event-before-ref"),
]


def event(folder: Path, document: Any) -> dict[str, str]:
    path = folder / "event.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return {**ACTIONS, "GITHUB_EVENT_PATH": str(path)}


@pytest.mark.parametrize(("document", "ref", "number"), EVENTS)
def test_the_number_on_github(document: Any, ref: str, number: int, tmp_path: Path) -> None:
    place = on_github({**event(tmp_path, document), "GITHUB_REF": ref}, Given())
    assert (place.number, place.head) == (number, None)
    assert place.api_url == "https://github.example/api/v3"
    assert place.run_url == "https://github.example/acme/shop/actions/runs/42"
    assert place.target == "main"


def test_a_forks_run_is_known_by_its_head_and_not_by_what_it_says(tmp_path: Path) -> None:
    env = {**event(tmp_path, {"workflow_run": FORK_RUN}), "GITHUB_REF": "refs/pull/9/merge"}
    place = on_github(env, Given())
    assert place.number is None
    assert place.head == Head(owner="guest", branch="patch-1", sha="c0ffee")
    assert place.run_url.endswith("/runs/41")


def test_the_command_line_goes_before(tmp_path: Path) -> None:
    given = Given(api_url="https://other.example/api/v3/", project="a/b", number=3)
    place = on_github(event(tmp_path, "broken"), given)
    assert (place.api_url, place.project, place.number) == ("https://other.example/api/v3", "a/b", 3)
    assert on_github({"GITHUB_TOKEN": TOKEN}, Given(project="a/b", number=3)).api_url == "https://api.github.com"
    assert on_gitlab({"GITLAB_TOKEN": TOKEN}, Given(project="a/b", number=3)).api_url == "https://gitlab.com/api/v4"


def test_gitlab() -> None:
    place = on_gitlab(PIPELINE, Given())
    assert (place.project, place.number, place.target, place.run_url) == ("12", 7, "main", PIPELINE["CI_JOB_URL"])
    assert (place.credential.header, place.credential.scheme) == ("Authorization", "Bearer ")


def test_a_forks_merge_request_is_one_of_the_project_it_goes_into() -> None:
    assert on_gitlab({**PIPELINE, "CI_MERGE_REQUEST_PROJECT_ID": "5"}, Given()).project == "5"


def test_a_jobs_own_token() -> None:
    env = {**PIPELINE, "GITLAB_TOKEN": "", "CI_JOB_TOKEN": TOKEN, "GITLAB_USER_LOGIN": "someone"}
    place = on_gitlab(env, Given())
    assert (place.credential.header, place.credential.variable) == ("JOB-TOKEN", "CI_JOB_TOKEN")
    assert place.job_user == "someone"


MISSING = [
    pytest.param(on_github, ACTIONS, {"GITHUB_TOKEN": ""}, "no token in GITHUB_TOKEN", id="github-token"),
    pytest.param(
        on_github, ACTIONS, {"GITHUB_TOKEN": f"{TOKEN}\nX: y"}, "cannot be a token", id="token-with-a-line-end"
    ),
    pytest.param(on_github, ACTIONS, {"GITHUB_REPOSITORY": ""}, "which repository", id="repository"),
    pytest.param(on_github, ACTIONS, {"GITHUB_REPOSITORY": "a/b/../c"}, "no repository", id="repository-with-a-path"),
    pytest.param(on_github, ACTIONS, {"GITHUB_EVENT_PATH": ""}, "which pull request", id="no-pull-request"),
    pytest.param(on_github, ACTIONS, {"GITHUB_EVENT_PATH": "/nowhere"}, "cannot be read", id="no-event"),
    pytest.param(on_gitlab, PIPELINE, {"GITLAB_TOKEN": ""}, "no token in GITLAB_TOKEN", id="gitlab-token"),
    pytest.param(on_gitlab, PIPELINE, {"CI_PROJECT_ID": ""}, "which project", id="project"),
    pytest.param(on_gitlab, PIPELINE, {"CI_MERGE_REQUEST_IID": ""}, "which merge request", id="merge-request"),
    pytest.param(on_gitlab, PIPELINE, {"CI_API_V4_URL": "nonsense"}, "no plain https address", id="address"),
]


@pytest.mark.parametrize(("of", "env", "changes", "told"), MISSING)
def test_what_is_missing_is_told(of: Any, env: dict[str, str], changes: dict[str, str], told: str) -> None:
    given = Given(number=7) if of is on_github and "GITHUB_EVENT_PATH" not in changes else Given()
    with pytest.raises(InputError, match=told) as caught:
        of({**env, **changes}, given)
    assert TOKEN not in f"{caught.value.what}{caught.value.cause}{caught.value.next_step}"


GONE = [
    pytest.param("{", id="broken"),
    pytest.param("[" * 100_000, id="deep"),
    pytest.param('{"pull_request": {"number": "7"}}', id="number-as-text"),
    pytest.param({"workflow_run": {**FORK_RUN, "head_repository": None}}, id="fork-is-gone"),
    pytest.param({"issue": {"number": 8}}, id="an-issue"),
]


@pytest.mark.parametrize("document", GONE)
def test_events_without_a_pull_request(document: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        on_github(event(tmp_path, document), Given())
    assert "--pr NUMBER" in caught.value.next_step


def test_a_credential_does_not_show_its_token() -> None:
    assert TOKEN not in repr(on_gitlab(PIPELINE, Given()))


def test_the_summary_is_appended_to_within_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    assert append_summary(path, "<!-- mark -->\n### one\n")
    assert append_summary(path, "<!-- mark -->\n### two\n")
    assert path.read_text() == "\n### one\n\n### two\n"
    path.write_bytes(b"x" * (MAX_BYTES - 8))
    assert not append_summary(path, "<!-- mark -->\n12345678\n")
    assert append_summary(path, "<!-- mark -->\n123456\n")
    assert path.stat().st_size == MAX_BYTES
    with pytest.raises(InputError):
        append_summary(tmp_path, "a\nb\n")
