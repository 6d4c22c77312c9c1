"""The timings of one measured build + what an edit re-runs -> the seconds of that edit, as a range. Pure.

seconds = what a rebuild without any change takes
        + the longest chain of steps that run, each with its own time and the engine's pause before it
        + the time to write the layers of those steps, by their share of all layers' bytes

The lower bound leaves out steps that may turn out to be hits, and takes the rest as fast as equal builds have varied;
the upper one takes all steps one after the other, as on an engine that is busy with something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Final

from imgscan.build.critical import lead_seconds, longest_path
from imgscan.build.lines import is_from
from imgscan.build.rerun import Rerun
from imgscan.dockerfile.parse import Dockerfile
from imgscan.editcosts import Basis, BustedBy, ForecastStep, Prediction
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Step, Timing

_COLD: Final = "cold"
_NOOP: Final = "noop"
DEFAULT_SPREAD: Final = 0.2
"""By how much equal builds differ on a machine that does other things, too, as a share of their time; as seen."""
_LEAST_SPREAD: Final = 0.1
_MOST_SPREAD: Final = 0.6
_CACHE_MOUNT: Final = lazy_re(r"--mount=[^\s]*\btype=cache\b")
_LAYER_BYTES: Final = 1_000_000
"""A layer takes as long as these bytes more of one, however small it is."""
SLACK_S: Final = 0.3
"""By how much they differ however short they are: the start of a container."""


@frozen
class StepCost:
    """A step of the whole build: its own seconds, those the engine pauses before it, those of writing its layer.
    `least_s`: it may be as short as that, if it has a cache mount that was never seen filled."""

    line: int | None
    instruction: str
    inputs: tuple[int, ...]
    seconds: float
    lead_s: float = 0.0
    export_s: float = 0.0
    least_s: float | None = None


@frozen
class Costs:
    """Every step of a build, FROM left in (it costs nothing: the image is there)."""

    basis: Basis
    steps: tuple[StepCost, ...]


def costs_of(timings: Sequence[Timing], source: str = "measured", *, load: float = 1.0) -> Costs:
    """The costs that a measurement shows. Steps are taken as they ran in rebuilds, where they did, else as in the cold
    build. `load`: how many processes wanted each processor while it ran.

    Raises InputError without a cold build and a rebuild without changes.
    """
    by_name = {timing.name: timing for timing in timings}
    cold, noop = by_name.get(_COLD), by_name.get(_NOOP)
    if cold is None or noop is None:
        raise InputError(
            "there are no timings of a cold build and of a rebuild without changes",
            cause="predictions rest on them",
            next_step="take a report that imgscan rebuild or imgscan build-report made, without --no-timing",
        )
    samples: dict[tuple[str, int], list[float]] = {}
    for timing in timings:
        for step in timing.steps if timing.name not in (_COLD, _NOOP) else ():
            if not step.cached:
                samples.setdefault((step.stage, step.ordinal), []).append(step.seconds)
    export = _export_seconds(cold, noop)
    shares = _layer_shares(cold.steps)
    steps = tuple(
        _step_cost(cold.steps, at, samples.get((step.stage, step.ordinal), ()), export * shares[at])
        for at, step in enumerate(cold.steps)
    )
    basis = Basis(
        source=source,
        fixed_s=round(noop.median_s, 6),
        cold_s=round(cold.median_s, 6),
        export_s=round(export, 6),
        spread=round(_spread(timings, load), 6),
    )
    return Costs(basis=basis, steps=steps)


def _step_cost(steps: Sequence[Step], at: int, again: Sequence[float], export_s: float) -> StepCost:
    """A step of the cold build; `again` is how long it took in rebuilds."""
    step = steps[at]
    if is_from(step):
        return StepCost(line=step.line, instruction=step.instruction, inputs=step.inputs, seconds=0.0)
    return StepCost(
        line=step.line,
        instruction=step.instruction,
        inputs=step.inputs,
        seconds=median(again or (step.seconds,)),
        lead_s=lead_seconds(steps, at),
        export_s=export_s,
        least_s=0.0 if _CACHE_MOUNT.search(step.instruction) and not again else None,
    )


def relined(timings: Sequence[Timing], dockerfile: Dockerfile) -> tuple[tuple[Timing, ...], tuple[str, ...]]:
    """The timings of an earlier build with the lines that its steps stand at in today's Dockerfile, and the
    instructions that do not stand there any more: their steps have no line."""
    commands = [command for stage in dockerfile.stages for command in stage.commands]
    texts = {command.instruction.line: command.instruction.text for command in commands}
    lines = {command.instruction.text: command.instruction.line for command in commands}
    lost: dict[str, None] = {}

    def moved(step: Step) -> Step:
        if step.line is None or texts.get(step.line) == step.instruction:
            return step
        line = lines.get(step.instruction)
        if line is None and not is_from(step):
            lost[step.instruction] = None
        return replace(step, line=line)

    found = tuple(replace(timing, steps=tuple(map(moved, timing.steps))) for timing in timings)
    return found, tuple(lost)


def predict(
    costs: Costs, rerun: Rerun, *, name: str, touched: Sequence[str], measured_s: float | None = None
) -> Prediction:
    """The seconds of an edit that re-runs that."""
    running = {
        at: rerun.lines[step.line]
        for at, step in enumerate(costs.steps)
        if step.line is not None and step.line in rerun.lines and not _is_from_text(step.instruction)
    }
    seconds, low, high = _seconds(costs, running)
    counted = [step for step in costs.steps if not _is_from_text(step.instruction)]
    first = rerun.busted_by
    return Prediction(
        name=name,
        touched=tuple(touched),
        seconds=round(seconds, 3),
        low_s=round(low, 3),
        high_s=round(high, 3),
        steps_total=len(counted),
        steps_cached=len(counted) - len(running),
        steps=tuple(
            ForecastStep(
                line=costs.steps[at].line,
                instruction=costs.steps[at].instruction,
                seconds=round(costs.steps[at].seconds, 3),
                export_s=round(costs.steps[at].export_s, 3),
                sure=sure,
            )
            for at, sure in running.items()
        ),
        busted_by=BustedBy(line=first.instruction.line, instruction=first.instruction.text) if first else None,
        measured_s=measured_s,
    )


def _seconds(costs: Costs, running: Mapping[int, bool]) -> tuple[float, float, float]:
    """The expected seconds, the least and the most."""
    fixed, spread = costs.basis.fixed_s, costs.basis.spread
    surely = [at for at, sure in running.items() if sure]
    expected = fixed + _chain(costs, running) + _export(costs, running)
    least = fixed + _chain(costs, surely, least=True) + _export(costs, surely)
    in_turn = sum(costs.steps[at].seconds + costs.steps[at].lead_s for at in running)
    most = fixed + in_turn + _export(costs, running)
    low = min(expected, max(0.0, least * (1 - spread) - SLACK_S))
    return expected, low, max(expected, most * (1 + spread) + SLACK_S)


def _chain(costs: Costs, running: Iterable[int], *, least: bool = False) -> float:
    steps = {at: costs.steps[at] for at in running}
    taken = {
        at: step.lead_s + (step.least_s if least and step.least_s is not None else step.seconds)
        for at, step in steps.items()
    }
    return longest_path(taken, [step.inputs for step in costs.steps])


def _export(costs: Costs, running: Iterable[int]) -> float:
    return sum(costs.steps[at].export_s for at in running)


def _export_seconds(cold: Timing, noop: Timing) -> float:
    """What writing all layers took beyond what every build takes; where the builder does not tell, what is left of the
    cold build when its steps are taken away."""
    if cold.export_s is not None:
        return max(0.0, cold.export_s - (noop.export_s or 0.0))
    return max(0.0, cold.median_s - noop.median_s - cold.critical_s) if cold.critical_s else 0.0


def _layer_shares(steps: Sequence[Step]) -> list[float]:
    """Each step's share of the layers that are written: by bytes where they are known, else the same for all."""
    sizes = [0 if step.layer_bytes is None else step.layer_bytes + _LAYER_BYTES for step in steps]
    total = sum(sizes)
    if total:
        return [size / total for size in sizes]
    counted = [0.0 if is_from(step) else 1.0 for step in steps]
    return [share / (sum(counted) or 1.0) for share in counted]


def _spread(timings: Sequence[Timing], load: float) -> float:
    """Half of the widest spread among repeats, as a share of their median; without repeats `DEFAULT_SPREAD`, and on a
    machine that others use as many times that as there are processes for each processor."""
    seen = [t.spread_s / 2 / t.median_s for t in timings if len(t.seconds) > 1 and t.median_s > SLACK_S]
    wanted = max(_LEAST_SPREAD, *seen) if seen else DEFAULT_SPREAD * max(1.0, load)
    return min(_MOST_SPREAD, wanted)


def _is_from_text(instruction: str) -> bool:
    return instruction[:4].upper() == "FROM"
