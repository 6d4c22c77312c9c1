"""Scopes of ARG and ENV, parents, targets, and which stages a build needs."""

from __future__ import annotations

import time

import pytest

from imgscan.dockerfile.parse import base_image, find_stage, needed_stages, parse, stage_scope, target_stage
from imgscan.dockerfile.stages import parent_stages, walk_scopes
from imgscan.errors import InputError

PLATFORM = {"TARGETPLATFORM": "linux/arm64", "TARGETARCH": "arm64", "TARGETOS": "linux", "TARGETVARIANT": ""}


@pytest.mark.parametrize(
    ("text", "build_args", "expected"),
    [
        pytest.param("ARG V=1\nFROM a:$V", {}, "a:1", id="global"),
        pytest.param("ARG V=1\nFROM a:$V", {"V": "2"}, "a:2", id="build-arg"),
        pytest.param("ARG V=1\nARG W=x$V\nFROM a:$W", {}, "a:x1", id="global-in-global"),
        pytest.param("ARG V\nFROM a:${V:-3}", {}, "a:3", id="default-of-the-word"),
        pytest.param("ARG V\nFROM a:${V-3}", {}, "a:3", id="declared-is-not-set"),
        pytest.param("FROM a:${V}x", {"V": "2"}, "a:x", id="undeclared-build-arg-does-not-count"),
        pytest.param("FROM a-$TARGETARCH", PLATFORM, "a-arm64", id="platform"),
        pytest.param('ARG V="1 2"\nFROM "a:$V"', {}, "a:1 2", id="quotes"),
        pytest.param("ARG V='$W'\nARG W=1\nFROM a$V", {}, "a$W", id="single-quotes-in-arg"),
    ],
)
def test_base_image(text: str, build_args: dict[str, str], expected: str) -> None:
    parsed = parse(text)
    assert base_image(parsed, parsed.stages[0], build_args) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("ARG B\nFROM $B", "Dockerfile:2: base name ($B) should not be blank", id="blank"),
        pytest.param("FROM ${B:?set}", "Dockerfile:1: failed to process '${B:?set}': B: set", id="required"),
    ],
)
def test_base_image_that_cannot_be_told(text: str, message: str) -> None:
    parsed = parse(text)
    with pytest.raises(InputError) as caught:
        base_image(parsed, parsed.stages[0], {})
    assert caught.value.what == message


@pytest.mark.parametrize(
    ("stage_text", "build_args", "expected"),
    [
        pytest.param("ENV A=1 B=2", {}, {"A": "1", "B": "2"}, id="env"),
        pytest.param("ENV A=1\nENV A=2", {}, {"A": "2"}, id="latest-wins"),
        pytest.param("ENV A=1\nENV A=2 B=$A", {}, {"A": "2", "B": "1"}, id="one-value-per-instruction"),
        pytest.param("ENV A hello  $B", {}, {"A": "hello  "}, id="legacy"),
        pytest.param("ENV A='$B' C=\"\\$D\"", {}, {"A": "$B", "C": "$D"}, id="quoted-dollars"),
        pytest.param("ENV $N=1", {}, {}, id="blank-name"),
        pytest.param("ENV N=X\nENV $N=1", {}, {"N": "X", "X": "1"}, id="name-from-variable"),
        pytest.param("ARG A=1", {}, {"A": "1"}, id="arg-default"),
        pytest.param("ARG A", {}, {}, id="arg-without-value"),
        pytest.param("ARG A", {"A": "2"}, {"A": "2"}, id="arg-given"),
        pytest.param("ARG A=1", {"A": "2"}, {"A": "2"}, id="given-beats-default"),
        pytest.param("ARG A=1", {"A": "$B'"}, {"A": "$B'"}, id="given-is-not-expanded"),
        pytest.param("RUN x", {"A": "2"}, {}, id="undeclared"),
        pytest.param("ARG G", {}, {"G": "global"}, id="global-redeclared"),
        pytest.param("ARG G=own", {}, {"G": "own"}, id="own-default-beats-global"),
        pytest.param("ARG G=own", {"G": "given"}, {"G": "given"}, id="given-beats-all"),
        pytest.param("ENV X=$G", {}, {"X": ""}, id="global-not-redeclared"),
        pytest.param("ARG A=1\nENV A=2", {"A": "3"}, {"A": "2"}, id="env-overrides-arg"),
        pytest.param("ARG A=1 B=$A", {}, {"A": "1", "B": "1"}, id="arg-sees-the-one-before"),
        pytest.param("ENV E=1\nARG A=x$E", {}, {"E": "1", "A": "x1"}, id="env-in-arg"),
        pytest.param("ARG TARGETARCH", PLATFORM, {"TARGETARCH": "arm64"}, id="platform-declared"),
        pytest.param("ENV X=$TARGETARCH", PLATFORM, {"X": ""}, id="platform-undeclared"),
        pytest.param("ENV X=$HTTP_PROXY", {"HTTP_PROXY": "p"}, {"X": ""}, id="proxy-undeclared"),
        pytest.param("ARG HTTP_PROXY", {"HTTP_PROXY": "p"}, {"HTTP_PROXY": "p"}, id="proxy-declared"),
        pytest.param("ENV A=1\nENV A=${B:?}", {}, {}, id="what-cannot-be-expanded-is-unset"),
        pytest.param("ENV P=/a/b\nENV Q=${P##*/}", {}, {"P": "/a/b", "Q": "b"}, id="pattern"),
    ],
)
def test_stage_scope(stage_text: str, build_args: dict[str, str], expected: dict[str, str]) -> None:
    parsed = parse(f"ARG G=global\nFROM a\n{stage_text}\n")
    assert stage_scope(parsed, parsed.stages[0], build_args) == expected


def test_scope_is_handed_down_to_stages_built_on_it() -> None:
    parsed = parse("FROM a AS one\nARG A=1\nENV E=$A\nFROM one AS two\nARG B=$A$E\nFROM b\nARG C=$A\n")
    assert stage_scope(parsed, parsed.stages[1], {}) == {"A": "1", "E": "1", "B": "11"}
    assert stage_scope(parsed, parsed.stages[2], {}) == {"C": ""}


def test_onbuild_triggers_of_the_parent_come_first() -> None:
    parsed = parse("FROM a AS one\nONBUILD ENV T=1\nFROM one AS two\nENV U=$T\nFROM two\n")
    assert stage_scope(parsed, parsed.stages[0], {}) == {}
    assert stage_scope(parsed, parsed.stages[1], {}) == {"T": "1", "U": "1"}
    assert stage_scope(parsed, parsed.stages[2], {}) == {"T": "1", "U": "1"}


def test_scope_at_every_instruction() -> None:
    parsed = parse("FROM z AS p\nENV A=0\nFROM p\nENV A=1\nCOPY $A b\nENV A=2\n")
    steps = [(c.keyword if c else None, scope.get("A")) for c, scope in walk_scopes(parsed, parsed.stages[1], {})]
    assert steps == [("FROM", "0"), ("ENV", "0"), ("COPY", "1"), ("ENV", "1"), (None, "2")]


def test_growth_is_bounded() -> None:
    doubling = parse("FROM a\nENV A=aaaaaaaa\n" + "ENV A=$A$A\n" * 60)
    assert stage_scope(doubling, doubling.stages[0], {}).get("A", "") == ""
    many = parse("FROM a\nENV A=" + "a" * 60_000 + "\n" + "".join(f"ENV B{i}=$A$A\n" for i in range(500)))
    assert sum(map(len, stage_scope(many, many.stages[0], {}).values())) <= 8 << 20


@pytest.mark.parametrize(
    ("name", "before", "expected"),
    [
        pytest.param("one", None, 2, id="last-of-that-name"),
        pytest.param("ONE", 2, 0, id="before"),
        pytest.param("0", None, 0, id="index"),
        pytest.param("3", None, None, id="index-too-large"),
        pytest.param("-1", None, None, id="index-negative"),
        pytest.param("1", 1, None, id="index-not-before"),
        pytest.param("none", None, None, id="unknown"),
        pytest.param("", None, None, id="empty"),
        pytest.param("9" * 5000, None, None, id="many-digits"),
    ],
)
def test_find_stage(name: str, before: int | None, expected: int | None) -> None:
    found = find_stage(parse("FROM a AS One\nFROM b\nFROM c AS ONE\n"), name, before)
    assert (found.index if found else None) == expected


def test_target_stage() -> None:
    parsed = parse("FROM a AS One\nFROM b AS two\n")
    assert target_stage(parsed, None).index == target_stage(parsed, "").index == 1
    assert target_stage(parsed, "oNe").index == 0
    with pytest.raises(InputError) as caught:
        target_stage(parsed, "three")
    assert caught.value.what == 'Dockerfile: target stage "three" could not be found'
    assert caught.value.cause == "its stages: one, two"


def test_parents() -> None:
    parsed = parse(
        "ARG B=one\nFROM a AS one\nFROM $B\nFROM b AS one\nFROM one\nFROM later\nFROM c AS later\nFROM ${X:?}\n"
    )
    parents = parent_stages(parsed, {})
    assert [parent.index if parent else None for parent in parents] == [None, 0, None, 2, None, None, None]


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        pytest.param("FROM a AS x\nFROM b", None, {1}, id="unused"),
        pytest.param("FROM a AS x\nFROM x", None, {0, 1}, id="from"),
        pytest.param("FROM a AS x\nFROM b\nCOPY --from=X c d", None, {0, 1}, id="copy-name"),
        pytest.param("FROM a\nFROM b\nCOPY --from=0 c d", None, {0, 1}, id="copy-index"),
        pytest.param("FROM a AS x\nFROM b\nRUN --mount=type=bind,from=x,target=/x c", None, {0, 1}, id="mount"),
        pytest.param("FROM a\nFROM b\nRUN --mount=from=0,target=/x c", None, {1}, id="mount-has-no-indices"),
        pytest.param("FROM a AS x\nFROM b AS y\nCOPY --from=x c d\nFROM e", "y", {0, 1}, id="target"),
        pytest.param(
            "FROM a AS x\nFROM b AS y\nFROM x AS z\nFROM z\nCOPY --from=y c d", None, {0, 1, 2, 3}, id="transitive"
        ),
        pytest.param("ARG V=x\nFROM a AS x\nFROM b AS y\nFROM $V", None, {0, 2}, id="from-variable"),
        pytest.param("FROM a AS x\nFROM b\nCOPY --from=other/image c d", None, {1}, id="copy-image"),
        pytest.param("FROM a AS x\nFROM b AS y\nONBUILD COPY --from=x c d\nFROM y", None, {0, 1, 2}, id="onbuild"),
        pytest.param("FROM a AS x\nFROM b AS y\nONBUILD COPY --from=x c d", None, {1}, id="onbuild-is-for-children"),
        pytest.param("FROM a AS x\nFROM b AS x\nFROM c\nCOPY --from=x d e", None, {1, 2}, id="last-of-a-name"),
        pytest.param("FROM a AS x\nCOPY --from=x c d", None, {0}, id="itself"),
    ],
)
def test_needed_stages(text: str, target: str | None, expected: set[int]) -> None:
    assert needed_stages(parse(text), target, {}) == expected


def test_build_args_decide_what_is_needed() -> None:
    parsed = parse("ARG V=dev\nFROM a AS dev\nFROM b AS prod\nFROM $V\n")
    assert needed_stages(parsed, None, {}) == {0, 2}
    assert needed_stages(parsed, None, {"V": "prod"}) == {1, 2}


def test_long_chains_of_stages() -> None:
    count = 5_000
    parsed = parse("FROM a AS s0\n" + "".join(f"FROM s{i} AS s{i + 1}\nENV V{i}=1\n" for i in range(count)))
    started = time.process_time()
    assert len(needed_stages(parsed, None, {})) == count + 1
    assert len(stage_scope(parsed, parsed.stages[-1], {})) == count
    assert time.process_time() - started < 20
