"""Seconds that the user gives by line, in place of a measurement -> costs of every step. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from imgscan.build.critical import longest_path
from imgscan.build.forecast import DEFAULT_SPREAD, Costs, StepCost
from imgscan.build.reach import Reach
from imgscan.detect.stages.records import StageView
from imgscan.dockerfile.parse import Command
from imgscan.editcosts import Basis
from imgscan.errors import InputError

_STEPS = frozenset({"RUN", "COPY", "ADD", "WORKDIR"})


def costs_guessed(reach: Reach, seconds: Mapping[int, float]) -> Costs:
    """The costs of the needed stages' steps: `seconds` by the line that an instruction begins at, or any line of it;
    the others take none. Raises InputError for a line at which no step stands."""
    views = [view for view in reach.simulation.stages if view.stage.index in reach.simulation.needed]
    steps: list[StepCost] = []
    ends: dict[int, int] = {}
    left = dict(seconds)
    for view in views:
        for command in view.stage.commands:
            if command.keyword not in _STEPS:
                continue
            waits = _waits(view, command, ends)
            own = [line for line in left if command.instruction.line <= line <= command.instruction.end_line]
            steps.append(
                StepCost(
                    line=command.instruction.line,
                    instruction=command.instruction.text,
                    inputs=tuple(sorted(waits)),
                    seconds=sum(left.pop(line) for line in own),
                )
            )
            ends[view.stage.index] = len(steps) - 1
        if view.stage.index not in ends and view.parent in ends:
            ends[view.stage.index] = ends[view.parent]
    if left:
        lines = ", ".join(str(step.line) for step in steps)
        raise InputError(
            f"--estimate: no step that is built stands at line {min(left)}", next_step=f"steps stand at lines {lines}"
        )
    cold = longest_path({at: step.seconds for at, step in enumerate(steps)}, [step.inputs for step in steps])
    basis = Basis(source="estimate", fixed_s=0.0, cold_s=round(cold, 6), export_s=0.0, spread=DEFAULT_SPREAD)
    return Costs(basis=basis, steps=tuple(steps))


def _waits(view: StageView, command: Command, ends: Mapping[int, int]) -> set[int]:
    """What a step waits for: the one before it, or the end of the stage it is FROM, and the stages it takes from."""
    before = ends.get(view.stage.index, ends.get(view.parent, -1) if view.parent is not None else -1)
    mounted = [mount for run in view.runs if run.command is command for mount in run.mounted]
    taken = [*(t for t in view.transfers if t.command is command), *mounted]
    stages = {transfer.from_stage for transfer in taken if transfer.from_stage is not None}
    return {at for at in (before, *(ends.get(stage, -1) for stage in stages)) if at >= 0}
