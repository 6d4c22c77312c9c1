"""Values that change with every build below the installs: ARG, ENV and LABEL move down to where they are first used.

In: a scene. Out: one change or refusal for each stage that has such values above an install. A declaration passes only
instructions that surely do not use it: installs, packages of the system, copies and settings that do not name it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.detect.cache.calls import calls_of
from imgscan.detect.cache.volatile import find_volatiles
from imgscan.detect.stages.producers import run_script
from imgscan.diff import Edit, line_end_of
from imgscan.dockerfile.tree import Command
from imgscan.optimize.bystanders import installs_only, is_bystander
from imgscan.optimize.edits import block_of, block_start, insert_after, removals
from imgscan.optimize.records import Change, Kind, Refusal, Unsafe
from imgscan.optimize.scene import Scene, run_of

_DECLARES: Final = ("ARG", "ENV", "LABEL")
_LAYERS: Final = ("RUN", "COPY", "ADD", "WORKDIR")


def volatile_changes(scene: Scene) -> Iterator[Change | Refusal]:
    """The changes and refusals, stage by stage."""
    for view in scene.simulation.stages:
        if view.stage.index not in scene.simulation.needed:
            continue
        commands = scene.stage_commands(view.stage.index)
        volatiles = list(find_volatiles(view, scene.inputs.build_args, scene.inputs.builder))
        at = sorted({commands.index(volatile.command) for volatile in volatiles})
        names = tuple(dict.fromkeys(volatile.name for volatile in volatiles))
        below = _installs_below(scene, commands, at[0], names) if at else []
        if not below:
            continue
        line = scene.line_of(commands[at[0]])
        try:
            change = _change(scene, commands, at, below)
        except Unsafe as reason:
            yield Refusal(
                kind=Kind.VOLATILE,
                line=line,
                what=f"moving {', '.join(names)} below the installs",
                reason=str(reason),
            )
        else:
            yield change


def _installs_below(scene: Scene, commands: Sequence[Command], first: int, names: Sequence[str]) -> list[int]:
    """The installs of the stage below the first declaration that do not use the values."""
    found: list[int] = []
    for at in range(first + 1, len(commands)):
        run = run_of(scene, commands[at]) if commands[at].keyword == "RUN" else None
        if run is None or any(_names(commands[at], name) for name in names):
            continue
        if any(not call.implicit for call in calls_of(run)):
            found.append(at)
    return found


def _change(scene: Scene, commands: Sequence[Command], volatile: Sequence[int], below: Sequence[int]) -> Change:
    group = _with_dependents(commands, volatile)
    limit = min(_limit(scene, commands, at, group) for at in group)
    passed = [at for at in below if group[0] < at < limit]
    # Those that stand below every install already stay where they are.
    group = [at for at in group if any(at < other < limit for other in below)]
    if not passed or not group:
        reader = scene.line_of(commands[limit]) if limit < len(commands) else None
        raise Unsafe(f"line {reader} may use the value" if reader else "every instruction below may use the values")
    text, eol = scene.text, line_end_of(scene.text)
    blocks = [block_of(text, commands, at, eol) for at in group]
    moved = "".join(block.text for block in blocks)
    place = _place(commands, limit)
    if place < len(commands):
        start = block_start(text, commands, place)
        into = Edit(start=start, end=start, text=moved)
    else:
        into = insert_after(text, commands[-1], moved, eol)
    names = [word.partition("=")[0] for at in group for word in commands[at].words]
    arguments = [w.partition("=")[0] for at in group if commands[at].keyword == "ARG" for w in commands[at].words]
    return Change(
        id=f"{Kind.VOLATILE}:{commands[0].instruction.stage}",
        kind=Kind.VOLATILE,
        line=scene.line_of(commands[group[0]]),
        title=f"declare {', '.join(dict.fromkeys(names))} below the installs",
        edits=(*removals(text, blocks), into),
        volatile=tuple(dict.fromkeys(arguments)),
    )


def _with_dependents(commands: Sequence[Command], volatile: Sequence[int]) -> list[int]:
    """The declarations with the ARG, ENV and LABEL that use their values, in the order written."""
    group = list(volatile)
    names = {word.partition("=")[0] for at in group for word in commands[at].words}
    for at in range(group[0] + 1, len(commands)):
        if at in group or commands[at].keyword not in _DECLARES:
            continue
        if any(_names(commands[at], name) for name in names):
            group.append(at)
            names |= {word.partition("=")[0] for word in commands[at].words if commands[at].keyword != "LABEL"}
    return sorted(group)


def _limit(scene: Scene, commands: Sequence[Command], declared: int, group: Sequence[int]) -> int:
    """The first instruction behind a declaration that it must not pass; the end of the stage if there is none."""
    command = commands[declared]
    is_label = command.keyword == "LABEL"
    names = {word.partition("=")[0] for word in command.words}
    for at in range(declared + 1, len(commands)):
        if at in group:
            continue
        other = commands[at]
        if other.keyword == command.keyword and names & {word.partition("=")[0] for word in other.words}:
            return at  # the later one wins: it has to stay the later one
        if is_label:
            continue
        if any(_names(other, name) for name in names):
            return at
        if other.keyword in ("ARG", "ENV") and names & {word.partition("=")[0] for word in other.words}:
            return at
        if other.keyword == "RUN" and not _is_indifferent(scene, other):
            return at
    return len(commands)


def _is_indifferent(scene: Scene, command: Command) -> bool:
    """Whether what a RUN does cannot depend on a variable that it does not name."""
    run = run_of(scene, command)
    return run is not None and (is_bystander(run) or installs_only(run))


def _place(commands: Sequence[Command], limit: int) -> int:
    """Where to put it: right above the limit, or behind the last step if there is none."""
    if limit < len(commands):
        return limit
    last = max(at for at, command in enumerate(commands) if command.keyword in (*_LAYERS, "FROM"))
    return last + 1


def _names(command: Command, name: str) -> bool:
    """Whether an instruction speaks of a variable: `$X`, `${X…}`, or the bare name in a script."""
    text = run_script(command) if command.keyword == "RUN" else command.instruction.text
    pattern = rf"\b{re.escape(name)}\b" if command.keyword == "RUN" else rf"\$\{{?{re.escape(name)}\b"
    return re.search(pattern, text) is not None
