"""`imgscan rebuild` without an engine: predictions from given seconds and from a report, histories, wrong options."""

from __future__ import annotations

import html
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from imgscan.cli.main import run

DOCKERFILE = "FROM node:24-bookworm-slim\nWORKDIR /app\nCOPY . .\nRUN npm ci\nRUN npm run build\n"
ENV = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    **{"GIT_AUTHOR_NAME": "Somebody", "GIT_AUTHOR_EMAIL": "somebody@example.org"},
    **{"GIT_COMMITTER_NAME": "Somebody", "GIT_COMMITTER_EMAIL": "somebody@example.org"},
    **{"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "docs").mkdir()
    (root / "src" / "index.js").write_text("console.log(1)\n")
    (root / "docs" / "x.md").write_text("x\n")
    (root / "package.json").write_text('{"name": "x", "dependencies": {}}\n')
    (root / "package-lock.json").write_text('{"lockfileVersion": 3}\n')
    (root / ".dockerignore").write_text(".git\n**/node_modules\ndocs\nDockerfile\n.dockerignore\n")
    (root / "Dockerfile").write_text(DOCKERFILE)
    return root


def git(root: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=root, env=ENV, check=True, capture_output=True)


def asked(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> dict[str, Any]:
    assert run(["rebuild", *args, "--format", "json", "--exit-zero"]) == code
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_edits_are_predicted_from_given_seconds(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touches = ("--touch", "src/index.js", "--touch", "docs", "--touch", str(project / "package.json"))
    edits = asked(capsys, str(project), "--estimate", "4=10", "--estimate", "5=2.5s", *touches)["edits"]
    assert [(p["name"], p["touched"], p["seconds"]) for p in edits["predictions"]] == [
        ("edit", ["src/index.js"], 12.5),
        ("edit", ["docs"], 0.0),
        ("edit", ["package.json"], 12.5),
        ("together", ["src/index.js", "docs", "package.json"], 12.5),
    ]
    assert (edits["basis"]["source"], edits["basis"]["cold_s"], edits["history"]) == ("estimate", 12.5, None)


def test_without_paths_the_usual_edits_are_predicted(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edits = asked(capsys, str(project), "--estimate", "4=10")["edits"]
    assert {p["name"]: p["touched"][0] for p in edits["predictions"]} == {
        "touch-source": "src/index.js",
        "touch-lockfile": "package-lock.json",
        "touch-manifest": "package.json",
    }


def test_the_history_is_replayed_and_names_nobody(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(project, "init", "-q")
    for name in ("first", "src/index.js", "docs/x.md", "package-lock.json"):
        (project / name).write_text(f"{name}\n")
        git(project, "add", "-A")
        git(project, "commit", "-q", "-m", "by Somebody")
    report = asked(capsys, str(project), "--estimate", "4=10", "--git-log", "50")
    history = report["edits"]["history"]
    assert (history["commits"], history["free"], history["seconds"]) == (3, 1, 20.0)
    assert [(p["path"], p["seconds"]) for p in history["paths"]] == [
        ("package-lock.json", 10.0),
        ("src/index.js", 10.0),
    ]
    assert [(s["line"], s["commits"], s["seconds"]) for s in history["savings"]] == [(3, 1, 10.0)]
    assert report["edits"]["predictions"] == []
    assert "omebody" not in json.dumps(report)


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_a_history_of_one_commit_says_why_there_is_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "first")
    args = ["--estimate", "4=10", "--git-log", "5", "--format", form, "--exit-zero"]
    assert run(["rebuild", str(project), *args]) == 0
    out = " ".join(html.unescape(capsys.readouterr().out).split())
    assert "No commit could be replayed: there are only merges and the first commit" in out
    assert "that cost most" not in out.lower()


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_every_format_tells_it(project: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert run(["rebuild", str(project), "--estimate", "4=10", "--format", form, "--exit-zero"]) == 0
    out = capsys.readouterr().out
    assert "what an edit costs (predicted)" in out.lower()
    assert "src/index.js" in out


def test_a_report_is_a_basis(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parent.parent / "golden" / "report.json.txt").read_text("utf-8")
    given = json.loads(text)
    step = {"stage": "0", "ordinal": 3, "instruction": "RUN npm ci", "line": 9, "cached": False, "seconds": 8.0}
    gone = {**step, "ordinal": 4, "instruction": "RUN npm test", "line": 10}
    cold = {**given["build"]["scenarios"][0], "name": "cold", "touched": None, "median_s": 9.0, "steps": [step, gone]}
    noop = {**cold, "name": "noop", "seconds": [0.5], "median_s": 0.5, "steps": []}
    given["build"]["scenarios"] = [cold, noop]
    path = tmp_path / "report.json"
    path.write_text(json.dumps(given))
    report = asked(capsys, str(project), "--report", str(path), "--touch", "src/index.js")
    (prediction,) = report["edits"]["predictions"]
    assert ([s["line"] for s in prediction["steps"]], prediction["seconds"]) == ([4], 8.5)
    assert any(note.startswith("1 step of ") for note in report["notes"])
    assert report["build"] is None


@pytest.mark.parametrize(
    ("seconds", "figures"), [pytest.param(2.0, (3, 1), id="nuisance"), pytest.param(70.0, (3, 2), id="waste")]
)
def test_the_timings_of_a_report_weigh_as_they_did(
    project: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    seconds: float,
    figures: tuple[int, int],
) -> None:
    (project / "Dockerfile").write_text("FROM node:24\nCOPY . .\nRUN npm ci\n")
    given = json.loads((Path(__file__).parent.parent / "golden" / "report.json.txt").read_text("utf-8"))
    step = {"stage": "0", "ordinal": 2, "instruction": "RUN npm ci", "line": 3, "cached": False, "seconds": seconds}
    edit = {**given["build"]["scenarios"][0], "name": "touch-source", "touched": "src/index.js", "median_s": seconds}
    given["build"]["scenarios"] = [
        {**edit, "name": "cold", "touched": None, "steps": [step]},
        {**edit, "name": "noop", "touched": None, "median_s": 0.5, "steps": []},
        {**edit, "steps": [step]},
    ]
    (tmp_path / "report.json").write_text(json.dumps(given))
    report = asked(capsys, str(project), "--report", str(tmp_path / "report.json"), "--touch", "src/index.js")
    (risk,) = [risk for risk in report["risks"] if risk["id"] == "PERF-001"]
    assert (risk["probability"], risk["impact"]) == figures
    assert (report["build"], report["cache"]) == (None, None)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        pytest.param(["--estimate", "4"], "not of the form LINE=SECONDS", id="no-pair"),
        pytest.param(["--estimate", "x=4"], "not of the form LINE=SECONDS", id="no-line"),
        pytest.param(["--estimate", "4=-1"], "not of the form LINE=SECONDS", id="negative"),
        pytest.param(["--estimate", "4=nan"], "not of the form LINE=SECONDS", id="no-number"),
        pytest.param(["--estimate", "40=1"], "no step that is built stands at line 40", id="no-step-there"),
        pytest.param(["--estimate", "4=1", "--touch", "src/indx.js"], "did you mean src/index.js?", id="misspelt"),
        pytest.param(["--estimate", "4=1", "--touch", "../x"], "there is no ../x", id="outside"),
        pytest.param(["--estimate", "4=1", "--git-log", "5"], "git reads no history", id="no-history"),
        pytest.param(["--report", "{project}/package.json"], "not a report of imgscan", id="no-report"),
        pytest.param(["--estimate", "4=1", "--report", "{project}/package.json"], "two bases", id="two-bases"),
        pytest.param(["--git-log", "0"], "--git-log", id="none-at-all"),
        pytest.param(["--scenario", "hot"], "--scenario", id="no-scenario"),
    ],
)
def test_wrong_options(project: Path, capsys: pytest.CaptureFixture[str], args: list[str], told: str) -> None:
    (project / ".git").write_text("gitdir: /nonexistent\n")
    assert run(["rebuild", str(project), *(arg.format(project=project) for arg in args)]) == 2
    assert told in capsys.readouterr().err
