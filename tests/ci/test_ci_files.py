"""What is there for CI servers: files that their schemas accept, and the action's script run as a runner runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "docs" / "ci"
SCHEMAS = [
    pytest.param(ROOT / "action.yml", "vendor.github-actions", id="action"),
    *(pytest.param(path, "vendor.github-workflows", id=path.stem) for path in sorted(EXAMPLES.glob("github-*.yml"))),
    pytest.param(EXAMPLES / "gitlab.yml", "vendor.gitlab-ci", id="gitlab"),
]


def document(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("path", "schema"), SCHEMAS)
def test_its_schema_accepts_it(path: Path, schema: str) -> None:
    program = Path(sys.executable).parent / "check-jsonschema"
    done = subprocess.run([program, "--builtin-schema", schema, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", [ROOT / "action.yml", *sorted(EXAMPLES.glob("github-*.yml"))], ids=lambda p: p.stem)
def test_every_action_is_pinned_and_no_value_is_pasted_into_a_script(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for used in re.findall(r"uses: (\S+)", text):
        assert used == "OWNER/imgscan@TAG" or re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", used), used
    steps = [step for step in _steps(document(path)) if "run" in step]
    assert steps or "uses" in text
    assert not [step["run"] for step in steps if "${{" in step["run"]]


def _steps(found: Any) -> list[dict[str, Any]]:
    jobs = found["jobs"].values() if "jobs" in found else [found["runs"]]
    return [step for job in jobs for step in job["steps"]]


def test_what_runs_code_of_a_pull_request_may_write_nothing() -> None:
    found = document(EXAMPLES / "github-pull-request.yml")
    assert found["permissions"] == {"contents": "read"}
    comment = document(EXAMPLES / "github-comment.yml")
    assert not [step for step in _steps(comment) if "checkout" in step.get("uses", "")]


class Runner:
    """The folders and files that a runner gives to a step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("output", "summary"):
            (folder / name).touch()
        (folder / "temp").mkdir()

    def run(self, **settings: str) -> subprocess.CompletedProcess[str]:
        program = self.folder / "imgscan"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m imgscan "$@"\n')
        program.chmod(0o755)
        environment = {
            **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
            "PYTHONPATH": str(ROOT),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "IMGSCAN_ACTION_PROGRAM": str(program),
            "IMGSCAN_ACTION_COMMAND": "lint",
            **{f"IMGSCAN_ACTION_{key.upper()}": value for key, value in settings.items()},
        }
        return subprocess.run(
            ["bash", ROOT / ".ci" / "action.sh"], env=environment, cwd=self.folder, capture_output=True, text=True
        )

    def outputs(self) -> dict[str, str]:
        lines = (self.folder / "output").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def summary(self) -> str:
        return (self.folder / "summary").read_text(encoding="utf-8")


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    project = tmp_path / "shop"
    project.mkdir()
    (project / "Dockerfile").write_text("FROM node:24\nWORKDIR /app\nCOPY . .\nRUN npm ci\nUSER 1000\n")
    (project / "package.json").write_text("{}")
    (project / "package-lock.json").write_text("{}")
    (project / "index.js").write_text("1")
    return Runner(tmp_path)


def test_a_run_leaves_reports_outputs_annotations_and_a_summary(runner: Runner) -> None:
    done = runner.run(target="shop")
    assert done.returncode == 0, done.stderr
    outputs = runner.outputs()
    assert (outputs["exit-code"], outputs["verdict"]) == ("1", "NO-GO")
    assert json.loads(Path(outputs["sarif-file"]).read_text())["version"] == "2.1.0"
    assert "::error file=shop/Dockerfile,line=3,title=cache-copy-before-install::" in done.stdout
    assert "imgscan: NO-GO" in runner.summary()


def test_a_base_report_makes_the_summary_a_comparison(runner: Runner) -> None:
    runner.run(target="shop")
    base = runner.outputs()["report-json"]
    (runner.folder / "summary").write_text("")
    runner.run(target="shop", base=base)
    assert "compared with" in runner.summary()


ARGUMENTS = [
    pytest.param("--fail-on never --exit-zero", "0", id="words"),
    pytest.param("--exit-zero '--fail-on' 'never'", "0", id="quoted"),
    pytest.param("--no-such-option", "2", id="unknown"),
    pytest.param("$(touch pwned) ; touch pwned `touch pwned`", "2", id="shell"),
]


@pytest.mark.parametrize(("text", "code"), ARGUMENTS)
def test_arguments_are_words_and_nothing_else(text: str, code: str, runner: Runner) -> None:
    runner.run(target="shop", args=text)
    assert runner.outputs()["exit-code"] == code
    assert not list(runner.folder.rglob("pwned"))


def test_a_target_is_no_option_and_no_command(runner: Runner) -> None:
    runner.run(target="--help; touch pwned")
    assert runner.outputs() == {"exit-code": "2"}
    assert not list(runner.folder.rglob("pwned"))


def test_only_its_own_commands_run(runner: Runner) -> None:
    assert runner.run(target="shop", command="baseline").returncode == 2


HOOKED = [
    *(pytest.param(path, True, id=path) for path in ("Dockerfile", "a/Dockerfile.dev", "x.dockerfile", ".dockerignore")),
    *(pytest.param(path, True, id=path) for path in ("docker/docker-compose.yml", "compose.yaml", ".env.example")),
    *(pytest.param(path, True, id=path) for path in ("scripts/backup.sh", "Makefile")),
    *(pytest.param(path, False, id=path) for path in ("src/main.py", "docs/Dockerfiles.md/x", "environment.ts")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "hooked"), HOOKED)
def test_the_hook_runs_for_the_files_that_it_reads(path: str, hooked: bool) -> None:
    (hook,) = document(ROOT / ".pre-commit-hooks.yaml")
    assert (re.search(hook["files"], path) is not None) is hooked
    assert hook["entry"].startswith("imgscan lint ")
