"""BuildKit's stream, recorded and made up."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import log, message, replay, timestamp, trace, vertex

from imgscan.build.buildkit import BuildkitParser
from imgscan.build.steps import LOG_BYTES, RawStep, StepEvent, StepState, seconds_of
from imgscan.model import Interval


def feed(*records: dict[str, Any]) -> tuple[BuildkitParser, list[StepEvent]]:
    parser = BuildkitParser()
    events = [event for record in records for event in parser.feed(record, 0.0)]
    return parser, events


def facts(step: RawStep) -> tuple[str, int, str, bool]:
    return step.stage, step.ordinal, step.text, step.cached


NAMES = [
    ("deps", 1, "FROM docker.io/library/imgscan-fixture-busybox:1"),
    ("deps", 2, "WORKDIR /app"),
    ("deps", 3, "COPY lock.txt ./"),
    ("deps", 4, "RUN sleep 0.3; cp lock.txt deps.txt; echo installed deps"),
    ("build", 1, "COPY . ."),
    ("build", 2, "RUN sleep 0.2; cat main.py > out.txt"),
    ("stage-2", 2, "COPY --from=build /app/out.txt /out.txt"),
]


@pytest.mark.parametrize(
    ("name", "cached"),
    [
        pytest.param("buildkit-cold", [False] * 7, id="cold"),
        pytest.param("buildkit-noop", [False, *[True] * 6], id="noop"),
        pytest.param("buildkit-src", [*[True] * 4, *[False] * 3], id="touched"),
    ],
)
def test_recorded_builds(name: str, cached: list[bool]) -> None:
    parser = replay(name)
    assert [facts(step) for step in parser.steps()] == [(*n, c) for n, c in zip(NAMES, cached, strict=True)]
    assert [step.inputs for step in parser.steps()] == [(), (0,), (1,), (2,), (3,), (4,), (0, 5)]
    assert parser.outcome.error is None
    assert (parser.outcome.image_id or "").startswith("sha256:")


def test_recorded_times_and_output() -> None:
    steps = replay("buildkit-cold").steps()
    assert 0.3 < seconds_of(steps[3].intervals) < 3
    assert steps[3].log == "installed deps\n"


def test_recorded_failure_beside_a_canceled_stage() -> None:
    parser = replay("buildkit-fail2")
    failed = [step for step in parser.steps() if step.error]
    assert [facts(step)[:3] for step in failed] == [("b", 2, "RUN sleep 0.5; exit 4")]
    never = [step.text for step in parser.steps() if not step.ran and not step.cached]
    assert never == ["COPY --from=a / /a", "COPY --from=b / /b"]


def test_events_tell_each_state_once() -> None:
    events: list[StepEvent] = []
    replay("buildkit-src", events)
    told = [(event.label, event.state) for event in events if event.user]
    assert len(told) == len(set(told))
    assert ("[build 2/2] RUN sleep 0.2; cat main.py > out.txt", StepState.STARTED) in told
    assert ("[build 2/2] RUN sleep 0.2; cat main.py > out.txt", StepState.DONE) in told
    assert ("[deps 3/4] COPY lock.txt ./", StepState.CACHED) in told


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("[2/3] RUN a", ("", "", 2, 3, "RUN a"), id="only-stage"),
        pytest.param("[stage-1  2/12] RUN a", ("", "stage-1", 2, 12, "RUN a"), id="padded"),
        pytest.param("[linux/arm64 build 2/3] RUN a", ("linux/arm64", "build", 2, 3, "RUN a"), id="platform"),
        pytest.param("[linux/amd64->arm64 2/3] RUN a", ("linux/amd64->arm64", "", 2, 3, "RUN a"), id="cross"),
        pytest.param("[a.b_c-d 1/1] RUN [x] a\nb", ("", "a.b_c-d", 1, 1, "RUN [x] a\nb"), id="lines"),
    ],
)
def test_names_of_user_steps(name: str, expected: tuple[str, str, int, int, str]) -> None:
    parser, _ = feed(trace(vertices=[vertex("a", name, start=1, end=2)]))
    (step,) = parser.steps()
    assert (step.platform, step.stage, step.ordinal, step.total, step.text) == expected


@pytest.mark.parametrize(
    "name",
    [
        "[internal] load metadata for docker.io/library/node:24",
        "[auth] library/node:pull token for registry-1.docker.io",
        "exporting to image",
        "copy /context /",
        "docker-image://docker.io/docker/dockerfile:1",
        "[2/3 RUN",
        "",
    ],
)
def test_other_vertices_are_no_steps(name: str) -> None:
    parser, events = feed(trace(vertices=[vertex("a", name, start=1, end=2)]))
    assert parser.steps() == ()
    assert not any(event.user for event in events)


def test_vertices_of_one_step_are_one_step() -> None:
    parser, _ = feed(
        trace(
            vertices=[
                vertex("f", "[1/3] FROM x", start=1, end=1),
                vertex("a", "[2/3] COPY --link a /", start=1, end=2, inputs=["f"]),
                vertex("m", "[2/3] COPY --link a /", start=2, end=4, inputs=["f", "a"]),
                vertex("r", "[3/3] RUN x", cached=True, start=4, end=4, inputs=["m"]),
            ]
        )
    )
    steps = parser.steps()
    assert [step.inputs for step in steps] == [(), (0,), (1,)]
    assert seconds_of(steps[1].intervals) == 3


@pytest.mark.parametrize("copied", [True, False])
def test_a_linked_copy_is_cached_when_its_files_are(copied: bool) -> None:
    parser, _ = feed(
        trace(
            vertices=[
                vertex("m", "[2/2] LINK COPY --link a /", start=2, end=2.1, inputs=["a"]),
                vertex("a", "[2/2] COPY --link a /", start=1, end=2, cached=copied),
            ]
        )
    )
    (step,) = parser.steps()
    assert (step.text, step.cached, step.ran) == ("COPY --link a /", copied, not copied)


def test_inputs_look_through_vertices_that_are_not_the_users() -> None:
    parser, _ = feed(
        trace(
            vertices=[
                vertex("c", "[internal] load build context"),
                vertex("a", "[a 1/1] RUN x", start=1, end=2, inputs=["c"]),
                vertex("i", "merge", inputs=["a", "i"]),
                vertex("b", "[b 1/1] RUN y", start=2, end=3, inputs=["i", "gone"]),
            ]
        )
    )
    assert [step.inputs for step in parser.steps()] == [(), (0,)]


def test_intervals_are_added_up_not_spanned() -> None:
    parser, _ = feed(
        trace(vertices=[vertex("a", "[1/1] RUN x", start=10)]),
        trace(vertices=[vertex("a", "[1/1] RUN x", start=10, end=11)]),
        trace(vertices=[vertex("a", "[1/1] RUN x", start=20)]),
        trace(vertices=[vertex("a", "[1/1] RUN x", start=20, end=20.5)]),
    )
    (step,) = parser.steps()
    assert step.intervals == (Interval(start_s=10, end_s=11), Interval(start_s=20, end_s=20.5))
    assert seconds_of(step.intervals) == pytest.approx(1.5)


def test_an_open_step_ends_with_the_stream() -> None:
    parser, _ = feed(trace(vertices=[vertex("a", "[1/1] RUN x", start=10)]))
    parser.finish(12.0)
    assert parser.steps()[0].intervals == (Interval(start_s=10, end_s=12),)


def test_a_long_output_keeps_its_end() -> None:
    lines = "".join(f"line {n}\n" for n in range(40_000))
    chunks = [lines[at : at + 5000] for at in range(0, len(lines), 5000)]
    parser, _ = feed(
        trace(vertices=[vertex("a", "[1/1] RUN x", start=1)]), *(trace(logs=[log("a", chunk)]) for chunk in chunks)
    )
    kept = parser.steps()[0].log
    assert len(kept) <= LOG_BYTES
    assert kept.endswith("line 39999\n")
    assert kept.startswith("line ")


def test_errors_and_warnings() -> None:
    parser, _ = feed(
        trace(
            vertices=[vertex("i", "[internal] load metadata for docker.io/library/x:1", start=1, end=2, error="gone")],
            warnings=[message([(1, "i"), (3, "JSONArgsRecommended: use JSON")])],
        ),
        {"errorDetail": {"message": "failed to solve: gone"}, "error": "failed to solve: gone"},
    )
    assert parser.outcome.error == "failed to solve: gone"
    assert parser.outcome.failed == "[internal] load metadata for docker.io/library/x:1"
    assert parser.outcome.warnings == ("JSONArgsRecommended: use JSON",)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(trace(vertices=[vertex("a", "[1/1] RUN x", start=1, end=2)], extra=b"\x0a\x50ab"), id="cut"),
        pytest.param({"id": "moby.buildkit.trace", "aux": "not base64!"}, id="not-base64"),
        pytest.param({"id": "moby.buildkit.trace", "aux": "AAA"}, id="bad-padding"),
    ],
)
def test_a_broken_message_is_a_warning(record: dict[str, Any]) -> None:
    parser, _ = feed(record)
    assert "could not be read" in parser.outcome.warnings[0]
    assert all(step.text == "RUN x" for step in parser.steps())


@pytest.mark.parametrize(
    "record",
    [{}, {"id": 3}, {"id": "moby.buildkit.trace"}, {"id": "moby.image.id", "aux": None}, {"stream": "x"}, {"aux": 1}],
)
def test_odd_records_are_stepped_over(record: dict[str, Any]) -> None:
    parser, events = feed(record)
    assert (parser.steps(), events, parser.outcome.error) == ((), [], None)


@given(st.binary(max_size=80))
def test_any_message_is_survived(data: bytes) -> None:
    parser, _ = feed({"id": "moby.buildkit.trace", "aux": base64.b64encode(data).decode()})
    parser.steps()
    assert parser.outcome.error is None


def test_unknown_fields_are_ignored() -> None:
    odd = vertex("a", "[1/1] RUN x", start=1, end=2) + message([(99, "new"), (100, 7)]) + timestamp(3)[:0]
    parser, _ = feed(trace(vertices=[odd], extra=message([(77, "new")])))
    assert [step.text for step in parser.steps()] == ["RUN x"]
