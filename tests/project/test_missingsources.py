"""COPY, ADD and bind mounts of what the context does not have."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import make_project

from imgscan.model import Severity
from imgscan.project.contextfiles import detect

HERE: dict[str, str | int] = {"package.json": "{}", "src/a.js": "x"}
TABLE = [
    pytest.param("COPY package.json package-lock.json ./", {}, Severity.HIGH, "package-lock.json is not in", id="file"),
    pytest.param("COPY lib/ lib/", {}, Severity.HIGH, "lib is not in the build context", id="folder"),
    pytest.param('COPY ["lib", "tests", "/x/"]', {}, Severity.HIGH, "lib, tests are not in", id="json"),
    pytest.param("ADD a.txt /", {}, Severity.HIGH, "a.txt is not in the build context", id="add"),
    pytest.param("RUN --mount=type=bind,source=lib,target=/l x", {}, Severity.HIGH, "lib is not in", id="bind-mount"),
    pytest.param("ARG D=lib\nCOPY $D /x", {}, Severity.HIGH, "lib is not in", id="a-value-that-is-known"),
    pytest.param(
        "COPY src /x", {".dockerignore": "src\n"}, Severity.HIGH, "src is kept out by .dockerignore", id="ignored"
    ),
    pytest.param(
        "COPY src/a.js /x", {".dockerignore": "*\n"}, Severity.HIGH, "is kept out by", id="in-what-is-ignored"
    ),
    pytest.param("COPY dist /x", {}, Severity.LOW, "unless something makes it first", id="made-by-a-build"),
    pytest.param("COPY target/app.jar /x", {}, Severity.LOW, "unless something makes it first", id="a-jar"),
    pytest.param("COPY gen /x", {".gitignore": "/gen/\n"}, Severity.LOW, "makes it first", id="not-kept-by-git"),
    pytest.param("COPY . .", {}, None, "", id="the-context"),
    pytest.param("COPY src/ ./src/", {}, None, "", id="there"),
    pytest.param("COPY /src/../package.json /", {}, None, "", id="there-in-other-words"),
    pytest.param("COPY package*.json yarn.loc[k] ./", {}, None, "", id="a-pattern-may-match-nothing"),
    pytest.param("COPY src/a.js /x", {".dockerignore": "*\n!src/a.js\n"}, None, "", id="taken-back"),
    pytest.param("COPY --from=b /lib /lib", {}, None, "", id="of-another-image"),
    pytest.param("ADD https://example.org/x.txt /", {}, None, "", id="address"),
    pytest.param("COPY $D /x", {}, None, "", id="a-value-that-is-not-known"),
    pytest.param("COPY <<EOF /x\nlib\nEOF", {}, None, "", id="heredoc"),
    pytest.param("RUN --mount=type=cache,source=lib,target=/l x", {}, None, "", id="cache-mount"),
    pytest.param("FROM b\nRUN x", {}, None, "", id="nothing-copied"),
]


@pytest.mark.parametrize(("line", "files", "severity", "part"), TABLE)
def test_missing_sources(
    tmp_path: Path, line: str, files: dict[str, str | int], severity: Severity | None, part: str
) -> None:
    project = make_project(tmp_path, f"FROM node:24\n{line}\n", {**HERE, **files})
    found = [f for f in detect(project.context, project.dockerfile) if f.rule_id == "context-copy-missing"]
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert all(part in f.message for f in found)


def test_what_lies_behind_a_link_is_not_known(tmp_path: Path) -> None:
    make_project(tmp_path, "FROM node:24\nCOPY link/a.js /x\n", HERE)
    (tmp_path / "link").symlink_to("src")
    project = make_project(tmp_path, "FROM node:24\nCOPY link/a.js /x\n", {})
    assert not [f for f in detect(project.context, project.dockerfile) if f.rule_id == "context-copy-missing"]


def test_stages_that_are_not_built_do_not_count(tmp_path: Path) -> None:
    project = make_project(tmp_path, "FROM a AS b\nCOPY lib /\nFROM a\nRUN x\n", HERE)
    assert not [f for f in detect(project.context, project.dockerfile) if f.rule_id == "context-copy-missing"]
