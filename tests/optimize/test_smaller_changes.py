"""Late values, package index, ignore lines, cache mounts: what the files become, and what is left alone and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from mendings import AFTER, NODE
from plans import plan_of, reasons

from imgscan.optimize.records import Kind


@pytest.mark.parametrize("case", AFTER)
def test_what_the_dockerfile_becomes(case: str, tmp_path: Path) -> None:
    kind, before, after = AFTER[case]
    plan = plan_of(tmp_path, before, {**NODE, "a.py": "x"}, (kind,))
    assert plan.dockerfile_text == after


LEFT = {
    "value that the install names": (
        Kind.VOLATILE,
        "FROM debian:12\nARG GIT_SHA\nRUN echo $GIT_SHA && apt-get install -y curl\n",
        "",
    ),
    "unknown step before the install": (
        Kind.VOLATILE,
        "FROM debian:12\nARG GIT_SHA\nRUN ./configure\nRUN apt-get install -y curl\n",
        "line 3 may use the value",
    ),
    "nothing expensive below": (Kind.VOLATILE, "FROM debian:12\nARG GIT_SHA\nRUN make\n", ""),
    "a later install needs the index": (
        Kind.APT,
        "FROM debian:12\nRUN apt-get update && apt-get install -y curl\nRUN apt-get install -y git\n",
        "line 3 installs with the same package index",
    ),
    "a stage made from it needs the index": (
        Kind.APT,
        "FROM debian:12 AS a\nRUN apt-get update && apt-get install -y curl\nFROM a\nRUN apt-get install -y git\n",
        "line 4 installs with the same package index",
    ),
    "update with nothing below": (Kind.APT, "FROM debian:12\nRUN apt-get update\nCOPY a.py /\n", "right below"),
    "no plain chain": (
        Kind.APT,
        "FROM debian:12\nRUN apt-get update; apt-get install -y curl || true\n",
        "not a plain chain",
    ),
    "index removed already": (
        Kind.APT,
        "FROM debian:12\nRUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*\n",
        "",
    ),
    "index in a mount": (
        Kind.APT,
        "FROM debian:12\nRUN --mount=type=cache,target=/var/lib/apt apt-get update && apt-get install -y curl\n",
        "",
    ),
    "mount for another user": (
        Kind.MOUNT,
        "FROM node:20\nUSER node\nWORKDIR /app\nCOPY package.json ./\nRUN npm ci\n",
        "another user",
    ),
    "cache that is switched off": (
        Kind.MOUNT,
        "FROM python:3\nCOPY a.txt ./\nRUN pip install --no-cache-dir -r a.txt\n",
        "switches off its cache",
    ),
    "cache that is switched off, by the interpreter": (
        Kind.MOUNT,
        "FROM python:3\nCOPY a.txt ./\nRUN /opt/v/bin/python -m pip install --no-cache-dir -r a.txt\n",
        "switches off its cache",
    ),
    "cache that the image needs": (
        Kind.MOUNT,
        "FROM golang:1\nCOPY go.mod ./\nRUN go mod download\n",
        "part of the image",
    ),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_is_left_alone(case: str, tmp_path: Path) -> None:
    kind, before, reason = LEFT[case]
    plan = plan_of(tmp_path, before, {**NODE, "a.py": "x", "a.txt": "x", "go.mod": "module x"}, (kind,))
    assert plan.dockerfile_text == before
    assert not plan.changes
    assert reason in reasons(plan)
    assert bool(plan.refusals) == bool(reason)


COPY_ALL = "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
GIT: dict[str, str | int] = {".git/HEAD": "x", ".git/objects/a": 1000}


def test_ignore_lines(tmp_path: Path) -> None:
    files: dict[str, str | int] = {
        **NODE,
        **GIT,
        "server.log": "x",
        "node_modules/a/i.js": "x",
        "dist/a.js": "x",
        "README.md": "x",
    }
    plan = plan_of(tmp_path, COPY_ALL, files, (Kind.IGNORE,))
    assert plan.ignore_text == "**/*.log\n**/.git\n**/node_modules\nDockerfile\n.dockerignore\n"


def test_lines_are_added_at_the_end_in_the_files_own_line_ends(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_bytes(b"dist\r\n!dist/keep")
    plan = plan_of(tmp_path, COPY_ALL, {**NODE, **GIT, "dist/keep": "x"}, (Kind.IGNORE,))
    assert plan.ignore_text == "dist\r\n!dist/keep\r\n**/.git\r\n.dockerignore\r\nDockerfile\r\n"


NEEDED: dict[str, tuple[str, dict[str, str], str]] = {
    "git in a step": (COPY_ALL + "RUN git describe > v\n", {}, "line 5"),
    "make": (COPY_ALL + "RUN make\n", {}, "line 5"),
    "go stamps the commit": (
        "FROM golang:1\nCOPY . .\nRUN go build .\n",
        {"go.mod": "module x"},
        "stamps the commit",
    ),
    "version from the history": (
        COPY_ALL,
        {"pyproject.toml": "[build-system]\nrequires=['setuptools-scm']"},
        "setuptools-scm",
    ),
    "copied by name": ("FROM a\nCOPY . .\nCOPY .git /g\n", {}, "line 3 copies .git"),
}


@pytest.mark.parametrize("case", NEEDED)
def test_a_history_that_the_build_reads_stays(case: str, tmp_path: Path) -> None:
    before, files, reason = NEEDED[case]
    plan = plan_of(tmp_path, before, {**NODE, **GIT, **files}, (Kind.IGNORE,))
    assert "**/.git" not in plan.ignore_lines
    assert reason in reasons(plan)


def test_node_modules_that_nobody_makes_anew_stay(tmp_path: Path) -> None:
    files = {**NODE, "node_modules/a/i.js": "x"}
    plan = plan_of(tmp_path, "FROM node:20\nCOPY . .\n", files, (Kind.IGNORE,))
    assert "**/node_modules" not in plan.ignore_lines


def test_labels_move_for_the_classic_builder_alone(tmp_path: Path) -> None:
    text = "FROM debian:12\nARG V\nLABEL build_date=$V\nRUN apt-get install -y curl\nCMD x\n"
    assert not plan_of(tmp_path, text, {}, (Kind.VOLATILE,)).changes
    classic = plan_of(tmp_path, text, {}, (Kind.VOLATILE,), builder="classic")
    assert classic.dockerfile_text.index("LABEL") > classic.dockerfile_text.index("RUN")
