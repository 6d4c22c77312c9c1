"""Build cold, rebuild unchanged, rebuild with one thing touched: a source file, the lockfile, ... -> timings.

The order is cold, no-op, then the touches in turn, so that a machine that slows down slows all of them; last, if asked
for, every RUN once more with the cache mounts filled. Every repeat starts from the original context and touches it
anew; content the engine has seen before would be a cache hit. Hits and misses are facts, seconds are not: they come as
median and spread.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Final

from imgscan.build.builder import Made, Workshop
from imgscan.build.cleanup import tidied
from imgscan.build.critical import critical_path, path_seconds
from imgscan.build.estimate import Forecast, Progress
from imgscan.build.layersizes import with_layer_sizes
from imgscan.build.lines import is_from
from imgscan.build.request import Builder, BuildOptions
from imgscan.build.scenarios import RERUN_ALL, SCENARIOS, Choice
from imgscan.build.steps import Clean, StepEvent, StepState, ancestors
from imgscan.build.storedhistory import history_of
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.model import BuildFailure, BuildTrace, BustedBy, Skipped, Step, Timing

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext
    from imgscan.dockerfile.parse import Dockerfile
    from imgscan.engine import Engine

OnProgress = Callable[[Progress], None]
_OVER: Final = (StepState.CACHED, StepState.DONE, StepState.FAILED)


@frozen
class MeasurePlan:
    """What to build and measure. `dockerfile` is None for one that only the engine can read; `choice` has what each
    scenario touches; `repeats` counts each touch scenario; `scenarios` without `cold` means: one ordinary build, the
    cache allowed, nothing measured."""

    context: BuildContext
    dockerfile: Dockerfile | None
    options: BuildOptions
    choice: Choice
    repeats: int = 3
    scenarios: tuple[str, ...] = SCENARIOS


@frozen
class Measured:
    """What came of it. `cold` is the first build; if it failed there are no timings. `image` is the tag of the image it
    made, there until the measurement's context manager ends; `image_id` its id."""

    cold: BuildTrace
    timings: tuple[Timing, ...]
    image: str | None
    image_id: str | None
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()


@contextmanager
def measure(
    engine: Engine,
    plan: MeasurePlan,
    *,
    progress: OnProgress = lambda event: None,
    clean: Clean = str,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Measured]:
    """Build and measure; the image stays until the block ends, then everything the run left in the engine is removed,
    also when it is interrupted.

    `clean` is applied to every text of the engine; `clock` counts seconds. Raises EngineError when the engine is gone.
    """
    workshop = Workshop(
        engine=engine,
        context=plan.context,
        dockerfile=plan.dockerfile,
        options=plan.options,
        run_id=secrets.token_hex(6),
        isolated=bool(plan.scenarios),
        clean=clean,
        clock=clock,
    )
    with tidied(workshop):
        yield _Measurement(workshop, plan, progress).run()


class _Measurement:
    """The builds of one measurement, in order."""

    def __init__(self, workshop: Workshop, plan: MeasurePlan, progress: OnProgress) -> None:
        self._workshop = workshop
        self._plan = plan
        self._progress = progress
        self._touches = {name: touch for name, touch in plan.choice.touches.items() if name in plan.scenarios}
        self._first = "cold" if "cold" in plan.scenarios else "build"
        self._forecast = Forecast(plan=[self._first, *self._rebuilds()])
        self._steps_total: int | None = None
        self._nonce = f"{workshop.run_id}-"
        self._skipped = [skipped for skipped in plan.choice.skipped if skipped.where in plan.scenarios]
        self._warnings: list[str] = []

    def run(self) -> Measured:
        """All builds of the plan; those after a failed first one are left out."""
        cold = self._build(self._first, 1).trace
        self._warnings += cold.warnings
        if cold.failure is not None:
            return Measured(
                cold=cold,
                timings=(),
                image=None,
                image_id=None,
                skipped=tuple(self._skipped),
                warnings=tuple(self._warnings),
            )
        cold = self._with_layer_sizes(cold)
        self._steps_total = len(cold.steps)
        traces: dict[str, list[BuildTrace]] = {"cold": [cold]} if self._first == "cold" else {}
        for name, repeats in self._rebuild_all().items():
            traces[name] = [with_unreported(trace, cold) for trace in repeats]
        return Measured(
            cold=cold,
            timings=tuple(make_timing(name, self._touched(name), repeats) for name, repeats in traces.items()),
            image=f"{self._workshop.repository}:{self._first}-1",
            image_id=cold.image_id,
            skipped=tuple(self._skipped),
            warnings=tuple(dict.fromkeys(self._warnings)),
        )

    def _with_layer_sizes(self, cold: BuildTrace) -> BuildTrace:
        """The first build with what each of its steps added to the image, as far as the engine's history tells."""
        options, dockerfile = self._plan.options, self._plan.dockerfile
        if options.builder is not Builder.BUILDKIT or dockerfile is None:
            return cold
        try:
            name = f"{self._workshop.repository}:{self._first}-1"
            history = history_of(self._workshop.engine, name, newest=len(cold.steps))
        except InputError:
            return cold
        steps = with_layer_sizes(cold.steps, history, dockerfile, options.target, options.build_args)
        return replace(cold, steps=steps)

    def _rebuild_all(self) -> dict[str, list[BuildTrace]]:
        """The traces of every scenario's repeats; a scenario that fails once is given up."""
        traces: dict[str, list[BuildTrace]] = {}
        failed: set[str] = set()
        counts: Counter[str] = Counter()
        for name in self._rebuilds():
            counts[name] += 1
            if name in failed:
                continue
            trace = self._settled_noop() if name == "noop" else self._build(name, counts[name]).trace
            if trace.failure is not None:
                failed.add(name)
                traces.pop(name, None)
                self._skip_failed(name, trace.failure)
            else:
                traces.setdefault(name, []).append(trace)
        return traces

    def _settled_noop(self) -> BuildTrace:
        """The unchanged rebuild. A first one may miss where older results of the same steps are in the cache and the
        engine mixes them with the cold build's (Podman does); the second one tells whether a step never is cached."""
        trace = self._build("noop", 1).trace
        if trace.failure is None and missed_steps(trace.steps):
            trace = self._build("noop", 2).trace
        for step in missed_steps(trace.steps) if trace.failure is None else ():
            where = f" (line {step.line})" if step.line is not None else ""
            self._warnings.append(f"a rebuild without any change ran this step again: {step.instruction}{where}")
        return trace

    def _rebuilds(self) -> list[str]:
        noop = ["noop"] if "noop" in self._plan.scenarios else []
        again = [RERUN_ALL] if RERUN_ALL in self._plan.scenarios else []
        return noop + [name for _ in range(self._plan.repeats) for name in self._touches] + again

    def _touched(self, scenario: str) -> str | None:
        touch = self._touches.get(scenario)
        return touch.what if touch else None

    def _build(self, scenario: str, repeat: int) -> Made:
        touch = self._touches.get(scenario)
        nonce = f"{self._nonce}{repeat}"
        show = self._shower(scenario, repeat)
        made = self._workshop.build(
            f"{scenario}-{repeat}",
            replace=touch.replacement(nonce) if touch else None,
            build_args=touch.build_args(nonce) if touch else None,
            no_cache=scenario == "cold",
            again=scenario == RERUN_ALL,
            throwaway=touch is not None or scenario == RERUN_ALL,
            on_event=show,
        )
        self._forecast.note(scenario, made.trace.seconds)
        if scenario != self._first:
            self._workshop.remove(made)
        return made

    def _shower(self, scenario: str, repeat: int) -> Callable[[StepEvent], None]:
        """Tells the caller about the build now, and about each of its steps later."""
        started = self._workshop.clock()
        repeats = self._plan.repeats if scenario in self._touches else 1
        over: set[str] = set()

        def show(event: StepEvent | None) -> None:
            if event is not None and not event.user:
                return
            if event is not None and event.state in _OVER:
                over.add(event.label)
            self._progress(
                Progress(
                    scenario=scenario,
                    repeat=repeat,
                    repeats=repeats,
                    step=event.label if event else None,
                    state=event.state if event else None,
                    steps_done=len(over),
                    steps_total=self._steps_total,
                    seconds_left=self._forecast.seconds_left(self._workshop.clock() - started),
                )
            )

        show(None)
        return show

    def _skip_failed(self, name: str, failure: BuildFailure) -> None:
        reason = f"the rebuild failed at {failure.step}: {failure.message}"
        self._skipped.append(Skipped(where=name, reason=reason))


def missed_steps(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps that ran; FROM never counts."""
    return tuple(step for step in steps if not step.cached and not is_from(step))


def with_unreported(trace: BuildTrace, cold: BuildTrace) -> BuildTrace:
    """The trace with the steps that the first build had and this one does not speak of, as cached.

    BuildKit is silent on a step when a later one is found in the cache without asking for it: it did not run.
    """
    steps = _named_alike(trace.steps, cold.steps)
    told = {(step.stage, step.ordinal) for step in steps}
    silent = [step for step in cold.steps if (step.stage, step.ordinal) not in told and not is_from(step)]
    cached = (replace(step, cached=True, seconds=0.0, intervals=(), inputs=(), log="") for step in silent)
    return replace(trace, steps=(*steps, *cached))


def _named_alike(steps: Sequence[Step], cold: Sequence[Step]) -> tuple[Step, ...]:
    """The steps, each called as in the first build. The same instruction at the head of two stages is one step to
    BuildKit, which one build tells as the one stage's and the next as the other's."""
    known, told = ({(step.stage, step.ordinal) for step in some} for some in (cold, steps))
    free = [step for step in cold if (step.stage, step.ordinal) not in told and not is_from(step)]
    named: list[Step] = []
    for step in steps:
        strange = (step.stage, step.ordinal) not in known
        twin = next((one for one in free if strange and one.instruction == step.instruction), None)
        if twin is not None:
            free.remove(twin)
            step = replace(step, stage=twin.stage, ordinal=twin.ordinal, line=twin.line)
        named.append(step)
    return tuple(named)


def make_timing(name: str, touched: str | None, repeats: Sequence[BuildTrace]) -> Timing:
    """The timing of a scenario from its successful repeats, of which there is at least one."""
    seconds = [trace.seconds for trace in repeats]
    middle = median(seconds)
    typical = min(repeats, key=lambda trace: abs(trace.seconds - middle))
    steps = tuple(replace(step, log="") for step in typical.steps)
    counted = [step for step in steps if not is_from(step)]
    path = critical_path(steps)
    return Timing(
        name=name,
        touched=touched,
        seconds=tuple(round(value, 6) for value in seconds),
        median_s=round(middle, 6),
        spread_s=round(max(seconds) - min(seconds), 6),
        steps_total=len(counted),
        steps_cached=sum(step.cached for step in counted),
        steps=steps,
        busted_by=None if name in ("cold", RERUN_ALL) else first_miss(steps),
        critical_path=path,
        critical_s=round(path_seconds(steps, path), 6),
        export_s=typical.export_s,
    )


def first_miss(steps: Sequence[Step]) -> BustedBy | None:
    """The first step that ran although nothing it waits for did: where the rebuild began. Of several, the first in the
    Dockerfile."""
    inputs = [step.inputs for step in steps]
    missed = {at for at, step in enumerate(steps) if not step.cached and not is_from(step)}
    roots = [at for at in missed if not missed & ancestors(inputs, at)]
    if not roots:
        return None
    first = min(roots, key=lambda at: (steps[at].line is None, steps[at].line or 0, at))
    return BustedBy(line=steps[first].line, instruction=steps[first].instruction)
