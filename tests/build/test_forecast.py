"""Seconds of edits from the timings of one build."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imgscan.build.forecast import DEFAULT_SPREAD, SLACK_S, Costs, costs_of, predict, relined
from imgscan.build.rerun import Rerun
from imgscan.dockerfile.parse import parse
from imgscan.errors import InputError
from imgscan.model import Interval, Step, Timing

DOCKERFILE = """FROM a AS deps
RUN install
FROM a AS build
COPY . .
RUN compile
FROM a
COPY --from=deps /d /d
COPY --from=build /o /o
"""
MB = 1_000_000


def step(line: int, text: str, start: float, end: float, *inputs: int, size: int | None = None) -> Step:
    return Step(
        stage=str(line),
        ordinal=1,
        instruction=text,
        line=line,
        cached=False,
        seconds=end - start,
        intervals=(Interval(start_s=start, end_s=end),),
        inputs=inputs,
        layer_bytes=size,
    )


# The install takes 10 s beside 1 s of copying and 4 s of compiling; the last copies wait 0.5 s for checksums.
STEPS = (
    step(1, "FROM a AS deps", 0, 0),
    step(2, "RUN install", 0, 10, 0),
    step(4, "COPY . .", 0, 1, 0),
    step(5, "RUN compile", 1, 5, 2),
    step(7, "COPY --from=deps /d /d", 10.5, 12.5, 1, size=30 * MB),
    step(8, "COPY --from=build /o /o", 12.5, 13, 4, 3, size=10 * MB),
)


def timing(name: str, *seconds: float, steps: tuple[Step, ...] = (), **fields: object) -> Timing:
    middle = sorted(seconds)[len(seconds) // 2]
    made = Timing(
        name=name,
        touched=None,
        seconds=seconds,
        median_s=middle,
        spread_s=max(seconds) - min(seconds),
        steps_total=len(steps),
        steps_cached=0,
        steps=steps,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


COLD = timing("cold", 18.0, steps=STEPS, export_s=4.25, critical_s=13.0)
NOOP = timing("noop", 0.75, export_s=0.25)


def rerun(**lines: bool) -> Rerun:
    return Rerun(lines={int(name[1:]): sure for name, sure in lines.items()}, busted_by=None)


def seconds(found: Rerun, costs: Costs | None = None) -> float:
    return predict(costs or costs_of((COLD, NOOP)), found, name="edit", touched=("x",)).seconds


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(rerun(), 0.75, id="nothing-runs"),
        pytest.param(rerun(_4=True, _5=True), 0.75 + 5, id="a-chain-without-layers"),
        pytest.param(rerun(_4=True, _5=True, _8=False), 0.75 + 5.5 + 4 * 11 / 42, id="with-a-quarter-of-the-layers"),
        pytest.param(rerun(_2=True, _4=True, _5=True), 0.75 + 10, id="side-by-side-the-longer-counts"),
        pytest.param(rerun(_2=True, _7=False, _8=False), 0.75 + 10 + 2.5 + 0.5 + 4.0, id="with-the-pause-before"),
        pytest.param(rerun(_1=True, _9=True), 0.75, id="from-and-lines-without-a-step-cost-nothing"),
    ],
)
def test_the_seconds_of_an_edit(found: Rerun, expected: float) -> None:
    assert seconds(found) == pytest.approx(expected, abs=1e-3)


def test_the_range_leaves_out_what_may_be_a_hit_and_ends_with_all_in_turn() -> None:
    made = predict(costs_of((COLD, NOOP)), rerun(_2=True, _4=True, _5=True, _8=False), name="edit", touched=("x",))
    assert made.low_s == pytest.approx((0.75 + 10) * (1 - DEFAULT_SPREAD) - SLACK_S)
    assert made.high_s == pytest.approx((0.75 + 15.5 + 4 * 11 / 42) * (1 + DEFAULT_SPREAD) + SLACK_S, abs=1e-3)
    assert (made.steps_total, made.steps_cached) == (5, 1)
    assert [(s.line, s.sure) for s in made.steps] == [(2, True), (4, True), (5, True), (8, False)]


def test_a_step_takes_as_long_as_in_rebuilds_where_it_ran_in_them() -> None:
    again = (replace(STEPS[2], seconds=0.5), replace(STEPS[3], seconds=2.0), replace(STEPS[1], cached=True, seconds=0))
    costs = costs_of((COLD, NOOP, timing("touch-source", 2.5, steps=again)))
    assert [cost.seconds for cost in costs.steps] == [0, 10, 0.5, 2.0, 2.0, 0.5]


MOUNTED = replace(STEPS[1], instruction="RUN --mount=type=cache,target=/c install")


def test_a_cache_mount_that_was_never_seen_filled_may_make_a_step_short() -> None:
    cold = replace(COLD, steps=(STEPS[0], MOUNTED, *STEPS[2:]))
    again = replace(MOUNTED, seconds=2.0)
    filled = timing("rerun-all", 8.0, steps=(again,))
    unseen = predict(costs_of((cold, NOOP)), rerun(_2=True), name="edit", touched=("x",))
    seen = predict(costs_of((cold, NOOP, filled)), rerun(_2=True), name="edit", touched=("x",))
    assert (unseen.seconds, unseen.low_s) == pytest.approx((10.75, 0.75 * (1 - DEFAULT_SPREAD) - SLACK_S))
    assert (seen.seconds, seen.low_s) == pytest.approx((2.75, 2.75 * (1 - DEFAULT_SPREAD) - SLACK_S))


@pytest.mark.parametrize(
    ("repeats", "expected"),
    [
        pytest.param((10.0,), DEFAULT_SPREAD, id="no-repeats"),
        pytest.param((10.0, 10.0, 16.0), 0.3, id="as-seen"),
        pytest.param((10.0, 10.0, 10.1), 0.1, id="never-as-little-as-that"),
        pytest.param((10.0, 10.0, 90.0), 0.6, id="nor-as-much"),
        pytest.param((0.1, 0.1, 0.3), DEFAULT_SPREAD, id="too-short-to-tell"),
    ],
)
def test_spread(repeats: tuple[float, ...], expected: float) -> None:
    assert costs_of((COLD, NOOP, timing("touch-source", *repeats))).basis.spread == pytest.approx(expected)


@pytest.mark.parametrize(("load", "expected"), [(0.3, 0.2), (1.0, 0.2), (2.0, 0.4), (9.0, 0.6)])
def test_a_busy_machine_widens_the_range(load: float, expected: float) -> None:
    assert costs_of((COLD, NOOP), load=load).basis.spread == pytest.approx(expected)
    repeated = timing("touch-source", 10.0, 10.0, 13.0)
    assert costs_of((COLD, NOOP, repeated), load=load).basis.spread == pytest.approx(0.15)


def test_export_is_what_is_left_where_the_builder_does_not_tell() -> None:
    costs = costs_of((replace(COLD, export_s=None), replace(NOOP, export_s=None)))
    assert costs.basis.export_s == pytest.approx(18 - 0.75 - 13)


def test_without_sizes_all_layers_weigh_the_same() -> None:
    bare = replace(COLD, steps=tuple(replace(s, layer_bytes=None) for s in STEPS))
    assert [cost.export_s for cost in costs_of((bare, NOOP)).steps] == pytest.approx([0, *[0.8] * 5])


@pytest.mark.parametrize("timings", [(), (COLD,), (NOOP,)], ids=["none", "no-noop", "no-cold"])
def test_without_a_basis_there_is_no_prediction(timings: tuple[Timing, ...]) -> None:
    with pytest.raises(InputError, match="no timings of a cold build"):
        costs_of(timings)


def test_steps_of_an_older_dockerfile_are_found_again() -> None:
    moved = parse("# a comment\n" + DOCKERFILE.replace("RUN compile", "RUN compile --fast"))
    (found,), lost = relined((COLD,), moved)
    assert [s.line for s in found.steps] == [2, 3, 5, None, 8, 9]
    assert lost == ("RUN compile",)
    assert relined((COLD,), parse(DOCKERFILE)) == ((COLD,), ())
