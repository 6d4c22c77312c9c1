"""Packages of Debian and Ubuntu: the update of the index in one RUN with the install, and the index removed there.

In: a scene. Out: changes and refusals. `--no-install-recommends` is left to people: it installs other packages.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Final

from imgscan.detect.cache.mounts import cache_targets
from imgscan.detect.stages.producers import located_commands, run_script
from imgscan.detect.stages.records import RunStep
from imgscan.detect.stages.stagesim import chain
from imgscan.diff import Edit, line_end_of
from imgscan.dockerfile.tree import Command
from imgscan.lazyre import lazy_re
from imgscan.optimize.edits import after_line
from imgscan.optimize.records import Change, Kind, Refusal, Unsafe
from imgscan.optimize.scene import Scene, run_of

_APT: Final = ("apt-get", "apt")
_LISTS: Final = "/var/lib/apt/lists"
_REMOVE: Final = f"rm -rf {_LISTS}/*"
Make = Callable[[Scene, RunStep], Change]
_START: Final = lazy_re(r"RUN\s+", re.IGNORECASE)
_OTHER_SHELL: Final = lazy_re(r"\|\||[;|`]|\$\(|(?<!&)&(?!&)|(?:^|\s)#")


def apt_changes(scene: Scene) -> Iterator[Change | Refusal]:
    """The changes and refusals, in the order of the file."""
    for view in scene.simulation.stages:
        if view.stage.index not in scene.simulation.needed:
            continue
        for run in view.runs:
            verbs = _verbs(run)
            if verbs == ["update"]:
                yield _attempt(scene, run, _merge, "merging apt-get update with the install below")
            elif "update" in verbs and "install" in verbs and _leaves_lists(run):
                yield _attempt(scene, run, _clean, "removing the package index at the end")


def _attempt(scene: Scene, run: RunStep, make: Make, what: str) -> Change | Refusal:
    try:
        return make(scene, run)
    except Unsafe as reason:
        return Refusal(kind=Kind.APT, line=scene.line_of(run.command), what=what, reason=str(reason))


def _verbs(run: RunStep) -> list[str]:
    """`update`, `install` … of the apt calls of a RUN, and `other` for anything else in it."""
    found: list[str] = []
    for simple, _ in located_commands(run.command, run.cwd):
        words = simple.words
        if words and posixpath.basename(words[0]) in _APT:
            found.append(next((word for word in words[1:] if not word.startswith("-")), ""))
        elif words and words[0] != "set":
            found.append("other")
    return found


def _leaves_lists(run: RunStep) -> bool:
    if any(_LISTS.startswith(target) for target in cache_targets(run)):
        return False
    removed = [
        word
        for simple, _ in located_commands(run.command, run.cwd)
        if simple.words[:1] == ("rm",)
        for word in simple.words
    ]
    return not any(
        word.startswith(_LISTS) or _LISTS.startswith(word.rstrip("/*")) for word in removed if word[:5] == "/var/"
    )


def _merge(scene: Scene, run: RunStep) -> Change:
    """`RUN apt-get update` and the `RUN apt-get install` right below it become one."""
    commands = scene.stage_commands(run.command.instruction.stage)
    at = commands.index(run.command)
    below = commands[at + 1] if at + 1 < len(commands) else None
    following = run_of(scene, below) if below is not None and below.keyword == "RUN" else None
    if below is None or following is None or "install" not in _verbs(following):
        raise Unsafe("no apt-get install stands right below it")
    if "update" in _verbs(following):
        raise Unsafe("the install below updates the index itself: the line can go")
    _check_plain(scene, run.command)
    _check_plain(scene, below)
    text, eol = scene.text, line_end_of(scene.text)
    between = text[after_line(text, run.command.end) : below.start]
    comments = "".join(line for line in between.splitlines(keepends=True) if line.strip().startswith("#"))
    keyword = _START.match(text, below.start)
    end = keyword.end() if keyword else below.start
    return Change(
        id=f"{Kind.APT}:merge:{run.command.instruction.stage}:{below.instruction.text}",
        kind=Kind.APT,
        line=scene.line_of(run.command),
        title="update the package index and install in one RUN: an old, cached index is not used again",
        edits=(Edit(start=run.command.end, end=end, text=f" \\{eol}{comments} && "),),
        drops=(_LISTS,),
    )


def _clean(scene: Scene, run: RunStep) -> Change:
    """The index goes in the layer that it comes with."""
    _check_plain(scene, run.command)
    for other in _later_runs(scene, run):
        verbs = _verbs(other)
        line = scene.line_of(other.command)
        if "install" in verbs and "update" not in verbs[: verbs.index("install")]:
            raise Unsafe(f"line {line} installs with the same package index")
        if re.search(r"apt-cache|apt-file|\bdpkg-query\b.*available", run_script(other.command)):
            raise Unsafe(f"line {line} reads the package index")
    eol = line_end_of(scene.text)
    end = run.command.end
    return Change(
        id=f"{Kind.APT}:clean:{run.command.instruction.stage}:{run.command.instruction.text}",
        kind=Kind.APT,
        line=scene.line_of(run.command),
        title="remove the package index in the RUN that downloads it",
        edits=(Edit(start=end, end=end, text=f" \\{eol} && {_REMOVE}"),),
        drops=(_LISTS,),
    )


def _later_runs(scene: Scene, run: RunStep) -> Iterator[RunStep]:
    """The RUNs below in the stage, and those of the stages made from it."""
    stage, ordinal = run.command.instruction.stage, run.command.instruction.ordinal
    for view in scene.simulation.stages:
        if stage in chain(scene.simulation, view.stage.index):
            for other in view.runs:
                if view.stage.index != stage or other.command.instruction.ordinal > ordinal:
                    yield other


def _check_plain(scene: Scene, command: Command) -> None:
    """Only a chain of `&&` without options of its own can be added to."""
    if command.is_json or command.heredocs or command.flags or scene.dockerfile.escape != "\\":
        raise Unsafe("it is not a plain chain of commands")
    if _OTHER_SHELL.search(command.value) or command.value.rstrip().endswith("\\"):
        raise Unsafe("it is not a plain chain of commands")
