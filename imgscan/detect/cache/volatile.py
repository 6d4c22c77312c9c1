"""ARG, ENV and LABEL with a new value for every build above an install (`cache-volatile-arg`).

BuildKit: the value is in the environment of every later RUN of the stage and of the stages FROM it; a LABEL never busts
anything. The classic builder and buildah: ARGs end with their stage, an ENV or LABEL re-runs every step below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from imgscan.detect.cache.calls import Call, calls_of
from imgscan.detect.cache.order import chain_stages
from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.producers import run_script
from imgscan.detect.stages.records import RunStep, Simulation, StageView
from imgscan.detect.words import is_ambiguous_name, is_volatile_name
from imgscan.dockerfile.parse import Command
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Evidence, Finding, Fix, Timing
from imgscan.rulebook import make_finding
from imgscan.units import human_seconds

RULE: Final = "cache-volatile-arg"
STEPWISE: Final = frozenset({"classic", "podman"})
"""Builders for which every instruction is a step of the cache, and an ARG ends with its stage."""
_NAMED: Final = 6
_MAX_VALUES: Final = 50
_MAX_INSTALLS: Final = 50
_FILLER: Final = lazy_re(
    r"|dev(?:elopment)?|latest|unknown|local|snapshot|none|main|master|head|0(?:\.0)*(?:[-+].*)?|n/?a|unset|unreleased|edge",
    re.IGNORECASE,
)


@frozen
class Volatile:
    """A declaration of a volatile value. `given`: this very build passes a value."""

    command: Command
    name: str
    given: bool


def detect_volatile(
    simulation: Simulation, build_args: Mapping[str, str], builder: str, timings: Sequence[Timing] = ()
) -> Iterator[Finding]:
    """One finding for each stage that declares such values above an install, the names of all of them in it, and what
    a new value of one costs where that was measured."""
    for view in simulation.stages:
        if view.stage.index not in simulation.needed:
            continue
        installs: dict[int, tuple[RunStep, Call]] = {}
        volatiles: list[Volatile] = []
        for volatile in islice(find_volatiles(view, build_args, builder), _MAX_VALUES):
            found = _installs_below(simulation, view.stage.index, volatile, builder)
            below = list(islice(found, _MAX_INSTALLS))
            if below:
                volatiles.append(volatile)
                installs.update((run.command.start, (run, call)) for run, call in below)
        if volatiles:
            yield _finding([installs[at] for at in sorted(installs)], volatiles, builder, timings)


def find_volatiles(view: StageView, build_args: Mapping[str, str], builder: str) -> Iterator[Volatile]:
    """The declarations of a stage that have a new value in every build, and those made from them, in their order."""
    keywords = ("ARG", "ENV", "LABEL") if builder in STEPWISE else ("ARG", "ENV")
    known: set[str] = set()
    for command in view.stage.commands:
        if command.keyword not in keywords:
            continue
        for word in command.words:
            name, assigned, value = word.partition("=")
            inherited = any(re.search(rf"\$\{{?{re.escape(other)}\b", value) for other in known)
            if not inherited and not _changes(view, command, name, value if assigned else None, build_args):
                continue
            known.add(name)
            given = name in build_args if command.keyword == "ARG" else any(arg in value for arg in build_args)
            yield Volatile(command=command, name=name, given=given)


def _changes(view: StageView, command: Command, name: str, value: str | None, build_args: Mapping[str, str]) -> bool:
    """Whether builds of different commits have different values here."""
    if not is_volatile_name(name):
        return False
    if command.keyword == "ARG":
        pinned = value is not None and name not in build_args and not _FILLER.fullmatch(value) and "$" not in value
        if not is_ambiguous_name(name):
            return True
        # ARG VERSION=1.2.3 that a RUN reads is the version of a tool, edited by hand.
        return not pinned and not any(_uses(run, name) for run in view.runs)
    if value and "$" in value:
        return True
    return command.keyword == "ENV" and bool(value) and not is_ambiguous_name(name)


def _uses(run: RunStep, name: str) -> bool:
    return re.search(rf"\$\{{?{re.escape(name)}\b", run_script(run.command)) is not None


def _installs_below(
    simulation: Simulation, stage: int, volatile: Volatile, builder: str
) -> Iterator[tuple[RunStep, Call]]:
    """The installs below the declaration that have no need of the value."""
    stages = sorted(chain_stages(simulation, stage))
    if builder in STEPWISE and volatile.command.keyword == "ARG":
        stages = [stage]
    for at in stages:
        for run in simulation.stages[at].runs:
            if at == stage and run.command.instruction.ordinal < volatile.command.instruction.ordinal:
                continue
            calls = [call for call in calls_of(run) if not call.implicit]
            if calls and not _uses(run, volatile.name):
                yield run, next((call for call in calls if not call.label.endswith(" update")), calls[0])


def _measured(installs: Sequence[tuple[RunStep, Call]], names: Sequence[str], timings: Sequence[Timing]) -> float:
    """The seconds that the installs took after one of the arguments got a new value; 0 if that was not measured."""
    lines = {run.command.instruction.line for run, _ in installs}
    given = {f"ARG {name}" for name in names}
    steps = [step for timing in timings if timing.touched in given for step in timing.steps]
    return sum(step.seconds for step in steps if step.line in lines and not step.cached)


def _finding(
    installs: Sequence[tuple[RunStep, Call]],
    volatiles: Sequence[Volatile],
    builder: str,
    timings: Sequence[Timing],
) -> Finding:
    names = list(dict.fromkeys(v.name for v in volatiles))
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    first = volatiles[0].command
    steps = [f"line {run.command.instruction.line} ({call.label})" for run, call in installs]
    again = ", ".join(steps[:_NAMED]) + (f" and {len(steps) - _NAMED} more" if len(steps) > _NAMED else "")
    how = "every later step" if builder in STEPWISE else "the environment of every later RUN"
    given = any(v.given for v in volatiles)
    when = "with every new value" if given else "as soon as builds pass different values"
    lines = list(dict.fromkeys(v.command.instruction.line for v in volatiles))
    where = ("line " if len(lines) == 1 else "lines ") + ", ".join(map(str, lines[:_NAMED]))
    commands = [*(v.command for v in volatiles), *(run.command for run, _ in installs)]
    seconds = _measured(installs, names, timings)
    cost = f" Measured: {human_seconds(seconds)} lost with every new value." if seconds else ""
    return make_finding(
        RULE,
        message=(
            f"{shown} ({where}) {'is' if len(names) == 1 else 'are'} part of {how}, so {again} "
            f"{'runs' if len(steps) == 1 else 'run'} again {when}, without any use of "
            f"{'it' if len(names) == 1 else 'them'}.{cost}"
        ),
        location=dockerfile_line(first),
        places=tuple(dict.fromkeys(map(dockerfile_line, commands))),
        evidence=Evidence.PROVEN if seconds else Evidence.DERIVED if given else Evidence.PATTERN,
        identity=(first.instruction.file, *sorted(names), installs[0][1].label),
        confidence=Confidence.MEDIUM if not given and all(is_ambiguous_name(name) for name in names) else None,
        fix=Fix(text=f"Move {where} below the installs, directly above the instruction that uses the value."),
    )
