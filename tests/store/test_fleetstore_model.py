"""Findings over time beside a model of three sentences: whatever runs did, and however many of them never ended."""

from __future__ import annotations

import datetime
import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from store.fleets import at, found, image, letters, told

from imgscan.fleets import FleetFigures, Origin
from imgscan.store.fleetstore import FleetStore, open_fleet_store

NUMBERS = itertools.count()
SOME = st.sets(st.sampled_from("abcd")).map(lambda names: "".join(sorted(names)))


class Clock:
    """The time of the run that is under way, as seconds since 1970."""

    now = at(0)

    def __call__(self) -> float:
        return datetime.datetime.fromisoformat(self.now).timestamp()


class Model:
    """One image. What is there now is what the last complete look saw, and what was seen since; what was told is what
    was there at the end of the last run that ended; new, standing and fixed are the two compared."""

    def __init__(self) -> None:
        self.now: set[str] = set()
        self.told: set[str] = set()
        self.first_seen: dict[str, str] = {}
        self.last_seen: dict[str, str] = {}
        self.looked = self.looked_now = False

    def look(self, time: str, names: str, *, complete: bool) -> tuple[str, str, str]:
        for name in names:
            if name not in self.now | self.told or name not in self.first_seen:
                self.first_seen[name] = time
            self.last_seen[name] = time
        self.now = set(names) | (set() if complete else self.now)
        self.first_seen = {name: when for name, when in self.first_seen.items() if name in self.now | self.told}
        return tuple("".join(sorted(one)) for one in (self.now - self.told, self.now & self.told, self.told - self.now))  # type: ignore[return-value]


class Machine(RuleBasedStateMachine):
    """Runs one after the other; some are killed."""

    def __init__(self, store: FleetStore, clock: Clock) -> None:
        super().__init__()
        self.store = store
        self.clock = clock
        self.models = {f"{next(NUMBERS)} {name}": Model() for name in ("shop", "desk")}
        self.names = list(self.models)
        self.day = 0
        self.run = 0
        self.recorded: dict[str, tuple[str, str, str]] = {}

    @initialize()
    def begin(self) -> None:
        self.day += 1
        self.clock.now = at(self.day)
        self.run = self.store.begin_run(at(self.day), version="1", sources=self.names)
        self.recorded = {}

    @rule(which=st.integers(0, 1), names=SOME, kind=st.sampled_from(("complete", "incomplete", "failed")))
    def look(self, which: int, names: str, kind: str) -> None:
        name, complete = self.names[which], kind == "complete"
        names = "" if kind == "failed" else names
        origin = Origin.FAILED if kind == "failed" else Origin.NEW
        model = self.models[name]
        expected = model.look(at(self.day), names, complete=complete)
        got = self.store.record_image(self.run, image(name, complete=complete, origin=origin), found(names))
        assert told(got) == expected
        assert got.first == (kind != "failed" and not model.looked)
        model.looked_now = model.looked_now or kind != "failed"
        self.recorded[name] = expected

    @rule()
    def end(self) -> None:
        self.store.finish_run(self.run, at(self.day), FleetFigures(), True, listed=False)
        for name in self.recorded:
            model = self.models[name]
            model.told = set(model.now)
            model.looked = model.looked or model.looked_now
        self.begin_after()

    @rule()
    def killed(self) -> None:
        self.begin_after()

    # A name that no kept run has is forgotten with all that was found there, and is then a new one.
    @precondition(lambda self: len(self.recorded) == len(self.names))
    @rule(runs=st.integers(1, 3), days=st.integers(0, 3))
    def prune(self, runs: int, days: int) -> None:
        self.store.prune(runs=runs, days=days)

    def begin_after(self) -> None:
        for model in self.models.values():
            model.looked_now = False
        self.begin()

    @invariant()
    def what_the_run_has_is_what_was_said(self) -> None:
        if not self.run:
            return
        findings = list(self.store.run_findings(self.run))
        for name, (new, standing, fixed) in self.recorded.items():
            own = [one for one in findings if one.image == name]
            assert letters(own) == "".join(sorted(new + standing + fixed))
            model = self.models[name]
            for one in own:
                letter = one.fingerprint[0]
                assert (one.first_seen, one.last_seen) == (model.first_seen[letter], model.last_seen[letter])
        assert {one.name for one in self.store.run_images(self.run)} == set(self.recorded)


def test_findings_are_what_the_model_says(url: str) -> None:
    clock = Clock()
    with open_fleet_store(url, rules="1", clock=clock) as store:
        run_state_machine_as_test(
            lambda: Machine(store, clock),  # type: ignore[arg-type]
            settings=settings(max_examples=50, stateful_step_count=20, deadline=None),
        )
