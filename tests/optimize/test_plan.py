"""Plans as a whole: nothing more to do afterwards, every comment kept, line ends kept, withdrawn changes left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mendings import AFTER, MOVED, TRAPS
from plans import inputs_of, plan_of
from projects import make_project

from imgscan.dockerfile.parse import parse
from imgscan.optimize.records import Kind, Plan
from imgscan.optimize.suggest import DEFAULT_KINDS, suggest

ALL = (*DEFAULT_KINDS, Kind.MOUNT)
NODE = {"package.json": "{}", "package-lock.json": "{}", "src/index.js": "x", ".git/HEAD": "x", "a.py": "x"}
PROJECTS = {
    **{name: (before, files) for name, (before, files, _) in MOVED.items()},
    **{name: (before, files) for name, (before, files, _) in TRAPS.items()},
    **{name: (before, NODE) for name, (_, before, _) in AFTER.items()},
}


def write_back(root: Path, plan: Plan) -> Plan:
    """The plan for the files as the plan leaves them."""
    (root / "Dockerfile").write_bytes(plan.dockerfile_text.encode())
    if plan.ignore_text is not None:
        (root / ".dockerignore").write_bytes(plan.ignore_text.encode())
    return suggest(inputs_of(root), ALL)


def comments(text: str) -> list[str]:
    return sorted(line.strip() for line in text.splitlines() if line.lstrip().startswith("#"))


@pytest.mark.parametrize("case", PROJECTS)
def test_there_is_nothing_more_to_do_afterwards(case: str, tmp_path: Path) -> None:
    before, files = PROJECTS[case]
    plan = plan_of(tmp_path, before, files, ALL)
    again = write_back(tmp_path, plan)
    assert not again.changes, [change.title for change in again.changes]
    assert again.dockerfile_text == plan.dockerfile_text


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
@pytest.mark.parametrize("case", PROJECTS)
def test_comments_and_line_ends_are_kept(case: str, eol: str, tmp_path: Path) -> None:
    before, files = PROJECTS[case]
    make_project(tmp_path, before, files)
    text = re.sub(r"(?m)^(COPY|RUN)", r"# why: \1" + "\n" + r"\1", before).replace("\n", eol)
    (tmp_path / "Dockerfile").write_bytes(text.encode())
    plan = suggest(inputs_of(tmp_path), ALL)
    assert comments(plan.dockerfile_text) == comments(text)
    assert plan.dockerfile_text.count("\n") == plan.dockerfile_text.count(eol)
    parse(plan.dockerfile_text)


def test_a_withdrawn_change_is_not_made(tmp_path: Path) -> None:
    text = "FROM node:20\nARG GIT_SHA\nWORKDIR /app\nCOPY . .\nRUN npm ci\nCMD x\n"
    plan = plan_of(tmp_path, text, NODE)
    assert {change.kind for change in plan.changes} == {Kind.VOLATILE, Kind.SPLIT, Kind.IGNORE}
    for left_out in plan.changes:
        rest = suggest(plan.inputs, excluded={left_out.id})
        assert left_out.id not in {change.id for change in rest.changes}
        assert {c.id for c in rest.changes} == {c.id for c in plan.changes} - {left_out.id}
    assert suggest(plan.inputs, excluded={change.id for change in plan.changes}).dockerfile_text == text


def test_lines_are_those_of_the_original(tmp_path: Path) -> None:
    text = "FROM node:20\nARG GIT_SHA\nENV GIT_SHA=$GIT_SHA\nRUN apt-get update && apt-get install -y a\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
    plan = plan_of(tmp_path, text, NODE)
    lines = {change.kind: change.line for change in plan.changes if change.edits}
    assert lines == {Kind.APT: 4, Kind.VOLATILE: 2, Kind.SPLIT: 6}


GO = {"go.mod": "module m\n", "go.sum": "", "main.go": "package main\n", ".git/HEAD": "x"}
PYTHON = {"requirements.txt": "f\n", "wheels/f.whl": "x", "app/main.py": "x", ".git/HEAD": "x"}
TOLD = [
    pytest.param(
        "FROM node:20\nARG GIT_SHA\nENV GIT_SHA=$GIT_SHA\nWORKDIR /app\n\nCOPY . .\nRUN npm ci\n",
        NODE,
        {(2, Kind.VOLATILE), (6, Kind.SPLIT), (6, Kind.IGNORE)},
        set(),
        id="the copy stands lower by now",
    ),
    pytest.param(
        "FROM python:3.11\nWORKDIR /srv\nCOPY . .\nRUN pip install --no-index --find-links=wheels -r requirements.txt\n",
        PYTHON,
        {(3, Kind.SPLIT), (3, Kind.IGNORE)},
        set(),
        id="a copy that was added belongs to the one it was made of",
    ),
    pytest.param(
        "FROM golang:1.22\nWORKDIR /src\nCOPY . .\nRUN go mod download\nRUN go build -o /api .\n",
        GO,
        {(3, Kind.SPLIT), (3, Kind.IGNORE)},
        {(3, "line 5 stamps the commit into the program (go build without -buildvcs=false)")},
        id="a line that a reason names",
    ),
    pytest.param(
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci && make\n",
        NODE,
        {(3, Kind.SPLIT), (3, Kind.IGNORE)},
        {(3, "line 4 runs make, which may read the history")},
        id="half of a RUN that was cut in two",
    ),
]


@pytest.mark.parametrize(("text", "files", "changes", "refusals"), TOLD)
def test_lines_are_told_as_the_user_has_them(
    text: str, files: dict[str, str], changes: set[object], refusals: set[object], tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, text, files)
    assert {(change.line, change.kind) for change in plan.changes} == changes
    assert {(refusal.line, refusal.reason) for refusal in plan.refusals} == refusals


LINES = st.sampled_from(
    [
        "COPY . .",
        "COPY src src",
        "COPY package.json .",
        "RUN npm ci",
        "RUN npm ci && npm run build",
        "RUN pip install -r requirements.txt",
        "RUN apt-get update",
        "RUN apt-get install -y curl",
        "RUN apt-get update && apt-get install -y git",
        "ARG GIT_SHA",
        "ENV GIT_SHA=$GIT_SHA",
        "LABEL sha=$GIT_SHA",
        "WORKDIR /app",
        "USER node",
        "RUN make",
        "# a comment",
        "",
        "RUN <<EOF\nnpm ci\nEOF",
        "FROM a AS b",
        "COPY --from=b /app /app",
    ]
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(LINES, max_size=12), eol=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
def test_any_dockerfile(lines: list[str], eol: str, last: bool, tmp_path: Path) -> None:
    text = eol.join(("FROM node:20", *(line.replace("\n", eol) for line in lines))) + (eol if last else "")
    make_project(tmp_path, "FROM a", {**NODE, "requirements.txt": "x"})
    (tmp_path / ".dockerignore").unlink(missing_ok=True)
    (tmp_path / "Dockerfile").write_bytes(text.encode())
    plan = suggest(inputs_of(tmp_path), ALL)
    after = parse(plan.dockerfile_text)
    assert comments(plan.dockerfile_text) == comments(text)
    # Nothing is lost: every instruction is still there, alone or as a part of another one.
    kept = [c.keyword for stage in after.stages for c in stage.commands]
    for keyword in ("FROM", "ENV", "ARG", "LABEL", "USER", "WORKDIR"):
        assert kept.count(keyword) == [c.keyword for s in parse(text).stages for c in s.commands].count(keyword)
    assert not write_back(tmp_path, plan).changes
