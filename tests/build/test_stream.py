"""Telling builders apart, and the classic builder's and Podman's streams."""

from __future__ import annotations

from typing import Any

import pytest
from streams import recorded, replay

from imgscan.build.classic import ClassicParser
from imgscan.build.podman import PodmanParser
from imgscan.build.steps import LogTail, StepEvent, StepState, seconds_of
from imgscan.build.stream import read_stream, sniff


@pytest.mark.parametrize("name", ["buildkit-cold", "classic-cold", "podman-cold", "classic-fail", "podman-fail"])
def test_every_recording_is_recognised(name: str) -> None:
    found = [sniff(record) for _, record in recorded(name)]
    assert {builder for builder in found if builder} == {name.partition("-")[0]}
    assert replay(name).builder == name.partition("-")[0]


def read(records: list[dict[str, Any]], expected: str) -> tuple[str, str | None]:
    parser = read_stream(records, expected=expected, clock=lambda: 0.0, on_event=lambda event: None)
    return parser.builder, parser.outcome.error


def test_a_stream_of_another_builder_than_asked_for() -> None:
    assert read([{"stream": "Step 1/1 : FROM x"}], "buildkit") == ("classic", None)


def test_an_error_before_the_first_step() -> None:
    assert read([{"errorDetail": {"message": "no\n"}, "error": "no"}], "podman") == ("podman", "no")
    assert read([], "classic") == ("classic", None)


def test_an_interrupted_stream_is_finished() -> None:
    seen: list[Any] = []

    def records() -> Any:
        yield {"stream": "Step 1/2 : FROM x"}
        yield {"stream": "Step 2/2 : RUN y"}
        raise KeyboardInterrupt

    times = iter([1.0, 2.0, 5.0])
    with pytest.raises(KeyboardInterrupt):
        read_stream(
            records(),
            expected="buildkit",
            clock=lambda: next(times),
            on_event=lambda event: None,
            on_parser=seen.append,
        )
    assert [seconds_of(step.intervals) for step in seen[0].steps()] == [1.0, 3.0]


@pytest.mark.parametrize(
    ("name", "cached"),
    [
        pytest.param("classic-cold", [], id="classic-cold"),
        pytest.param("classic-noop", [3, 4, 5, 7, 8, 9, 11, 12, 13], id="classic-noop"),
        pytest.param("classic-fail", [], id="classic-fail"),
    ],
)
def test_classic_steps(name: str, cached: list[int]) -> None:
    parser = replay(name)
    assert [step.ordinal for step in parser.steps() if step.cached] == cached
    assert all(step.intervals for step in parser.steps())


def test_classic_output_containers_and_images() -> None:
    parser = replay("classic-cold")
    run = parser.steps()[4]
    assert run.text == "RUN sleep 0.3; cp lock.txt deps.txt; echo installed deps"
    assert run.log.strip() == "installed deps"
    assert seconds_of(run.intervals) > 0.3
    assert "17c13e084191" in parser.outcome.containers
    assert "c8dbb4a61d9d" in parser.outcome.images
    assert (parser.outcome.image_id or "").startswith("sha256:c8dbb4a61d9d")


def test_classic_failure() -> None:
    parser = replay("classic-fail")
    failed = [step for step in parser.steps() if step.error]
    assert [step.ordinal for step in failed] == [4]
    assert "hello" in failed[0].log
    assert "non-zero code: 3" in (parser.outcome.error or "")


@pytest.mark.parametrize(
    ("lines", "log"),
    [
        pytest.param(["Removing intermediate container 0a1b2c3d4e5f\n"], "", id="20.10"),
        pytest.param([" ---> Removed intermediate container 0a1b2c3d4e5f\n"], "", id="28"),
        pytest.param(["# Executing 1 build trigger\n"], "", id="trigger"),
        pytest.param(["out\n", " ---> not an id\n"], "out\n ---> not an id\n", id="output-like-the-builder's"),
    ],
)
def test_classic_lines_that_are_no_output(lines: list[str], log: str) -> None:
    parser = ClassicParser()
    for line in ("Step 1/1 : RUN x", *lines):
        list(parser.feed({"stream": line}, 0.0))
    assert parser.steps()[0].log == log


def test_classic_warning_and_short_image_id() -> None:
    parser = ClassicParser()
    for line in (
        "Step 1/1 : RUN x",
        "[Warning] One or more build-args [A] were not consumed\n",
        "Successfully built abc\n",
    ):
        list(parser.feed({"stream": line}, 0.0))
    assert parser.outcome.warnings == ("One or more build-args [A] were not consumed",)
    assert parser.outcome.image_id == "abc"


@pytest.mark.parametrize(
    ("name", "cached"),
    [
        pytest.param("podman-cold", set(), id="cold"),
        pytest.param(
            "podman-noop",
            {*((0, n) for n in (2, 3, 4)), *((1, n) for n in (2, 3, 4)), *((2, n) for n in (2, 3, 4))},
            id="noop-with-interleaved-stages",
        ),
        pytest.param("podman-src", {*((0, n) for n in (2, 3, 4)), (1, 2), (2, 2)}, id="touched"),
    ],
)
def test_podman_steps(name: str, cached: set[tuple[int, int]]) -> None:
    parser = replay(name)
    found = {(int(step.stage[-1]), step.ordinal) for step in parser.steps() if step.cached}
    assert found == cached
    assert parser.outcome.error is None
    assert (parser.outcome.image_id or "").startswith("sha256:")


def test_podman_counts_no_time_of_the_steps_in_between() -> None:
    parser = PodmanParser()
    lines = [
        (0.0, "[2/2] STEP 1/2: FROM x"),
        (1.0, "[2/2] STEP 2/2: COPY --from=a / /"),
        (2.0, "[1/2] STEP 1/2: FROM y AS a"),
        (3.0, "[1/2] STEP 2/2: RUN z"),
        (7.0, "--> 0123456789a"),
        (8.0, "--> Using cache 1123456789a"),
        (8.5, "--> 1123456789a"),
    ]
    for now_s, line in lines:
        list(parser.feed({"stream": f"{line}\n"}, now_s))
    assert [(s.text[:4], s.cached, seconds_of(s.intervals)) for s in parser.steps()] == [
        ("FROM", False, 1.0),
        ("COPY", True, 2.5),
        ("FROM", False, 1.0),
        ("RUN ", False, 4.0),
    ]


def test_podman_failure() -> None:
    events: list[StepEvent] = []
    parser = replay("podman-fail", events)
    (failed,) = [step for step in parser.steps() if step.error]
    assert (failed.ordinal, failed.text) == (3, "RUN echo hello; echo bad >&2; exit 3")
    assert sorted(failed.log.split()) == ["bad", "hello"]
    assert events[-1].state is StepState.FAILED


def test_podman_single_stage_has_no_label() -> None:
    assert {step.stage for step in replay("podman-fail").steps()} == {""}


def test_the_tail_of_a_log_is_cut_at_a_line() -> None:
    tail = LogTail()
    tail.add(b"x" * 200_000 + b"\nlast\r\n")
    assert tail.text() == "last\n"
