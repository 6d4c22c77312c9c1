"""Timings + Dockerfile -> `CacheMetrics`: how much a source edit keeps, what it wastes, and who is to blame. Pure.

Wasted is the time of steps that install dependencies and ran although only a source file changed. To blame is the
instruction that brought the touched file in before the install: the first COPY, ADD or bind mount of the file among
the steps that the install waits for; failing that, the step where the rebuild began.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from imgscan.build.lines import is_from
from imgscan.build.reach import Reach
from imgscan.build.steps import ancestors
from imgscan.dockerfile.install import Install, find_installs, installs_in
from imgscan.dockerfile.parse import Command, Dockerfile
from imgscan.model import Bust, BustedBy, CacheMetrics, Step, Timing

_SOURCE: Final = "touch-source"
_LOCKFILE: Final = "touch-lockfile"


def cache_metrics(timings: Sequence[Timing], dockerfile: Dockerfile | None, reach: Reach | None = None) -> CacheMetrics:
    """The metrics of a measurement. `reach` says which instruction takes which file; without it, or without a
    Dockerfile, the step where the rebuild began is blamed. A ratio is None when its scenario was not measured."""
    by_name = {timing.name: timing for timing in timings}
    source = by_name.get(_SOURCE)
    busts = find_busts(source, dockerfile, reach) if source is not None else ()
    return CacheMetrics(
        source_hit_ratio=hit_ratio(source),
        lockfile_hit_ratio=hit_ratio(by_name.get(_LOCKFILE)),
        wasted_seconds_per_source_edit=None if source is None else round(sum(bust.seconds for bust in busts), 6),
        busts=busts,
    )


def hit_ratio(timing: Timing | None) -> float | None:
    """Cached steps over all steps, FROM left out; 1 when there are no steps to run."""
    if timing is None:
        return None
    return timing.steps_cached / timing.steps_total if timing.steps_total else 1.0


def find_busts(timing: Timing, dockerfile: Dockerfile | None, reach: Reach | None) -> tuple[Bust, ...]:
    """The installs that ran again, in the order of the Dockerfile."""
    commands = {c.instruction.line: c for stage in dockerfile.stages for c in stage.commands} if dockerfile else {}
    takers = _lines_taking(timing, reach)
    busts: list[Bust] = []
    for at, step in enumerate(timing.steps):
        if step.cached or is_from(step) or not step_installs(step, commands.get(step.line or 0)):
            continue
        if timing.touched is not None and _is_manifest(
            timing.touched, step_installs(step, commands.get(step.line or 0))
        ):
            continue
        busts.append(
            Bust(
                scenario=timing.name,
                blamed=_blame(timing.steps, at, takers),
                step=step.instruction,
                step_line=step.line,
                seconds=step.seconds,
            )
        )
    return tuple(sorted(busts, key=lambda bust: (bust.step_line is None, bust.step_line or 0)))


def step_installs(step: Step, command: Command | None) -> tuple[Install, ...]:
    """The installs of a step, from the Dockerfile where it is known, else from the engine's spelling."""
    if command is not None and command.keyword == "RUN":
        return find_installs(command)
    keyword, _, script = step.instruction.partition(" ")
    return installs_in(script) if keyword.upper() == "RUN" else ()


def _is_manifest(touched: str, installs: Sequence[Install]) -> bool:
    """Whether the touched file is one that the install reads: then running again is its duty."""
    name = touched.rpartition("/")[2]
    return any(name == wanted.rpartition("/")[2] for i in installs for wanted in (*i.manifests, *i.lockfiles))


def _lines_taking(timing: Timing, reach: Reach | None) -> frozenset[int]:
    """The lines of the instructions that take the touched file from the context."""
    if reach is None or timing.touched is None:
        return frozenset()
    return frozenset(command.instruction.line for command in reach.takers(timing.touched))


def _blame(steps: Sequence[Step], at: int, takers: frozenset[int]) -> BustedBy:
    """The instruction because of which a step ran again."""
    chain = sorted(
        {*ancestors([step.inputs for step in steps], at), at},
        key=lambda i: (steps[i].line is None, steps[i].line or 0, i),
    )
    missed = [index for index in chain if not steps[index].cached and not is_from(steps[index])]
    guilty = [index for index in missed if steps[index].line in takers]
    index = (guilty or missed or [at])[0]
    return BustedBy(line=steps[index].line, instruction=steps[index].instruction)
