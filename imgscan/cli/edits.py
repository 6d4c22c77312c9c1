"""The edits that a user asks about -> predictions, and the history replayed."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from imgscan.alike import alike
from imgscan.assess import Project
from imgscan.build.cachemodel.records import CacheBuilder
from imgscan.build.forecast import Costs, predict
from imgscan.build.gitlog import read_commits, why_so_few
from imgscan.build.reach import Reach
from imgscan.build.replay import replay
from imgscan.build.request import Builder
from imgscan.build.rerun import Reruns
from imgscan.build.scenarios import ALL_SCENARIOS, Touch
from imgscan.cli.measuring import make_choice
from imgscan.dockerfile.context import BuildContext
from imgscan.editcosts import EditCosts, Prediction
from imgscan.errors import InputError
from imgscan.escape import path_text
from imgscan.model import Finding, Timing


def edit_costs(
    params: Mapping[str, Any],
    project: Project,
    reach: Reach,
    costs: Costs,
    timings: Sequence[Timing],
    findings: Sequence[Finding],
) -> EditCosts:
    """Predictions of `--touch` (without it, of the scenarios' files, unless a history is asked for) and the history of
    `--git-log`. Raises InputError for a path that is not there, or a history that cannot be read."""
    reruns = Reruns(project.context, reach, _builder(project))
    history = None
    if params["commits"]:
        commits = read_commits(project.context.root, params["commits"])
        history = replace(
            replay(project.context, project.dockerfile, reruns, costs, commits, findings),
            left_out=why_so_few(project.context.root, len(commits), params["commits"]),
        )
    if params["touched"]:
        edits = list(_asked_for(params["touched"], project.context))
    elif params["commits"] and not params["predict"]:
        edits = []
    else:
        edits = list(_usual(params, project, reach))
    measured = {timing.touched: timing.median_s for timing in timings if timing.touched}
    return EditCosts(
        basis=costs.basis,
        predictions=tuple(_predict(costs, reruns, name, paths, shown, measured) for name, paths, shown in edits),
        history=history,
    )


def _builder(project: Project) -> CacheBuilder:
    """By whose rules the project is built. containerd's store can lay layers on each other."""
    merges = (project.store or "").startswith("containerd")
    kind = Builder(project.builder) if project.builder in set(Builder) else Builder.BUILDKIT
    return CacheBuilder(kind=kind, merges=merges)


_Edit = tuple[str, Sequence[str], Sequence[str]]
"""A name, the paths that change, and how they are shown."""


def _predict(
    costs: Costs,
    reruns: Reruns,
    name: str,
    paths: Sequence[str],
    shown: Sequence[str],
    measured: Mapping[str, float],
) -> Prediction:
    told = [path_text(os.fsencode(path)) for path in shown]
    found = measured.get(shown[0]) if len(shown) == 1 else None
    return predict(costs, reruns.of(paths), name=name, touched=told, measured_s=found)


def _usual(params: Mapping[str, Any], project: Project, reach: Reach) -> Iterator[_Edit]:
    """The edits of the scenarios that change a file."""
    for name, touch in make_choice(project, params, reach, ALL_SCENARIOS).touches.items():
        if isinstance(touch, Touch):
            yield name, [touch.path], [touch.path]


def _asked_for(given: Sequence[str], context: BuildContext) -> Iterator[_Edit]:
    paths = [_relative(path, context) for path in given]
    inside = {path: _files_of(path, context) for path in dict.fromkeys(paths)}
    for path, files in inside.items():
        yield "edit", files, [path]
    if len(inside) > 1:
        yield "together", [file for files in inside.values() for file in files], list(inside)


def _relative(path: str, context: BuildContext) -> str:
    """A path of the user's, from the context; as it is given, or from the working directory."""
    root = os.path.abspath(context.root)  # noqa: PTH100 - links stay as they are
    for candidate in (os.path.join(root, path), os.path.abspath(path)):  # noqa: PTH100, PTH118 - the same
        normal = os.path.normpath(candidate)
        if os.path.lexists(normal) and normal.startswith(root.rstrip("/") + "/"):
            return os.path.relpath(normal, root)
    files = [file.path for file in context.files[:20_000]]
    near = alike(posixpath.normpath(path), files, most=3)
    raise InputError(
        f"--touch: there is no {path} in {context.root}",
        next_step=f"did you mean {', '.join(near)}?" if near else "give a path relative to the build context",
    )


def _files_of(path: str, context: BuildContext) -> list[str]:
    """The path itself, or the files below a folder that reach the engine."""
    below = [file.path for file in context.files if file.path.startswith(f"{path}/")]
    return below or [path]
