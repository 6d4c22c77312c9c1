"""The example workflows, the action and the GitLab job, their steps run as a runner runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ci.actionsrunner import ROOT, ActionsRunner
from fakes import report
from forge.fake_forge import TOKEN
from forge.fake_github import fake_github
from forge.fake_gitlab import PROJECT as PROJECT_PATH
from forge.fake_gitlab import fake_gitlab
from imagemaker import Made, docker25
from secretmaker import token_of
from setups import write_files
from tarmaker import archive, member

from imgscan.report import json as report_json

EXAMPLES = ROOT / "docs" / "ci"
IMGSCAN = f'exec "{sys.executable}" -m imgscan "$@"'
# The action makes a virtual environment; what it installs is tested where packages are.
PYTHON = f"""
if [[ "$*" == "-m venv $RUNNER_TEMP/imgscan" ]]; then
  mkdir -p "$RUNNER_TEMP/imgscan/bin"
  printf '#!/bin/bash\\nexit 0\\n' >"$RUNNER_TEMP/imgscan/bin/python"
  printf '#!/bin/bash\\nexec "{sys.executable}" -m imgscan "$@"\\n' >"$RUNNER_TEMP/imgscan/bin/imgscan"
  chmod +x "$RUNNER_TEMP"/imgscan/bin/*
else
  exec "{sys.executable}" "$@"
fi"""
PROJECT = {
    "Dockerfile": "FROM node:24\nWORKDIR /app\nCOPY . .\nRUN npm ci\nUSER 1000\n",
    "package.json": "{}",
    "package-lock.json": "{}",
    "index.js": "1\n",
    ".dockerignore": ".git\n",
}
LINT = {"command": "lint", "args": ""}
"""In place of build-report, which needs an engine."""


def runner(folder: Path, event: dict[str, Any], **programs: str) -> ActionsRunner:
    """A job for an event."""
    (folder / "event.json").write_text(json.dumps(event))
    return ActionsRunner(
        folder=folder,
        contexts={
            "github": {"token": TOKEN, "event_name": next(iter(event)), "event": event, "repository": "acme/shop"}
        },
        programs={"python": PYTHON, "imgscan": IMGSCAN, "pip": "exit 0", **programs},
        env={
            "PYTHONPATH": str(ROOT),
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_EVENT_NAME": next(iter(event)),
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_WORKFLOW": "imgscan",
            "GITHUB_ACTOR": "ada",
        },
    )


PULL = {"pull_request": {"number": 7, "base": {"ref": "main"}}}
GH = """
case "$1 $2" in
  "run list") echo 41 ;;
  "run download") mkdir -p base && cp "$BASE_REPORT" base/report.json ;;
esac"""


def test_a_pull_request_without_a_base(tmp_path: Path) -> None:
    job = runner(tmp_path, PULL, gh="exit 4")
    write_files(tmp_path / "work", PROJECT)
    assert job.job(EXAMPLES / "github-pull-request.yml", LINT) == 1
    assert job.codes["Give the verdict"] == 1
    assert "::error file=Dockerfile,line=3,title=cache-copy-before-install::" in job.said
    assert "imgscan: NO-GO" in job.summary
    kept = json.loads((tmp_path / "work" / "report" / "report.json").read_text())
    assert kept["verdict"] == "NO-GO"
    assert job.used[-1] == ("actions/upload-artifact", {"name": "imgscan-report", "path": "report/"})
    assert "github/codeql-action/upload-sarif" not in dict(job.used)


@pytest.mark.parametrize(("new", "code"), [(False, 0), (True, 1)], ids=["as-before", "something-new"])
def test_a_pull_request_against_its_base(tmp_path: Path, new: bool, code: int) -> None:
    first = runner(tmp_path, PULL, gh="exit 4")
    write_files(tmp_path / "work", PROJECT)
    first.job(EXAMPLES / "github-pull-request.yml", LINT)
    base = tmp_path / "base.json"
    (tmp_path / "work" / "report" / "report.json").rename(base)
    (tmp_path / "summary").write_text("")
    if new:
        (tmp_path / "work" / "key.js").write_text(f"t = '{token_of('new')}'\n")
    job = runner(tmp_path, PULL, gh=GH)
    job.env["BASE_REPORT"] = str(base)
    assert job.job(EXAMPLES / "github-pull-request.yml", {**LINT, "fail-on-new": "true"}) == code
    assert "compared with" in job.summary


def test_without_a_base_everything_counts_and_that_is_told(tmp_path: Path) -> None:
    job = runner(tmp_path, PULL, gh="exit 4")
    write_files(tmp_path / "work", PROJECT)
    assert job.job(EXAMPLES / "github-pull-request.yml", {**LINT, "fail-on-new": "true"}) == 1
    assert "::notice title=imgscan::there is no base report" in job.said


def test_the_comment_of_a_fork_s_run(tmp_path: Path) -> None:
    head = {"id": 41, "head_sha": "c0ffee", "head_branch": "patch-1", "head_repository": {"owner": {"login": "guest"}}}
    event = {"workflow_run": {**head, "event": "pull_request"}, "repository": {"default_branch": "main"}}
    job = runner(tmp_path, event, gh=GH)
    (tmp_path / "work" / "report").mkdir()
    (tmp_path / "work" / "report" / "report.json").write_text(report_json.render(report()))
    base = tmp_path / "base.json"
    base.write_text(report_json.render(report(findings=())))
    job.env["BASE_REPORT"] = str(base)
    fake = fake_github(me="github-actions[bot]", bot=True, pulls=[(7, "guest:patch-1", "c0ffee")])
    with fake.running() as server:
        job.env["GITHUB_API_URL"] = f"http://{server.host}{fake.prefix}"
        assert job.job(EXAMPLES / "github-comment.yml", {}) == 0, job.said
    assert fake.contract.violations == []
    (body,) = fake.bodies()
    assert "2 new findings" in body
    assert TOKEN not in job.said
    assert dict(job.used)["actions/download-artifact"]["run-id"] == "41"


def test_the_nightly_scan(tmp_path: Path) -> None:
    event = {"schedule": [{"cron": "17 3 * * *"}]}
    job = runner(tmp_path, event, docker='[[ "$1 $2" == "login ghcr.io" ]] && cat >/dev/null')
    layer = archive(member(b"app/config.js", f't = "{token_of("nightly")}"\n'.encode()))
    work = tmp_path / "work"
    (work / "image.tar").write_bytes(docker25(Made(layers=(layer,), settings={"User": "1000"})))
    (work / ".imgscan-baseline.json").write_text(json.dumps({"imgscan_baseline": 1, "key": "0" * 64, "accepted": []}))
    schedule = EXAMPLES / "github-schedule.yml"
    assert job.job(schedule, {"target": "image.tar"}) == 1, job.said
    uploaded = dict(job.used)["github/codeql-action/upload-sarif"]
    assert json.loads(Path(uploaded["sarif_file"]).read_text())["runs"][0]["results"]
    assert token_of("nightly") not in job.said + Path(uploaded["sarif_file"]).read_text()


@pytest.mark.tools
def test_the_action_installs_itself_and_runs(tmp_path: Path) -> None:
    """By pip, as it is configured here, with all that it needs."""
    job = runner(tmp_path, PULL, python=f'exec "{sys.executable}" "$@"', imgscan="exit 1")
    del job.env["PYTHONPATH"]
    write_files(tmp_path / "work", PROJECT)
    assert job.action({**LINT, "annotations": "false"}, "own") == 1, job.said
    assert [job.codes[name] for name in ("Install imgscan", "Run imgscan", "Give the verdict")] == [0, 0, 1], job.said
    (package,) = (tmp_path / "temp").glob("imgscan/lib/python*/site-packages/imgscan")
    assert (package / "rules" / "cache.yml").is_file()


@pytest.mark.parametrize("token", [True, False], ids=["with-a-token", "without"])
def test_the_gitlab_job(tmp_path: Path, token: bool) -> None:
    """Its script, as a runner runs it: all lines in one shell that ends at the first that fails."""
    job = yaml.safe_load((EXAMPLES / "gitlab.yml").read_text(encoding="utf-8"))["imgscan"]
    programs = tmp_path / "bin"
    programs.mkdir()
    # lint in place of build-report, which needs an engine.
    as_lint = f'[ "$1" != build-report ] || {{ shift; set -- lint "$@"; }}\n{IMGSCAN}'
    for name, script in {"pip": "exit 0", "imgscan": as_lint}.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    work = write_files(tmp_path / "work", PROJECT)
    fake = fake_gitlab()
    with fake.running() as server:
        env = {
            **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            **{name: str(value) for name, value in job["variables"].items() if not name.startswith("DOCKER")},
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"http://{server.host}{fake.prefix}",
            "CI_PROJECT_ID": PROJECT_PATH,
            "CI_PROJECT_PATH": PROJECT_PATH,
            "CI_MERGE_REQUEST_IID": "7",
            "CI_JOB_URL": "https://gitlab.example/acme/shop/-/jobs/3",
            **({"GITLAB_TOKEN": TOKEN} if token else {}),
        }
        done = subprocess.run(
            ["sh", "-e", "-c", "\n".join(job["script"])], env=env, cwd=work, capture_output=True, text=True
        )
    assert done.returncode == 1, done.stderr
    assert "NO-GO" in done.stdout
    assert fake.contract.violations == []
    assert len(fake.bodies()) == token
    assert all((work / name).is_file() for name in job["artifacts"]["paths"])
    assert json.loads((work / job["artifacts"]["reports"]["codequality"]).read_text())
