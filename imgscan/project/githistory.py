"""Whether a build reads the history of the repository, so that `.git` must stay in its context. In: simulated stages,
the texts of files. Out: what reads it, in words, or None."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Final

from imgscan.detect.stages.producers import located_commands, run_script
from imgscan.detect.stages.records import RunStep, Simulation
from imgscan.dockerfile.tree import Command
from imgscan.lazyre import lazy_re
from imgscan.project.contextread import ContextReader

_GIT: Final = lazy_re(
    r"\bgit\b|setuptools[_-]scm|hatch-vcs|versioneer|dynamic-versioning|vergen|git-commit-id|gitversion"
)
_MANIFESTS: Final = ("pyproject.toml", "setup.py", "setup.cfg", "Cargo.toml", "build.rs", "pom.xml", "build.gradle")
_RUNNERS: Final = ("make", "just", "task", "bazel", "goreleaser")


def _own_line(command: Command) -> int:
    return command.instruction.line


def history_use(
    simulation: Simulation, reader: ContextReader, line_of: Callable[[Command], int] = _own_line
) -> str | None:
    """What reads the history, or may; `line_of` says how lines are to be told."""
    for at in sorted(simulation.needed):
        for run in simulation.stages[at].runs:
            found = _use_of(run)
            if found:
                return f"line {line_of(run.command)} {found}"
    return _in_manifests(simulation, reader)


def _use_of(run: RunStep) -> str | None:
    for simple, _ in located_commands(run.command, run.cwd):
        program = posixpath.basename(simple.words[0]) if simple.words else ""
        if program in _RUNNERS:
            return f"runs {program}, which may read the history"
        builds = program == "go" and {"build", "install"} & set(simple.words[1:3])
        if builds and "-buildvcs=false" not in simple.words:
            return "stamps the commit into the program (go build without -buildvcs=false)"
    return "runs git" if re.search(r"\bgit\s+(?!clone)", run_script(run.command)) else None


def _in_manifests(simulation: Simulation, reader: ContextReader) -> str | None:
    for path in simulation.index.paths:
        if posixpath.basename(path) in _MANIFESTS and path.count("/") < 3:
            found = _GIT.search(reader.text(path) or "")
            if found and found[0] != "git":
                return f"{path} takes the version from the history ({found[0]})"
            if found and posixpath.basename(path) == "build.rs":
                return f"{path} reads the history"
    return None
