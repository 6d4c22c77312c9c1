"""Steps find their Dockerfile lines."""

from __future__ import annotations

import pytest
from streams import DOCKERFILE, SETTINGS, replay

from imgscan.build.lines import BuildSettings, is_from, make_steps
from imgscan.build.steps import RawStep
from imgscan.dockerfile.parse import parse
from imgscan.model import Step


def raw(stage: str, ordinal: int, total: int, text: str) -> RawStep:
    return RawStep(platform="", stage=stage, ordinal=ordinal, total=total, text=text, cached=False, ran=True)


def steps_of(name: str) -> tuple[Step, ...]:
    parser = replay(name)
    return make_steps(parser.builder, parser.steps(), parse(DOCKERFILE), SETTINGS, str)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            "buildkit-cold",
            [("deps", 2), ("deps", 3), ("deps", 4), ("deps", 5), ("build", 8), ("build", 9), ("2", 12)],
            id="buildkit",
        ),
        pytest.param(
            "classic-cold",
            [
                *(("deps", line) for line in (2, 3, 4, 5)),
                *(("build", line) for line in (6, 7, 8, 9)),
                *(("2", line) for line in (10, 11, 12, 13)),
            ],
            id="classic-without-the-global-arg",
        ),
        pytest.param(
            "podman-noop",
            [
                *(("deps", line) for line in (2, 3, 4, 5)),
                *(("build", line) for line in (6, 7, 8, 9)),
                *(("2", line) for line in (10, 11, 12, 13)),
            ],
            id="podman-in-the-file's-order",
        ),
    ],
)
def test_recorded_builds(name: str, expected: list[tuple[str, int]]) -> None:
    assert [(step.stage, step.line) for step in steps_of(name)] == expected


def test_instructions_are_the_file_s_own() -> None:
    assert steps_of("buildkit-cold")[0].instruction == "FROM ${BASE} AS deps"


@pytest.mark.parametrize("name", ["classic-cold", "podman-noop"])
def test_inputs_follow_the_dockerfile(name: str) -> None:
    steps = steps_of(name)
    lines = {step.line: {steps[i].line for i in step.inputs} for step in steps}
    assert lines[6] == {5}  # FROM deps
    assert lines[12] == {11, 9}  # COPY --from=build
    assert lines[10] == set()
    assert lines[9] == {8}


def lines_of(text: str, *steps: RawStep, settings: BuildSettings = SETTINGS) -> list[int | None]:
    return [step.line for step in make_steps("buildkit", steps, parse(text), settings, str)]


@pytest.mark.parametrize(
    ("text", "steps", "expected"),
    [
        pytest.param(
            "FROM x\nWORKDIR /\nRUN a\nWORKDIR /b\nRUN c\n",
            [raw("", 1, 5, "FROM x"), raw("", 2, 5, "RUN a"), raw("", 3, 5, "WORKDIR /b"), raw("", 4, 5, "RUN c")],
            [1, 3, 4, 5],
            id="workdir-at-the-root-has-no-number",
        ),
        pytest.param(
            "FROM x\nRUN a\n",
            [raw("", 1, 4, "FROM x"), raw("", 2, 4, "COPY . /"), raw("", 3, 4, "RUN make"), raw("", 4, 4, "RUN a")],
            [1, 1, 1, 2],
            id="onbuild-of-the-base-image",
        ),
        pytest.param(
            "FROM x AS a\nONBUILD RUN t\nFROM a AS b\nRUN c\n",
            [raw("b", 1, 2, "RUN t"), raw("b", 2, 2, "RUN c")],
            [2, 4],
            id="onbuild-of-a-stage",
        ),
        pytest.param(
            "FROM x AS a\nONBUILD RUN t\nFROM a AS b\nRUN c\nWORKDIR /\nRUN d\n",
            [raw("b", 1, 4, "ONBUILD RUN t"), raw("b", 2, 4, "RUN c"), raw("b", 3, 4, "RUN d")],
            [2, 4, 6],
            id="onbuild-and-a-root",
        ),
        pytest.param(
            "FROM x AS a\nONBUILD RUN t\nFROM a AS b\nRUN c\nWORKDIR /\nRUN c\n",
            [raw("b", 1, 3, "RUN t"), raw("b", 2, 3, "RUN c"), raw("b", 3, 3, "RUN c")],
            [2, 4, 6],
            id="onbuild-that-is-not-counted",
        ),
        pytest.param(
            "FROM x AS a\nWORKDIR /a\nONBUILD WORKDIR ..\nFROM a AS b\nWORKDIR b\nWORKDIR ..\nRUN c\n",
            [raw("b", 1, 4, "WORKDIR b"), raw("b", 2, 4, "RUN c")],
            [5, 7],
            id="folder-of-the-stage-above",
        ),
        pytest.param(
            "FROM x\nRUN a\nWORKDIR /\n",
            [raw("", 1, 3, "FROM x"), raw("", 2, 3, "COPY . /"), raw("", 3, 3, "RUN a")],
            [1, 1, 2],
            id="onbuild-of-the-base-image-that-is-not-counted",
        ),
        pytest.param("FROM scratch\nCOPY a /\n", [raw("", 1, 1, "COPY a /")], [2], id="scratch-has-no-number"),
        pytest.param(
            "FROM x\nRUN a\nFROM y\nRUN b\n",
            [raw("stage-0", 2, 2, "RUN a"), raw("stage-1", 2, 2, "RUN b")],
            [2, 4],
            id="unnamed-stages",
        ),
        pytest.param("FROM x AS App\nRUN a\n", [raw("app", 2, 2, "RUN a")], [2], id="names-are-lower-case"),
        pytest.param("FROM x\nRUN a\n", [raw("", 2, 2, "RUN a")], [2], id="only-stage"),
        pytest.param("FROM x\nRUN a\n", [raw("other", 2, 2, "RUN a")], [None], id="unknown-stage"),
        pytest.param("FROM x\nRUN a\nCOPY b /\n", [raw("", 2, 3, "COPY b /")], [3], id="numbers-off"),
        pytest.param("FROM x\nCOPY b /\n", [raw("", 2, 2, "RUN z")], [None], id="no-such-instruction"),
        pytest.param(
            "FROM x\nENV D=/\nWORKDIR $D\nRUN a\nWORKDIR b\nWORKDIR ..\nRUN c\n",
            [raw("", 2, 6, "RUN a"), raw("", 3, 6, "WORKDIR b"), raw("", 4, 6, "RUN c")],
            [4, 5, 7],
            id="workdir-by-variable",
        ),
    ],
)
def test_buildkit_numbering(text: str, steps: list[RawStep], expected: list[int | None]) -> None:
    assert sorted(lines_of(text, *steps), key=str) == sorted(expected, key=str)


def test_a_trigger_belongs_to_the_stage_it_runs_in() -> None:
    text = "FROM x AS a\nONBUILD RUN t\nFROM a AS b\nRUN c\n"
    steps = make_steps("buildkit", [raw("b", 1, 2, "ONBUILD RUN t")], parse(text), SETTINGS, str)
    assert [(step.stage, step.ordinal, step.line) for step in steps] == [("b", 1, 2)]


def test_build_arguments_decide_what_is_a_stage() -> None:
    text = "ARG B=x\nFROM y AS base\nRUN a\nFROM ${B}\nRUN b\n"
    own = BuildSettings(build_args={"B": "base"})
    assert lines_of(text, raw("stage-1", 1, 1, "RUN b"), settings=own) == [5]
    assert lines_of(text, raw("stage-1", 2, 2, "RUN b")) == [5]


def test_steps_that_a_failed_build_did_not_reach_are_left_out_and_inputs_follow() -> None:
    never = RawStep(platform="", stage="", ordinal=2, total=3, text="RUN a", cached=False, ran=False)
    last = RawStep(platform="", stage="", ordinal=3, total=3, text="RUN b", cached=True, ran=False, inputs=(0, 1))
    all_raw, dockerfile = [raw("", 1, 3, "FROM x"), never, last], parse("FROM x\nRUN a\nRUN b\n")
    steps = make_steps("buildkit", all_raw, dockerfile, SETTINGS, str, failed=True)
    assert [(step.line, step.inputs) for step in steps] == [(1, ()), (3, (0,))]
    assert [is_from(step) for step in steps] == [True, False]
    # In a build that succeeded nobody needed it: another build had done it, or what came after it was cached.
    steps = make_steps("buildkit", all_raw, dockerfile, SETTINGS, str)
    assert [(step.line, step.cached, step.inputs) for step in steps] == [
        (1, False, ()),
        (2, True, ()),
        (3, True, (0, 1)),
    ]


def test_without_a_dockerfile_there_are_no_lines() -> None:
    parser = replay("classic-cold")
    steps = make_steps("classic", parser.steps(), None, SETTINGS, str)
    assert {step.line for step in steps} == {None}
    assert len(steps) == 13


def test_every_text_is_cleaned() -> None:
    step = RawStep(
        platform="", stage="b", ordinal=1, total=1, text="RUN hush", cached=False, ran=True, error="hush", log="hush\n"
    )
    (made,) = make_steps("buildkit", [step], None, SETTINGS, lambda text: text.replace("hush", "***"))
    assert "hush" not in repr(made)
