"""Cache metrics from timings."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgscan.build.estimate import Forecast
from imgscan.build.measure import first_miss, make_timing
from imgscan.build.metrics import cache_metrics
from imgscan.build.reach import find_reach
from imgscan.build.steps import ancestors
from imgscan.dockerfile.context import read_context
from imgscan.dockerfile.parse import parse
from imgscan.model import BuildTrace, BustedBy, Step, Timing

BAD = """FROM node AS build
ARG GIT_SHA
WORKDIR /app
COPY . .
RUN npm ci
RUN npm run build
FROM node
COPY --from=build /app/dist /dist
"""


def step(
    line: int, instruction: str, *, cached: bool = False, seconds: float = 1.0, inputs: tuple[int, ...] = ()
) -> Step:
    return Step(
        stage="s",
        ordinal=line,
        instruction=instruction,
        line=line,
        cached=cached,
        seconds=seconds,
        inputs=inputs,
        log="x",
    )


def steps(*, install_cached: bool) -> tuple[Step, ...]:
    return (
        step(1, "FROM node AS build"),
        step(3, "WORKDIR /app", cached=True, inputs=(0,)),
        step(4, "COPY . .", cached=install_cached, inputs=(1,)),
        step(5, "RUN npm ci", cached=install_cached, seconds=6.5, inputs=(2,)),
        step(6, "RUN npm run build", seconds=2.0, inputs=(3,)),
        step(8, "COPY --from=build /app/dist /dist", inputs=(0, 4)),
    )


def timing(name: str, made: tuple[Step, ...], touched: str | None) -> Timing:
    trace = BuildTrace(builder="buildkit", steps=made, seconds=9.0, image_id="sha256:1")
    return make_timing(name, touched, [trace])


def test_an_install_that_ran_again_is_wasted_and_blamed_on_the_copy(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(BAD)
    (tmp_path / "a.ts").write_text("x")
    dockerfile = parse(BAD)
    reach = find_reach(dockerfile, read_context(tmp_path), None, {})
    timings = [
        timing("touch-source", steps(install_cached=False), "a.ts"),
        timing("touch-lockfile", steps(install_cached=False), "package-lock.json"),
    ]
    metrics = cache_metrics(timings, dockerfile, reach)
    assert metrics.source_hit_ratio == pytest.approx(1 / 5)
    assert metrics.lockfile_hit_ratio == pytest.approx(1 / 5)
    assert metrics.wasted_seconds_per_source_edit == 6.5
    (bust,) = metrics.busts
    assert bust.blamed == BustedBy(line=4, instruction="COPY . .")
    assert (bust.scenario, bust.step, bust.step_line, bust.seconds) == ("touch-source", "RUN npm ci", 5, 6.5)


def test_an_install_that_was_cached_wastes_nothing() -> None:
    metrics = cache_metrics([timing("touch-source", steps(install_cached=True), "a.ts")], parse(BAD))
    assert metrics.source_hit_ratio == pytest.approx(3 / 5)
    assert metrics.lockfile_hit_ratio is None
    assert metrics.wasted_seconds_per_source_edit == 0
    assert metrics.busts == ()


def test_without_a_source_scenario_nothing_is_claimed() -> None:
    metrics = cache_metrics([timing("noop", steps(install_cached=True), None)], parse(BAD))
    assert (metrics.source_hit_ratio, metrics.wasted_seconds_per_source_edit) == (None, None)


def test_without_a_dockerfile_the_engine_s_spelling_counts() -> None:
    metrics = cache_metrics([timing("touch-source", steps(install_cached=False), "a.ts")], None)
    assert [bust.step for bust in metrics.busts] == ["RUN npm ci"]
    assert metrics.busts[0].blamed.line == 4


def test_touching_what_the_install_reads_is_no_waste() -> None:
    metrics = cache_metrics([timing("touch-source", steps(install_cached=False), "package.json")], parse(BAD))
    assert metrics.busts == ()


def test_everything_cached_is_a_ratio_of_one() -> None:
    made = (step(1, "FROM x"),)
    assert cache_metrics([timing("touch-source", made, "a.ts")], None).source_hit_ratio == 1.0


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(steps(install_cached=False), 4, id="root-of-the-rebuild"),
        pytest.param(steps(install_cached=True), 6, id="later"),
        pytest.param((step(1, "FROM x"), step(2, "RUN a", cached=True)), None, id="all-cached"),
        pytest.param((step(9, "COPY b /"), step(3, "COPY a /")), 3, id="the-first-of-two-roots"),
    ],
)
def test_first_miss(made: tuple[Step, ...], expected: int | None) -> None:
    found = first_miss(made)
    assert (found.line if found else None) == expected


def test_ancestors_survive_a_loop() -> None:
    assert ancestors([(1,), (0, 7)], 0) == {0, 1}


def test_timing_has_median_spread_and_the_typical_repeat() -> None:
    traces = [
        BuildTrace(builder="b", steps=(step(2, f"RUN {n}"),), seconds=seconds, image_id=None)
        for n, seconds in enumerate([3.0, 1.0, 2.0])
    ]
    made = make_timing("touch-source", "a", traces)
    assert (made.seconds, made.median_s, made.spread_s) == ((3.0, 1.0, 2.0), 2.0, 2.0)
    assert made.steps[0].instruction == "RUN 2"
    assert made.steps[0].log == ""
    assert (made.steps_total, made.steps_cached) == (1, 0)


def test_forecast() -> None:
    forecast = Forecast(plan=["cold", "noop", "touch-source", "touch-lockfile", "touch-source"])
    assert forecast.seconds_left(1.0) is None
    forecast.note("cold", 10.0)
    assert forecast.seconds_left(0.0) == 2 + 10 + 10 + 10
    forecast.note("noop", 0.5)
    forecast.note("noop", 0.5)
    forecast.note("touch-source", 4.0)
    assert forecast.seconds_left(3.0) == 7 + 4
    assert forecast.seconds_left(30.0) == 4
    forecast.note("touch-lockfile", 4.0)
    forecast.note("touch-source", 4.0)
    assert forecast.seconds_left(0.0) == 0
