"""What lies between two reports: figures and their noise, findings by fingerprint, steps, risks, folders."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import finding, image, proof, report, risk, timing
from hypothesis import given
from hypothesis import strategies as st

from imgscan.delta import Delta, Figure, FolderChange, RiskChange, StepChange, Unit, compare, new_findings
from imgscan.model import (
    Accepted,
    AcceptedBy,
    BuildInfo,
    Finding,
    Location,
    Place,
    Report,
    Severity,
    Step,
    Timing,
    Verdict,
    Waste,
    WasteCause,
)

BUILD = BuildInfo(builder="buildkit", engine="28.5.2", store="overlay2", cpus=2)


def with_timing(*timings: Timing) -> Report:
    return report(build=replace(BUILD, scenarios=timings))


def figure(delta: Delta, key: str) -> Figure:
    return next(one for one in delta.figures if one.key == key)


def test_the_same_report_twice_is_no_news() -> None:
    delta = compare(report(), report())
    assert delta.is_empty
    assert delta.standing == 2


def test_patches_are_no_news_of_what_they_are_for() -> None:
    assert compare(report(), report(proofs=(proof(),))) == compare(report(), report())


SECONDS = [
    pytest.param((8.0, 8.4, 9.0), (8.1, 8.6, 9.1), False, id="within-the-spread"),
    pytest.param((8.0, 8.4, 9.0), (25.0, 26.1, 27.0), True, id="three-times"),
    pytest.param((0.10, 0.11), (0.25, 0.25), False, id="too-short-to-tell"),
    pytest.param((60.0, 60.1), (62.0, 62.1), False, id="a-twentieth"),
    pytest.param((10.0,), (12.0,), False, id="one-run-less-than-a-quarter"),
    pytest.param((10.0,), (13.0,), True, id="one-run-more"),
    pytest.param((10.0, 10.1), (7.0, 7.1), True, id="faster"),
]


def timed(seconds: tuple[float, ...]) -> Timing:
    middle = sorted(seconds)[len(seconds) // 2]
    return timing(seconds=seconds, median_s=middle, spread_s=max(seconds) - min(seconds))


@pytest.mark.parametrize(("base", "head", "differs"), SECONDS)
def test_seconds_differ_beyond_their_spread(base: tuple[float, ...], head: tuple[float, ...], differs: bool) -> None:
    one = figure(compare(with_timing(timed(base)), with_timing(timed(head))), "seconds-touch-source")
    assert one.differs is differs
    assert one.worse is (differs and head > base)


@given(st.floats(0.01, 1e4), st.floats(0, 1e3), st.floats(0.01, 1e4), st.floats(0, 1e3))
def test_noise_knows_no_direction_worth_telling(
    base: float, base_spread: float, head: float, head_spread: float
) -> None:
    before = timing(seconds=(base, base + base_spread), median_s=base, spread_s=base_spread)
    after = timing(seconds=(head, head + head_spread), median_s=head, spread_s=head_spread)
    one = figure(compare(with_timing(before), with_timing(after)), "seconds-touch-source")
    if abs(base - head) <= (base_spread + head_spread) / 2:
        assert not one.differs


def test_fewer_cached_steps_are_worse() -> None:
    delta = compare(with_timing(timing(steps_cached=4)), with_timing(timing(steps_cached=1)))
    one = figure(delta, "cached-touch-source")
    assert one.worse
    assert one.of == (4, 4)


def test_what_only_one_report_measured_is_no_change() -> None:
    delta = compare(report(build=None, image=None), report())
    assert figure(delta, "seconds-touch-source").change is None
    assert figure(delta, "size-bytes").base is None
    assert not [one.key for one in delta.figures if one.differs]


def test_findings_are_the_same_by_fingerprint() -> None:
    moved = finding(fingerprint="m" * 16, location=Location(place=Place.CONTEXT, path="a", line=1))
    base = report(findings=(finding(fingerprint="f" * 16), moved))
    head = report(
        findings=(
            replace(moved, location=replace(moved.location, line=9)),
            finding(fingerprint="n" * 16, severity=Severity.LOW),
            finding(fingerprint="c" * 16),
        )
    )
    delta = compare(base, head)
    assert [f.fingerprint[0] for f in delta.new] == ["c", "n"]
    assert [f.fingerprint[0] for f in delta.fixed] == ["f"]
    assert [(pair.base.location.line, pair.head.location.line) for pair in delta.moved] == [(1, 9)]
    assert delta.standing == 1
    assert [f.fingerprint[0] for f in new_findings(delta, Severity.HIGH)] == ["c"]
    assert len(new_findings(delta, None)) == 2


def test_what_is_accepted_is_neither_new_nor_standing() -> None:
    accepted = finding(accepted=Accepted(by=AcceptedBy.BASELINE, reason="known"))
    assert compare(report(findings=()), report(findings=(accepted,))).new == ()
    assert [f.fingerprint for f in compare(report(findings=(finding(),)), report(findings=(accepted,))).fixed]


def step(instruction: str, cached: bool) -> Step:
    return Step(stage="0", ordinal=1, instruction=instruction, line=4, cached=cached, seconds=2.0)


def test_steps_that_run_again_are_told() -> None:
    before = timing(steps=(step("RUN a", True), step("RUN b", False), step("RUN old", True)))
    after = timing(steps=(step("RUN a", False), step("RUN b", True), step("RUN new", False)))
    assert compare(with_timing(before), with_timing(after)).steps == (
        StepChange(scenario="touch-source", instruction="RUN a", line=4, cached_before=True, seconds=2.0),
        StepChange(scenario="touch-source", instruction="RUN b", line=4, cached_before=False, seconds=2.0),
    )


def test_risks_that_changed() -> None:
    base = report(risks=(risk(id="A-1", score=9), risk(id="B-1", score=4)))
    head = report(risks=(risk(id="A-1", score=3), risk(id="B-1", score=4), risk(id="C-1", score=6)))
    text = risk().description
    assert compare(base, head).risks == (
        RiskChange(id="A-1", description=text, base=9, head=3),
        RiskChange(id="C-1", description=text, base=None, head=6),
    )


def waste(path: str, size: int, shadowed_by: int | None = 2) -> Waste:
    return Waste(path=path, bytes=size, cause=WasteCause.DELETED, shipped_by=1, shadowed_by=shadowed_by)


def test_folders_with_more_in_vain_come_first() -> None:
    base = report(image=image(waste=(waste("/usr/lib/a", 10), waste("/tmp/x", 5))))
    head = report(image=image(waste=(waste("/usr/lib/a", 30), waste("/usr/lib/b", 30), waste("/opt/z/y", 1, None))))
    assert compare(base, head).folders == (
        FolderChange(folder="/usr/lib", base=10, head=60),
        FolderChange(folder="/tmp", base=5, head=0),
    )


def test_an_incomplete_side_is_named() -> None:
    assert compare(report(complete=True), report(complete=False)).incomplete == ("head",)


def test_a_verdict_that_changed_is_news() -> None:
    base, head = report(verdict=Verdict.GO), report(verdict=Verdict.NO_GO)
    assert not compare(base, head).is_empty


def test_counts_of_findings_are_figures() -> None:
    found: tuple[Finding, ...] = (finding(), finding(fingerprint="2" * 16))
    one = figure(compare(report(findings=found[:1]), report(findings=found)), "findings-critical")
    assert (one.base, one.head, one.unit, one.worse) == (1, 2, Unit.COUNT, True)
