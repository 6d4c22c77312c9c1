"""`imgscan optimize` without an engine: what goes where, what is written, what is never shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from projects import make_project
from secretmaker import token_of

ROOT = Path(__file__).parent.parent.parent
SAMPLES = ROOT / "sample_images"
DOCKERFILE = "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
FILES = {"package.json": "{}", "package-lock.json": "{}", "src/index.js": "x"}


class Done(NamedTuple):
    code: int
    stdout: str
    stderr: str


def optimize(folder: Path, *options: str) -> Done:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "imgscan", "optimize", *options]
    done = subprocess.run(command, capture_output=True, check=False, cwd=folder, env=env)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_patch_on_stdout_and_words_on_stderr(tmp_path: Path) -> None:
    make_project(tmp_path, DOCKERFILE, FILES)
    done = optimize(tmp_path)
    assert done.code == 0
    assert done.stdout.startswith("diff --git a/Dockerfile b/Dockerfile\n")
    assert "+COPY package.json package-lock.json ./\n" in done.stdout
    assert "CHANGES (not proved: --prove builds before and after)" in done.stderr
    applied = subprocess.run(["patch", "-p1", "--batch"], input=done.stdout, text=True, cwd=tmp_path, check=False)
    assert applied.returncode == 0
    assert optimize(tmp_path) == Done(0, "", "no faster rebuild to propose\n")


@pytest.mark.parametrize(
    "sample", [("antone", "-f", "antone/backend/Dockerfile"), ("go-service",)], ids=["antone", "go-service"]
)
def test_nothing_to_mend_in_a_good_sample(sample: tuple[str, ...]) -> None:
    assert optimize(SAMPLES, *sample, "--no-config") == Done(0, "", "no faster rebuild to propose\n")


def test_write_changes_the_files_and_keeps_their_modes(tmp_path: Path) -> None:
    make_project(tmp_path, DOCKERFILE.replace("\n", "\r\n"), FILES)
    (tmp_path / "Dockerfile").write_bytes(DOCKERFILE.replace("\n", "\r\n").encode())
    (tmp_path / "Dockerfile").chmod(0o640)
    done = optimize(tmp_path, "--write")
    assert (done.code, done.stderr) == (0, "")
    assert "CHANGES" in done.stdout
    text = (tmp_path / "Dockerfile").read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n") == 5
    assert (tmp_path / "Dockerfile").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / ".dockerignore").read_text() == "**/node_modules\nDockerfile\n.dockerignore\n"


def test_output_and_json(tmp_path: Path) -> None:
    make_project(tmp_path, DOCKERFILE, FILES)
    done = optimize(tmp_path, "--output", "p.patch", "--json", "p.json", "--quiet")
    assert done == Done(0, "", "")
    document = json.loads((tmp_path / "p.json").read_text())
    assert document["patch"] == (tmp_path / "p.patch").read_text()
    assert document["proved"] is False
    assert [change["kind"] for change in document["changes"]] == ["split-manifests", "extend-ignore"]


def test_names_are_those_of_the_working_directory(tmp_path: Path) -> None:
    make_project(tmp_path / "my service", DOCKERFILE, FILES, "docker/api.Dockerfile")
    done = optimize(tmp_path, "my service", "-f", "my service/docker/api.Dockerfile")
    assert "--- a/my service/docker/api.Dockerfile\t\n" in done.stdout
    assert "+++ b/my service/.dockerignore\t\n" in done.stdout


def test_a_secret_near_a_change_is_not_shown(tmp_path: Path) -> None:
    secret = token_of("optimize")
    text = f"FROM node:20\nARG GITHUB_TOKEN={secret}\n\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
    make_project(tmp_path, text, FILES)
    names = ("json", "html", "markdown", "table")
    formats = [word for name in names for word in ("--format", f"{name}=r.{name}")]
    done = optimize(tmp_path, "--json", "p.json", *formats)
    assert done.code == 0
    assert "+RUN npm ci" in done.stdout
    assert secret not in done.stdout + done.stderr + (tmp_path / "p.json").read_text()
    for name in names:
        text = (tmp_path / f"r.{name}").read_text()
        assert "RUN npm ci" in text
        assert secret not in text


def test_a_changed_line_with_a_secret_is_not_shown_but_can_be_written(tmp_path: Path) -> None:
    secret = token_of("optimize")
    text = f"FROM node:20\nWORKDIR /app\nCOPY . .\nRUN GITHUB_TOKEN={secret} npm ci\n"
    make_project(tmp_path, text, FILES)
    done = optimize(tmp_path)
    assert done.code == 2
    assert "holds a secret" in done.stderr
    assert secret not in done.stdout + done.stderr
    written = optimize(tmp_path, "--write", "--format", "json", "--json", "p.json")
    assert written.code == 0
    assert json.loads(written.stdout)["proofs"][0]["patch"] is None
    assert secret not in written.stdout + written.stderr + (tmp_path / "p.json").read_text()
    assert secret in (tmp_path / "Dockerfile").read_text()


def test_reasons_for_leaving_things_alone_are_told(tmp_path: Path) -> None:
    make_project(tmp_path, DOCKERFILE, {**FILES, "package.json": '{"scripts": {"prepare": "tsc"}}'})
    done = optimize(tmp_path)
    assert "NOT CHANGED\n" in done.stderr
    assert "the script prepare of package.json runs tsc" in done.stderr


def test_reports_beside_the_patch(tmp_path: Path) -> None:
    make_project(tmp_path, DOCKERFILE, FILES)
    names = ("json", "html", "markdown", "table")
    done = optimize(tmp_path, *(word for name in names for word in ("--format", f"{name}=r.{name}")))
    assert done == optimize(tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    (one,) = report["proofs"]
    assert one["patch"] == done.stdout
    assert (one["outcome"], one["reason"]) == ("not proved", "nothing was built: --prove builds before and after")
    assert [change["kind"] for change in one["changes"]] == ["split-manifests", "extend-ignore"]
    assert (report["verdict"], report["target"]["kind"]) == ("GO", "context")
    for name in names[1:]:
        assert "package-lock.json" in (tmp_path / f"r.{name}").read_text()


def test_a_report_on_stdout_is_alone_there(tmp_path: Path) -> None:
    make_project(tmp_path, DOCKERFILE, FILES)
    done = optimize(tmp_path, "--output", "p.patch", "--format", "json")
    assert json.loads(done.stdout)["proofs"][0]["patch"] == (tmp_path / "p.patch").read_text()
    assert "CHANGES" in done.stderr


def test_a_report_says_what_was_left_alone_and_that_nothing_is_to_mend(tmp_path: Path) -> None:
    made = {**FILES, "package.json": '{"scripts": {"prepare": "tsc"}}', ".dockerignore": "Dockerfile\n.dockerignore\n"}
    make_project(tmp_path, DOCKERFILE, made)
    optimize(tmp_path, "--write")
    done = optimize(tmp_path, "--output", "p.patch", "--format", "json")
    report = json.loads(done.stdout)
    assert report["proofs"] == []
    assert report["notes"][0] == "no faster rebuild to propose"
    assert "the script prepare of package.json runs tsc" in report["notes"][1]


def test_the_outputs_of_other_commands_are_not_those_of_this_one(tmp_path: Path) -> None:
    make_project(tmp_path, DOCKERFILE, {**FILES, ".imgscan.toml": 'format = ["json=findings.json"]\n'})
    assert optimize(tmp_path).stdout.startswith("diff --git")
    assert not (tmp_path / "findings.json").exists()


WRONG = {
    "no folder for the patch": (["--output", "no/where.patch"], 2, "there is no folder"),
    "two things on stdout": (["--format", "json"], 2, "--format json would mix with the patch on stdout"),
    "two outputs in one file": (["--json", "r.json", "--format", "json=r.json"], 2, "would both write r.json"),
    "a format of findings": (["--format", "sarif=r.sarif"], 2, "choose from table, json, markdown, html"),
    "no folder for the report": (["--format", "html=no/where.html"], 2, "there is no folder"),
    "no such context": (["elsewhere"], 2, "there is no directory"),
    "no engine to prove with": (["--prove"], 3, "no container engine answers"),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors(case: str, tmp_path: Path) -> None:
    options, code, said = WRONG[case]
    make_project(tmp_path, DOCKERFILE, FILES)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    command = [sys.executable, "-m", "imgscan", "optimize", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=env)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_findings_carry_the_patch(tmp_path: Path) -> None:
    make_project(tmp_path, DOCKERFILE, FILES)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "imgscan", "lint", "--format", "json", "--exit-zero"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=env)
    patches = {f["rule_id"]: f["fix"]["patch"] for f in json.loads(done.stdout)["findings"]}
    assert "+COPY package.json package-lock.json ./\n" in patches["cache-copy-before-install"]
    assert "+RUN --mount=type=cache,target=/root/.npm npm ci\n" in patches["cache-no-mount"]
