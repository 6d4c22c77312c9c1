"""Steps that fetch what changes behind an address that does not (`cache-network-forever`).

In: the simulated stages. Out: one finding for each RUN. Addresses and references may hold credentials, so the text of a
command is never shown.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.producers import located_commands
from imgscan.detect.stages.records import RunStep, Simulation
from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding
from imgscan.rulebook import make_finding

RULE: Final = "cache-network-forever"
_ADDRESS: Final = lazy_re(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# A part of an address that stands for whatever is newest: a path's segment, or a tag.
_MOVING: Final = lazy_re(r"[/@:=](latest|master|main|head|nightly|trunk|stable)(?=[/?&#.]|$)", re.IGNORECASE)
_FETCHERS: Final = frozenset({"curl", "wget", "aria2c"})
_RUNNERS: Final = {"go": ("install", "get", "run"), "npm": ("exec", "install", "i"), "deno": ("install",)}
_PACKAGE_RUNNERS: Final = frozenset({"npx", "pnpx", "bunx", "uvx"})
_VALUED: Final = frozenset({"-b", "--branch", "--revision"})
_BRANCHES: Final = frozenset({"main", "master", "develop", "dev", "trunk", "head", "latest", "stable", "nightly"})
_PINNED_LATER: Final = frozenset({"checkout", "reset", "fetch", "switch"})


def detect_network(simulation: Simulation) -> Iterator[Finding]:
    """The findings, stage by stage."""
    for view in simulation.stages:
        for run in view.runs if view.stage.index in simulation.needed else ():
            found = tuple(dict.fromkeys(_moving(run)))
            if found:
                yield _finding(run, found)


def _moving(run: RunStep) -> Iterator[str]:
    """What the step fetches that is not always the same, in words."""
    calls = [simple.words for simple, _ in located_commands(run.command, run.cwd) if simple.words]
    for words in calls:
        program = posixpath.basename(words[0])
        if program == "git" and "clone" in words[1:] and not _is_pinned(words, calls):
            yield "git clone of a branch"
        elif program in _FETCHERS:
            named = (_MOVING.search(word) for word in words[1:] if _ADDRESS.search(word))
            yield from (f"{program} of `{match[1].lower()}`" for match in named if match)
        elif _runs_package(program, words) and any(word.lower().endswith("@latest") for word in words[1:]):
            yield f"{program} of `@latest`"


def _runs_package(program: str, words: Sequence[str]) -> bool:
    return program in _PACKAGE_RUNNERS or any(word in _RUNNERS.get(program, ()) for word in words[1:3])


def _is_pinned(clone: Sequence[str], calls: Sequence[Sequence[str]]) -> bool:
    """Whether the clone is of a tag or commit, or a later command of the step goes to one; a value that only the build
    knows counts as one."""
    for at, word in enumerate(clone):
        name, equals, value = word.partition("=")
        if name in _VALUED:
            wanted = value if equals else (clone[at + 1] if at + 1 < len(clone) else "")
            return wanted.lower().rpartition("/")[2] not in _BRANCHES
    return any(posixpath.basename(words[0]) == "git" and not _PINNED_LATER.isdisjoint(words[1:]) for words in calls)


def _finding(run: RunStep, found: Sequence[str]) -> Finding:
    line = run.command.instruction.line
    return make_finding(
        RULE,
        message=f"line {line} fetches what changes ({', '.join(found)}), and is cached until its text changes: builds "
        "of one commit differ, and none gets anything newer.",
        location=dockerfile_line(run.command),
        evidence=Evidence.PATTERN,
        identity=(run.command.instruction.file, *found, run.command.instruction.text),
    )
