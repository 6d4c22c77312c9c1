"""Raw steps + Dockerfile -> the report's steps, each with the line it comes from. Pure.

BuildKit numbers RUN, COPY, ADD, WORKDIR and the FROM of an external image within a stage (`cmdTotal` in moby/buildkit
frontend/dockerfile/dockerfile2llb/convert.go); the classic builder numbers every instruction of the file; Podman every
instruction of a stage, FROM included.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Final

from imgscan.build.steps import Clean, RawStep, seconds_of
from imgscan.dockerfile.parse import (
    Command,
    Dockerfile,
    Stage,
    base_image,
    expand,
    find_stage,
    mount_options,
    stage_scope,
)
from imgscan.dockerfile.stages import parent_stages
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Instruction, Step

_NUMBERED: Final = frozenset({"RUN", "COPY", "ADD", "WORKDIR"})
_MOST_TRIGGERS: Final = 10_000
_UNNAMED: Final = lazy_re(r"stage-(\d+)$")


@frozen
class BuildSettings:
    """What decides how the Dockerfile is carried out."""

    target: str | None = None
    build_args: Mapping[str, str]


def make_steps(
    builder: str,
    raw: Sequence[RawStep],
    dockerfile: Dockerfile | None,
    settings: BuildSettings,
    clean: Clean,
    *,
    failed: bool = False,
) -> tuple[Step, ...]:
    """The steps of a trace, in the Dockerfile's order. A step that was never started was not needed, which is as good
    as cached; in a build that `failed` it was not reached, and is left out.

    Without a Dockerfile (one that only the engine can read) the steps have no lines.
    """
    if dockerfile is None:
        found: list[Instruction | None] = [None] * len(raw)
    elif builder == "buildkit":
        found = _match_buildkit(raw, dockerfile, settings)
    elif builder == "podman":
        found = [_match_podman(step, dockerfile) for step in raw]
    else:
        found = _match_classic(raw, dockerfile)
    inputs = [step.inputs for step in raw]
    if dockerfile is not None and builder != "buildkit":
        inputs = _inputs_by_dockerfile(found, dockerfile, settings)
    before_from = [instruction is not None and instruction.stage < 0 for instruction in found]
    kept = [at for at, step in enumerate(raw) if (step.cached or step.ran or not failed) and not before_from[at]]
    kept.sort(key=lambda at: _place(raw[at], found[at]))
    renumbered = {at: new for new, at in enumerate(kept)}
    names = [_stage_name(builder, raw[at], found[at], dockerfile) for at in range(len(raw))]
    return tuple(
        _step(raw[at], found[at], names[at], tuple(renumbered[i] for i in inputs[at] if i in renumbered), clean)
        for at in kept
    )


def _stage_name(builder: str, raw: RawStep, instruction: Instruction | None, dockerfile: Dockerfile | None) -> str:
    """The stage that a step is carried out in, by name or number. BuildKit says it, and a trigger does not stand there;
    of other builders' steps those of the file are told."""
    if instruction is None or dockerfile is None:
        return raw.stage
    stage = _stage_of(raw.stage, dockerfile) if builder == "buildkit" else dockerfile.stages[instruction.stage]
    return raw.stage if stage is None else stage.name or str(stage.index)


def _place(raw: RawStep, instruction: Instruction | None) -> tuple[bool, int, str, str, int]:
    """Sorts steps as they stand in the Dockerfile, those without a line behind all others."""
    line = instruction.line if instruction is not None else 0
    return instruction is None, line, raw.platform, raw.stage, raw.ordinal


def is_from(step: Step) -> bool:
    """Whether a step only makes its base image available; such steps count in no ratio."""
    return step.instruction[:4].upper() == "FROM"


def _step(raw: RawStep, instruction: Instruction | None, stage: str, inputs: tuple[int, ...], clean: Clean) -> Step:
    # The engine's spelling has the values of variables in it; the file's has their names.
    same = instruction is not None and instruction.keyword == raw.keyword
    return Step(
        stage=clean(stage),
        ordinal=raw.ordinal,
        instruction=clean(instruction.text if instruction is not None and same else raw.text),
        line=instruction.line if instruction is not None else None,
        cached=not raw.ran,
        seconds=round(seconds_of(raw.intervals), 6) if raw.ran else 0.0,
        intervals=raw.intervals,
        inputs=inputs,
        error=clean(raw.error) if raw.error else None,
        log=clean(raw.log),
    )


def _match_buildkit(
    raw: Sequence[RawStep], dockerfile: Dockerfile, settings: BuildSettings
) -> list[Instruction | None]:
    places = [_stage_of(step.stage, dockerfile) for step in raw]
    by_stage: dict[int, list[RawStep]] = {}
    for step, stage in zip(raw, places, strict=True):
        if stage is not None:
            by_stage.setdefault(stage.index, []).append(step)
    numbered = _Numbers(dockerfile, settings)
    sequences = {index: numbered.of(dockerfile.stages[index], steps) for index, steps in by_stage.items()}
    return [
        _pick(sequences[stage.index], step) if stage is not None else None
        for step, stage in zip(raw, places, strict=True)
    ]


def _stage_of(label: str, dockerfile: Dockerfile) -> Stage | None:
    """BuildKit labels a stage by name or as `stage-<index>`, and gives the only stage of a file no label at all."""
    if not label:
        return dockerfile.stages[0] if len(dockerfile.stages) == 1 else None
    named = [stage for stage in dockerfile.stages if stage.name == label.lower()]
    if named:
        return named[-1]
    unnamed = _UNNAMED.match(label)
    index = int(unnamed[1]) if unnamed else -1
    return dockerfile.stages[index] if 0 <= index < len(dockerfile.stages) else None


class _Numbers:
    """Which instructions of a Dockerfile BuildKit gives numbers to."""

    def __init__(self, dockerfile: Dockerfile, settings: BuildSettings) -> None:
        self._dockerfile, self._settings = dockerfile, settings
        self._parents = parent_stages(dockerfile, settings.build_args)
        self._roots = _root_workdirs(dockerfile, settings, self._parents)

    def of(self, stage: Stage, steps: Sequence[RawStep]) -> list[Instruction]:
        """The numbered instructions in order; `steps` are those that BuildKit reports of the stage."""
        parent = self._parents[stage.index]
        steps_of_file = [command for command in stage.commands if command.keyword in _NUMBERED]
        own = [c.instruction for c in steps_of_file if (stage.index, id(c)) not in self._roots]
        if parent is not None:
            # The triggers of ONBUILD come first.
            brought = [
                command.instruction
                for command in parent.commands
                if command.trigger is not None
                and command.trigger.keyword in _NUMBERED
                and (stage.index, id(command.trigger)) not in self._roots
            ]
            return brought + own
        begin = stage.commands[0].instruction
        heads = [] if _base(self._dockerfile, stage, self._settings) == "scratch" else [begin]
        # Triggers of an external image are not in this file: their line is the FROM's. Newer engines tell in the total
        # how many there are, WORKDIRs at `/` included; older ones leave triggers out of it but number them.
        extra = max(
            max(step.total for step in steps) - len(heads) - len(steps_of_file),
            max(step.ordinal for step in steps) - len(heads) - len(own),
        )
        return heads + [begin] * max(0, min(extra, _MOST_TRIGGERS)) + own


def _root_workdirs(
    dockerfile: Dockerfile, settings: BuildSettings, parents: Sequence[Stage | None]
) -> frozenset[tuple[int, int]]:
    """The WORKDIRs that come out at `/`, as index of the stage and id of the command: BuildKit makes no directory for
    them, hence gives them no number."""
    folders: dict[int, str | None] = {}
    roots: set[tuple[int, int]] = set()
    for stage, parent in zip(dockerfile.stages, parents, strict=True):
        scope = stage_scope(dockerfile, stage, settings.build_args)
        folder = folders[parent.index] if parent else None  # the base image's is unknown
        for command in (*_triggers(parent), *stage.commands):
            if command.keyword != "WORKDIR":
                continue
            word = _expanded(command.value, scope, dockerfile)
            if folder is None and not word.startswith("/"):
                continue
            folder = posixpath.normpath("/" + posixpath.join(folder or "/", word).lstrip("/"))
            if folder == "/":
                roots.add((stage.index, id(command)))
        folders[stage.index] = folder
    return frozenset(roots)


def _triggers(parent: Stage | None) -> list[Command]:
    """The ONBUILD triggers of the stage that one is FROM."""
    return [command.trigger for command in parent.commands if command.trigger] if parent else []


def _pick(sequence: Sequence[Instruction], step: RawStep) -> Instruction | None:
    """The instruction of that number; where the keyword says that the numbers are off, the nearest one that fits."""
    at = step.ordinal - 1
    if 0 <= at < len(sequence) and sequence[at].keyword in (step.keyword, "FROM", "ONBUILD"):
        return sequence[at]
    same = [i for i, instruction in enumerate(sequence) if instruction.keyword == step.keyword]
    return sequence[min(same, key=lambda i: abs(i - at))] if same else None


def _match_podman(step: RawStep, dockerfile: Dockerfile) -> Instruction | None:
    index = int(_UNNAMED.sub(r"\1", step.stage)) if step.stage else 0
    if index >= len(dockerfile.stages):
        return None
    return _pick([command.instruction for command in dockerfile.stages[index].commands], step)


def _match_classic(raw: Sequence[RawStep], dockerfile: Dockerfile) -> list[Instruction | None]:
    commands = [*dockerfile.global_args, *(command for stage in dockerfile.stages for command in stage.commands)]
    sequence = [command.instruction for command in commands]
    return [_pick(sequence, step) for step in raw]


def _inputs_by_dockerfile(
    found: Sequence[Instruction | None], dockerfile: Dockerfile, settings: BuildSettings
) -> list[tuple[int, ...]]:
    """What each step waits for: the one before it in its stage, and the ends of the stages it is made from."""
    last: dict[int, int] = {}
    ends = {i.stage: at for at, i in enumerate(found) if i is not None and i.stage >= 0}
    parents = parent_stages(dockerfile, settings.build_args)
    inputs: list[tuple[int, ...]] = []
    for at, instruction in enumerate(found):
        waits: set[int] = set()
        if instruction is not None and instruction.stage >= 0:
            command = dockerfile.stages[instruction.stage].commands[instruction.ordinal - 1]
            sources = _source_stages(command, dockerfile)
            parent = parents[instruction.stage]
            if instruction.keyword == "FROM" and parent is not None:
                sources.add(parent.index)
            waits = {ends[stage] for stage in sources if stage in ends}
            if instruction.stage in last:
                waits.add(last[instruction.stage])
            last[instruction.stage] = at
        inputs.append(tuple(sorted(waits - {at})))
    return inputs


def _source_stages(command: Command, dockerfile: Dockerfile) -> set[int]:
    """The stages that a COPY or RUN takes files from."""
    names = [command.flag("from")] if command.keyword == "COPY" else []
    for name, value in command.flags:
        if name == "mount" and value:
            names += [option for key, option in mount_options(value) if key == "from"]
    stages = [find_stage(dockerfile, name, command.instruction.stage) for name in names if name]
    return {stage.index for stage in stages if stage is not None}


def _base(dockerfile: Dockerfile, stage: Stage, settings: BuildSettings) -> str:
    try:
        return base_image(dockerfile, stage, settings.build_args)
    except InputError:
        return stage.base


def _expanded(word: str, scope: Mapping[str, str], dockerfile: Dockerfile) -> str:
    try:
        return expand(word, scope, escape=dockerfile.escape)
    except InputError:
        return word
