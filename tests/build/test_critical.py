"""The chain of steps that decides how long a build takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.build.critical import critical_path, lead_seconds, longest_path, path_seconds
from imgscan.model import Interval, Step


def step(start: float, end: float, *inputs: int, cached: bool = False) -> Step:
    return Step(
        stage="s",
        ordinal=1,
        instruction="RUN x",
        line=1,
        cached=cached,
        seconds=end - start,
        intervals=() if cached else (Interval(start_s=start, end_s=end),),
        inputs=inputs,
    )


# Two stages side by side: 0-1-2 and 0-3, joined by 4.
PARALLEL = (step(0, 1), step(1, 4, 0), step(4.5, 5, 1), step(1, 9, 0), step(9.25, 10, 2, 3))


@pytest.mark.parametrize(
    ("steps", "path", "seconds"),
    [
        pytest.param(PARALLEL, (0, 3, 4), 10.0, id="through-the-slower-stage"),
        pytest.param(PARALLEL[:3], (0, 1, 2), 5.0, id="a-chain"),
        pytest.param((step(0, 1, cached=True), step(2, 3, 0)), (1,), 1.0, id="cached-steps-take-no-part"),
        pytest.param((), (), 0.0, id="nothing-ran"),
        pytest.param((step(0, 1, 1), step(1, 2, 0)), (0, 1), 2.0, id="a-circle-ends"),
        pytest.param((step(0, 1, 7),), (0,), 1.0, id="an-input-that-is-not-there"),
    ],
)
def test_critical_path(steps: tuple[Step, ...], path: tuple[int, ...], seconds: float) -> None:
    assert critical_path(steps) == path
    assert path_seconds(steps, path) == seconds


def test_the_pause_before_a_step() -> None:
    assert [lead_seconds(PARALLEL, at) for at in range(5)] == [0, 0, 0.5, 0, 0.25]


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        pytest.param({0: 1.0, 1: 3.0, 2: 0.5, 3: 8.0, 4: 0.75}, 9.75, id="all"),
        pytest.param({1: 3.0, 4: 0.75}, 3.75, id="goes-on-through-steps-that-do-not-run"),
        pytest.param({1: 3.0, 3: 8.0}, 8.0, id="side-by-side"),
        pytest.param({}, 0.0, id="nothing"),
    ],
)
def test_longest_path(costs: dict[int, float], expected: float) -> None:
    assert longest_path(costs, [s.inputs for s in PARALLEL]) == expected


@given(st.data(), st.dictionaries(st.integers(0, 7), st.floats(0, 9)))
def test_the_longest_path_lies_between_the_costliest_step_and_the_sum(
    data: st.DataObject, costs: dict[int, float]
) -> None:
    inputs = [data.draw(st.lists(st.integers(-1, at - 1), max_size=3)) for at in range(8)]
    found = longest_path(costs, inputs)
    assert max(costs.values(), default=0.0) <= found <= sum(costs.values()) + 1e-9


def test_circles_and_inputs_that_are_not_there_end() -> None:
    assert longest_path({0: 1.0, 1: 2.0}, [(1, 9), (0,)]) >= 2.0
