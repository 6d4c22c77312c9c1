"""Commits replayed: what they, their paths and the instructions cost, and what a fix would have saved."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from projects import Project, make_project

from imgscan.build.forecast import Costs
from imgscan.build.gitlog import Commit
from imgscan.build.guess import costs_guessed
from imgscan.build.reach import Reach, find_reach
from imgscan.build.replay import replay
from imgscan.build.rerun import Reruns
from imgscan.detect import cachebust
from imgscan.editcosts import History
from imgscan.errors import InputError

BAD = """FROM node:24
WORKDIR /app
COPY . .
RUN npm ci
RUN npm run build
"""
FILES = {
    "package.json": "{}",
    "package-lock.json": "{}",
    "src/index.js": "x",
    ".dockerignore": "docs\nDockerfile\n",
}
SECONDS = {4: 10.0, 5: 2.0}
DAY = 86_400


def replayed(root: Path, dockerfile: str, *commits: Commit, seconds: dict[int, float] | None = None) -> History:
    project = make_project(root, dockerfile, FILES)
    reach, costs = guessed(project, SECONDS if seconds is None else seconds)
    findings = tuple(cachebust.detect(project.dockerfile, project.context, target=None, build_args={}))
    reruns = Reruns(project.context, reach)
    return replay(project.context, project.dockerfile, reruns, costs, commits, findings)


def guessed(project: Project, seconds: dict[int, float]) -> tuple[Reach, Costs]:
    reach = find_reach(project.dockerfile, project.context, None, {})
    return reach, costs_guessed(reach, seconds)


def commit(number: int, *paths: str) -> Commit:
    return Commit(id=f"{number:040x}", time_s=number * DAY // 2, paths=paths)


def test_costs_by_commit_day_path_and_instruction(tmp_path: Path) -> None:
    found = replayed(
        tmp_path,
        BAD,
        commit(3, "src/index.js", "docs/x.md"),
        commit(2, "package-lock.json", "src/index.js"),
        commit(1, "docs/x.md"),
        commit(0),
    )
    assert [(c.day, c.files, c.seconds, c.steps_run) for c in found.per_commit] == [
        ("1970-01-02", 2, 12.0, 3),
        ("1970-01-02", 2, 12.0, 3),
        ("1970-01-01", 1, 0.0, 0),
        ("1970-01-01", 0, 0.0, 0),
    ]
    assert [(d.day, d.commits, d.seconds) for d in found.per_day] == [("1970-01-01", 2, 0.0), ("1970-01-02", 2, 24.0)]
    assert [(p.path, p.commits, p.each_s, p.seconds) for p in found.paths] == [
        ("src/index.js", 2, 12.0, 24.0),
        ("package-lock.json", 1, 12.0, 12.0),
    ]
    assert [(i.line, i.commits, i.seconds) for i in found.instructions] == [(4, 2, 20.0), (5, 2, 4.0), (3, 2, 0.0)]
    assert {i.busted_by.line for i in found.instructions if i.busted_by} == {3}
    assert (found.commits, found.free, found.unpriced, found.seconds) == (4, 2, 0, 24.0)


def test_a_fix_saves_the_installs_that_no_manifest_called_for(tmp_path: Path) -> None:
    found = replayed(
        tmp_path, BAD, commit(3, "src/index.js"), commit(2, "package-lock.json", "src/index.js"), commit(1, "docs/x")
    )
    (saving,) = found.savings
    assert (saving.rule_id, saving.line, saving.commits, saving.seconds) == ("cache-copy-before-install", 3, 1, 10.0)


def test_a_well_ordered_file_has_nothing_to_save(tmp_path: Path) -> None:
    good = BAD.replace("COPY . .\n", "COPY package*.json ./\n").replace("RUN npm run", "COPY . .\nRUN npm run")
    found = replayed(tmp_path, good, commit(1, "src/index.js"), seconds={4: 10.0, 6: 2.0})
    assert (found.savings, found.seconds) == ((), 2.0)


def test_edits_of_the_dockerfile_and_the_ignore_file_are_told_apart(tmp_path: Path) -> None:
    found = replayed(tmp_path, BAD, commit(3, "Dockerfile"), commit(2, ".dockerignore"), commit(1, "src/index.js"))
    assert (found.unpriced, found.free) == (2, 1)


def test_the_ten_that_cost_most(tmp_path: Path) -> None:
    commits = [commit(n, *(f"src/{k}.js" for k in range(n))) for n in range(1, 14)]
    found = replayed(tmp_path, BAD, *commits)
    assert [p.path for p in found.paths] == [f"src/{k}.js" for k in range(10)]


def test_names_that_are_not_utf8_and_dates_that_are_none(tmp_path: Path) -> None:
    odd = Commit(id="0" * 40, time_s=10**18, paths=("src/\udcff\n",))
    found = replayed(tmp_path, BAD, odd)
    assert found.per_commit[0].day == "9999-12-31"
    assert found.paths[0].path == "src/\\xff\n"


def test_a_large_history_takes_seconds(tmp_path: Path) -> None:
    commits = [commit(n, *(f"src/{n % 50}/{k}.js" for k in range(500))) for n in range(200)]
    started = time.process_time()
    assert replayed(tmp_path, BAD, *commits).commits == 200
    assert time.process_time() - started < 5


STAGES = """FROM a AS one
RUN x \\
  y
FROM one AS two
RUN z
FROM a
COPY --from=two /z /z
RUN w
"""


def test_given_seconds_go_to_the_steps_at_their_lines(tmp_path: Path) -> None:
    project = make_project(tmp_path, STAGES, {})
    _, costs = guessed(project, {3: 4.0, 5: 2.0, 8: 1.0})
    assert [(s.line, s.seconds, s.inputs) for s in costs.steps] == [
        (2, 4, ()),
        (5, 2, (0,)),
        (7, 0, (1,)),
        (8, 1, (2,)),
    ]
    assert costs.basis.cold_s == 7.0


def test_given_seconds_for_a_line_without_a_step(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no step that is built stands at line 4") as error:
        guessed(make_project(tmp_path, STAGES, {}), {4: 1.0})
    assert error.value.next_step == "steps stand at lines 2, 5, 7, 8"
