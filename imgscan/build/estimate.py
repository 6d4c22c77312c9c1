"""How far a measurement is: what is shown while builds run, and how long the rest will take. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from imgscan.frozen import frozen


@frozen
class Progress:
    """One thing to show. `step` and `state` (`started`, `cached`, `done`, `failed`) are of the step that moved, None at
    the beginning of a build; `steps_done` of `steps_total` in this build, the total unknown in the first one;
    `seconds_left` for all builds that remain, None before the first one is over."""

    scenario: str
    repeat: int
    repeats: int
    step: str | None
    state: str | None
    steps_done: int
    steps_total: int | None
    seconds_left: float | None


@dataclass(slots=True, kw_only=True)
class Forecast:
    """Remembers how long builds took, to say how long the others will; `plan` has the scenario of each in order."""

    plan: Sequence[str]
    taken: list[tuple[str, float]] = field(default_factory=list)

    def note(self, scenario: str, seconds: float) -> None:
        """A build of the plan is over."""
        self.taken.append((scenario, seconds))

    def seconds_left(self, elapsed_s: float) -> float | None:
        """Seconds until the plan is done, `elapsed_s` into the running build; None before anything was built."""
        if not self.taken:
            return None
        left = list(self.plan)
        for scenario, _ in self.taken:
            if scenario in left:
                left.remove(scenario)
        rest = [self._expected(scenario) for scenario in left] or [0.0]
        return max(0.0, rest[0] - elapsed_s) + sum(rest[1:])

    def _expected(self, scenario: str) -> float:
        """The mean of the scenario's earlier repeats; before the first one, at most what the first build took."""
        known = [seconds for name, seconds in self.taken if name == scenario]
        if known:
            return fmean(known)
        first = self.taken[0][1]
        return min(first, 2.0) if scenario == "noop" else first
