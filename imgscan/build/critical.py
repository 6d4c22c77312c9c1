"""The steps of one build -> its critical path: the chain of steps, each waiting for the one before, that ended last.

Pure. Parallel stages make the sum of all steps longer than the build; only a faster step of this chain makes the build
faster. Times are the engine's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imgscan.model import Step


def critical_path(steps: Sequence[Step]) -> tuple[int, ...]:
    """Indices of the chain in the order in which it ran; only steps that ran and whose times are known are in it."""
    ends = {at: end_s(step) for at, step in enumerate(steps) if not step.cached and step.intervals}
    chain: list[int] = []
    waiting = list(ends)
    while waiting:
        last = max(waiting, key=lambda at: (ends[at], at))
        chain.append(last)
        waiting = [at for at in steps[last].inputs if at in ends and at not in chain]
    return tuple(reversed(chain))


def path_seconds(steps: Sequence[Step], path: Sequence[int]) -> float:
    """From the start of the chain's first step to the end of its last one."""
    return max(0.0, end_s(steps[path[-1]]) - start_s(steps[path[0]])) if path else 0.0


def lead_seconds(steps: Sequence[Step], at: int) -> float:
    """How long a step waited after all that it waits for was done: checksums of what it copies, the engine's own work.
    0 for a step that waits for none of the steps that ran."""
    step = steps[at]
    before = [end_s(steps[i]) for i in step.inputs if 0 <= i < len(steps) and _ran(steps[i])]
    return max(0.0, start_s(step) - max(before)) if before and _ran(step) else 0.0


def longest_path(costs: Mapping[int, float], inputs: Sequence[Sequence[int]]) -> float:
    """Seconds of the costliest chain of steps; `costs` has the seconds of those that run, by index, `inputs` what every
    step waits for. A step that does not run takes no time, but the chain goes on through it."""
    done: dict[int, float] = {}
    for start in costs:
        stack = [start]
        while stack:
            at = stack[-1]
            # What is on the stack already would be a circle, which no engine tells of; a report may.
            open_inputs = [i for i in _inputs(inputs, at) if i not in done and i not in stack]
            if open_inputs:
                stack.append(open_inputs[0])
                continue
            before = max((done.get(i, 0.0) for i in _inputs(inputs, at)), default=0.0)
            done[at] = before + costs.get(at, 0.0)
            stack.pop()
    return max((done[at] for at in costs), default=0.0)


def start_s(step: Step) -> float:
    """When the step began, by the engine's clock."""
    return min(interval.start_s for interval in step.intervals)


def end_s(step: Step) -> float:
    """When the step ended, by the engine's clock."""
    return max(interval.end_s for interval in step.intervals)


def _ran(step: Step) -> bool:
    return not step.cached and bool(step.intervals)


def _inputs(inputs: Sequence[Sequence[int]], at: int) -> list[int]:
    return [i for i in inputs[at] if 0 <= i < len(inputs)] if at < len(inputs) else []
