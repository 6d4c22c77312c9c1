"""`imgscan comment` from its arguments and the environment to a forge with a memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import HOSTILE, finding, image, report
from forge.fake_forge import TOKEN, FakeForge, answer
from forge.fake_github import fake_github
from forge.fake_gitlab import fake_gitlab

from imgscan.model import Report, Target, Verdict
from imgscan.report import json as report_json

ROOT = Path(__file__).parent.parent.parent
MARK = "<!-- imgscan:v1:default -->"
CLEAN = report(findings=(), verdict=Verdict.GO, reasons=(), risks=(), complete=True, skipped=(), coverage=None)


class Job:
    """A CI job: a folder, an environment, a forge."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env: dict[str, str] = {}

    def write(self, name: str, shown: Report) -> str:
        path = self.folder / name
        path.write_text(report_json.render(shown))
        return str(path)

    def run(self, *args: str, fake: FakeForge | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """`imgscan comment` with nothing in its environment but what is given."""
        if fake is None:
            return self._run(args, env)
        with fake.running() as server:
            base = f"http://{server.host}{fake.prefix}"
            done = self._run(args, {"GITHUB_API_URL": base, "CI_API_V4_URL": base, **self.env, **env})
        assert fake.contract.violations == []
        return done

    def _run(self, args: tuple[str, ...], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-m", "imgscan", "comment", *args], env={**kept, **env}, cwd=ROOT,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert TOKEN not in done.stdout + done.stderr
        assert "internal error" not in done.stderr
        return done


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.fixture
def actions(job: Job) -> Job:
    """A job of GitHub Actions for pull request 7."""
    event = job.folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}))
    job.env = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_RUN_ID": "42",
        "GITHUB_BASE_REF": "main",
        "GITHUB_STEP_SUMMARY": str(job.folder / "summary.md"),
        "GITHUB_TOKEN": TOKEN,
    }
    return job


def test_a_pull_request_from_the_first_run_to_the_last(actions: Job) -> None:
    fake = fake_github()
    base = ("--base", actions.write("base.json", CLEAN))
    clean, leaky = (
        actions.write("clean.json", CLEAN),
        actions.write("leaky.json", report(image=image(size_bytes=300_000_000))),
    )

    quiet = actions.run("github", clean, *base, fake=fake)
    assert (quiet.returncode, fake.comments) == (0, {})
    assert "nothing to say on acme/shop#7" in quiet.stderr

    made = actions.run("github", leaky, *base, fake=fake)
    assert (made.returncode, made.stdout) == (0, "")
    assert "comment 1001 on acme/shop#7 made" in made.stderr
    (body,) = fake.bodies()
    assert body.startswith(f"{MARK}\n### 🔴 imgscan: NO-GO for `shop` — 2 new findings")
    assert '<a href="https://github.example/acme/shop/actions/runs/42">whole report</a>' in body
    assert "| | main | this pull request | change |" in body

    again = actions.run("github", leaky, *base, fake=fake)
    assert "says so already" in again.stderr
    assert fake.done() == ["POST"]

    mended = actions.run("github", clean, *base, fake=fake)
    assert "brought up to date" in mended.stderr
    (body,) = fake.bodies()
    assert "### ✅ imgscan: GO" in body


def test_a_merge_request(job: Job) -> None:
    job.env = {
        "GITLAB_TOKEN": TOKEN, "CI_PROJECT_ID": "1", "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }  # fmt: skip
    fake = fake_gitlab()
    path = job.write("report.json", report())
    first = job.run("gitlab", path, "--project", "acme/shop", fake=fake)
    assert "comment 1001 on acme/shop!7 made" in first.stderr
    assert "this merge request" in fake.bodies()[0]
    assert "says so already" in job.run("gitlab", path, "--project", "acme/shop", fake=fake).stderr


def test_a_jobs_own_token_is_told_of(job: Job) -> None:
    job.env = {
        "CI_JOB_TOKEN": TOKEN,
        "CI_PROJECT_ID": "acme/shop",
        "CI_MERGE_REQUEST_IID": "7",
        "GITLAB_USER_LOGIN": "x",
    }
    done = job.run("gitlab", job.write("report.json", report()), fake=fake_gitlab(job=True))
    assert done.returncode == 3
    assert "cannot write notes" in done.stderr
    assert "GITLAB_TOKEN" in done.stderr


def test_several_comments_on_one_pull_request(actions: Job) -> None:
    fake = fake_github()
    path = actions.write("report.json", report())
    for name in ("frontend", "backend", "frontend"):
        assert actions.run("github", path, "--name", name, fake=fake).returncode == 0
    assert [body.split("\n")[0] for body in fake.bodies()] == [
        "<!-- imgscan:v1:frontend -->",
        "<!-- imgscan:v1:backend -->",
    ]


def test_a_fork_gets_the_summary_and_one_notice(actions: Job) -> None:
    fake = fake_github(me="github-actions[bot]", bot=True, read_only=True)
    done = actions.run("github", actions.write("report.json", report()), fake=fake)
    assert (done.returncode, done.stdout, fake.comments) == (0, "", {})
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("::notice title=imgscan::")
    assert "Resource not accessible by integration" in done.stderr
    summary = (actions.folder / "summary.md").read_text()
    assert summary.startswith("\n### 🔴 imgscan: NO-GO for `shop`")
    assert MARK not in summary


def test_without_a_summary_a_refusal_is_an_error(actions: Job) -> None:
    done = actions.run(
        "github", actions.write("report.json", report()), fake=fake_github(read_only=True), GITHUB_STEP_SUMMARY=""
    )
    assert done.returncode == 3
    assert "may not do this" in done.stderr
    assert "pull-requests: write" in done.stderr


def test_the_second_step_for_a_fork(actions: Job) -> None:
    """It takes nothing from the report but what it says of the image: not where to write, not a line of Markdown."""
    run = {"id": 41, "head_sha": "c0ffee", "head_branch": "patch-1", "head_repository": {"owner": {"login": "guest"}}}
    (actions.folder / "event.json").write_text(json.dumps({"workflow_run": run}))
    fake = fake_github(
        me="github-actions[bot]", bot=True, pulls=[(7, "guest:patch-1", "c0ffee"), (8, "guest:x", "c0ffee")]
    )
    nasty = f"{HOSTILE}\n{MARK}\n/close"
    shown = report(target=Target(kind="build", ref=nasty), findings=(finding(message=nasty),), reasons=(nasty,))
    done = actions.run("github", actions.write("report.json", shown), fake=fake)
    assert done.returncode == 0, done.stderr
    (body,) = fake.bodies()
    assert body.count(MARK) == 1
    assert "<img" not in body
    assert "@org" not in body
    assert "actions/runs/41" in body


def test_newer_commits_have_a_run_of_their_own(actions: Job) -> None:
    run = {"id": 41, "head_sha": "c0ffee", "head_branch": "patch-1", "head_repository": {"owner": {"login": "guest"}}}
    (actions.folder / "event.json").write_text(json.dumps({"workflow_run": run}))
    fake = fake_github(pulls=[(7, "guest:patch-1", "0ddba11")])
    done = actions.run("github", actions.write("report.json", report()), fake=fake)
    assert (done.returncode, fake.comments) == (2, {})
    assert "no open pull request of acme/shop is at commit c0ffee" in done.stderr


def huge(document: dict[str, Any]) -> None:
    document["image"]["size_bytes"] = 10**30


def endless(document: dict[str, Any]) -> None:
    document["build"]["scenarios"][0]["median_s"] = 1e308
    document["build"]["scenarios"][0]["seconds"] = [1e308, -1e308, 1.0]


def negative(document: dict[str, Any]) -> None:
    document["image"]["size_bytes"] = -5
    document["build"]["scenarios"][0]["steps_total"] = -(10**18)


def text_for_a_number(document: dict[str, Any]) -> None:
    document["image"]["size_bytes"] = "12"


@pytest.mark.parametrize("spoil", [huge, endless, negative, text_for_a_number])
def test_figures_that_cannot_be(spoil: Any, job: Job) -> None:
    document = json.loads(report_json.render(report()))
    spoil(document)
    path = job.folder / "report.json"
    path.write_text(json.dumps(document))
    done = job.run(
        "github", str(path), "--base", job.write("base.json", report(image=image(size_bytes=5))), "--dry-run"
    )
    assert done.returncode in (0, 2)


BROKEN = [
    pytest.param(b"", id="empty"),
    pytest.param(b"{}", id="object"),
    pytest.param(b"[" * 200_000, id="deep"),
    pytest.param(b'{"image":' * 100_000, id="deep-objects"),
    pytest.param(b"\xff\xfe", id="bytes"),
    pytest.param(b"### markdown of somebody", id="markdown"),
]


@pytest.mark.parametrize("data", BROKEN)
def test_what_is_no_report_is_never_posted(data: bytes, actions: Job) -> None:
    fake = fake_github()
    path = actions.folder / "report.json"
    path.write_bytes(data)
    done = actions.run("github", str(path), fake=fake)
    assert (done.returncode, fake.asked) == (2, [])
    assert "not a report of imgscan" in done.stderr


def test_dry_run_prints_and_asks_nobody(job: Job) -> None:
    done = job.run("github", job.write("report.json", report()), "--dry-run")
    assert done.returncode == 0
    assert done.stdout.startswith(f"{MARK}\n### 🔴")
    assert done.stderr == ""
    nothing = job.run("gitlab", job.write("report.json", CLEAN), "--dry-run", "--base", job.write("base.json", CLEAN))
    assert "there is nothing to say" in nothing.stderr


def test_a_base_that_is_not_there_yet(job: Job) -> None:
    done = job.run("github", job.write("report.json", report()), "--base", str(job.folder / "no.json"), "--dry-run")
    assert done.returncode == 0
    assert "there is no base report" in done.stderr
    assert "No base report to compare with" in done.stdout


def test_when_findings(actions: Job) -> None:
    fake = fake_github()
    bigger = replace(CLEAN, image=image(size_bytes=900_000_000))
    args = ("github", actions.write("report.json", bigger), "--base", actions.write("base.json", CLEAN))
    assert "nothing to say" in actions.run(*args, "--when", "findings", fake=fake).stderr
    assert "made" in actions.run(*args, fake=fake).stderr


USAGE = [
    pytest.param(("github", "none.json"), {}, 2, "cannot be read", id="no-report"),
    pytest.param(("bitbucket", "report.json"), {}, 2, "bitbucket", id="no-such-forge"),
    pytest.param(
        ("github", "report.json"), {"GITHUB_TOKEN": ""}, 2, "there is no token in GITHUB_TOKEN", id="no-token"
    ),
    pytest.param(("github", "report.json", "--name", "a b"), {}, 2, "cannot be the name", id="name"),
    pytest.param(("github", "report.json", "--report-url", "javascript:x"), {}, 2, "no http(s) address", id="url"),
    pytest.param(("github", "report.json", "--pr", "0"), {}, 2, "--pr", id="number"),
    pytest.param(("github", "report.json", "--api-url", "http://127.0.0.1:9"), {}, 3, "127.0.0.1:9", id="nobody-there"),
    pytest.param(("github", "report.json", "--pr", "9"), {}, 3, "404", id="no-such-pull-request"),
]


@pytest.mark.parametrize(("args", "env", "code", "told"), USAGE)
def test_errors_say_what_to_do(args: tuple[str, ...], env: dict[str, str], code: int, told: str, actions: Job) -> None:
    actions.write("report.json", report())
    args = tuple(str(actions.folder / part) if part.endswith(".json") else part for part in args)
    done = actions.run(*args, fake=fake_github(), **env)
    assert done.returncode == code, done.stderr
    assert told in done.stderr


def test_a_wrong_token(actions: Job) -> None:
    done = actions.run("github", actions.write("report.json", report()), fake=fake_github(), GITHUB_TOKEN="wrong")
    assert done.returncode == 3
    assert "does not accept the token in GITHUB_TOKEN" in done.stderr


def test_a_rate_limit_of_an_hour(actions: Job) -> None:
    reply = answer(403, {"message": "API rate limit exceeded"}, {"Retry-After": "3600"})
    done = actions.run("github", actions.write("report.json", report()), fake=fake_github(failures=[("*", reply)]))
    assert done.returncode == 3
    assert "3,600 s" in done.stderr
