"""Histories as each builder writes them against the Dockerfile they come from."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.dockerfile.parse import parse
from imgscan.layers.attribution import Attributed, attribute
from imgscan.layers.created_by import read_created_by
from imgscan.model import Digest
from imgscan.source import HistoryEntry, Image, ImageConfig, Layer

NOP = "/bin/sh -c #(nop) "

DOCKERFILE = """\
ARG NODE_IMAGE=node:24
FROM ${NODE_IMAGE} AS base
ENV PNPM_HOME="/pnpm" CI=1
WORKDIR /app
FROM base AS deps
COPY package.json pnpm-lock.yaml ./
RUN --mount=type=cache,target=/store \\
    pnpm install --frozen-lockfile
FROM deps AS build
ARG GIT_SHA=none
COPY . .
RUN pnpm build && echo ${GIT_SHA}
FROM base AS runtime
COPY --from=build --chown=1000:1000 /app/dist ./dist
ARG TOKEN
RUN echo $TOKEN > /app/.token
RUN rm /app/.token
USER 1000
CMD ["node", "dist/index.js"]
"""

BASE = [
    "ADD file:1 in / ",
    'CMD ["bash"]~',
    "ENV NODE_VERSION=24~",
    "RUN /bin/sh -c groupadd node # buildkit",
    'CMD ["node"]~',
]
BUILDKIT = [
    *BASE,
    "ENV PNPM_HOME=/pnpm CI=1~",
    "WORKDIR /app",
    "COPY /app/dist ./dist # buildkit",
    "ARG TOKEN=abc~",
    "RUN |1 TOKEN=abc def /bin/sh -c echo $TOKEN > /app/.token # buildkit",
    "RUN |1 TOKEN=abc def /bin/sh -c rm /app/.token # buildkit",
    "USER 1000~",
    'CMD ["node" "dist/index.js"]~',
]
CLASSIC = [
    f"{NOP}ADD file:1 in / ",
    f'{NOP} CMD ["bash"]~',
    f"{NOP} ENV NODE_VERSION=24~",
    "/bin/sh -c groupadd node",
    f'{NOP} CMD ["node"]~',
    f"{NOP} ENV PNPM_HOME=/pnpm CI=1~",
    f"{NOP} WORKDIR /app",
    f"{NOP} COPY --chown=1000:1000dir:77 in ./dist ",
    f"{NOP} ARG TOKEN~",
    "|1 TOKEN=abc def /bin/sh -c echo $TOKEN > /app/.token",
    "|1 TOKEN=abc def /bin/sh -c rm /app/.token",
    f"{NOP} USER 1000~",
    f'{NOP} CMD ["node" "dist/index.js"]~',
]
BUILDAH = [line.replace("~", "|unsetLabel=true~") for line in CLASSIC]
KANIKO = [
    *CLASSIC[:5],
    'ENV PNPM_HOME="/pnpm" CI=1~',
    "WORKDIR /app",
    "COPY --from=build --chown=1000:1000 /app/dist ./dist",
    "RUN echo $TOKEN > /app/.token",
    "RUN rm /app/.token",
    "USER 1000~",
    'CMD ["node", "dist/index.js"]~',
]


def entries(lines: Sequence[str]) -> tuple[HistoryEntry, ...]:
    """A line that ends in `~` makes no layer."""
    return tuple(HistoryEntry(created_by=line.rstrip("~"), empty_layer=line.endswith("~")) for line in lines)


def image(lines: Sequence[str], layers: int | None = None) -> Image:
    history = entries(lines)
    count = sum(not entry.empty_layer for entry in history) if layers is None else layers
    diff_ids = tuple(Digest(f"sha256:{index:064}") for index in range(count))
    return Image(
        ref="app",
        image_id="sha256:0",
        platform=None,
        config=ImageConfig(history=history, diff_ids=diff_ids),
        raw_config=b"",
        layers=tuple(
            Layer(index=index, diff_id=diff_id, digest=None, blob=f"{index}", media_type="", created_by=None)
            for index, diff_id in enumerate(diff_ids)
        ),
    )


def lines_of(found: Attributed) -> list[int | None]:
    return [layer.dockerfile.line if layer.dockerfile else None for layer in found.layers]


@pytest.mark.parametrize("known", [True, False], ids=["base-known", "base-by-history"])
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(BUILDKIT, id="buildkit"),
        pytest.param(CLASSIC, id="classic"),
        pytest.param(BUILDAH, id="buildah"),
        pytest.param(KANIKO, id="kaniko"),
        pytest.param([*BUILDKIT[:6], "WORKDIR /app~", *BUILDKIT[7:]], id="workdir-without-layer"),
    ],
)
def test_every_layer_has_its_line(lines: list[str], known: bool) -> None:
    built = image(lines)
    base = [layer.diff_id for layer in built.layers[:2]] if known else None
    found = attribute(built, parse(DOCKERFILE), None, {}, base)
    workdir = [4] if "WORKDIR /app~" not in lines else []
    assert lines_of(found) == [None, None, *workdir, 14, 16, 17]
    assert (found.base_layers, found.base_method) == (2, "from-image" if known else "history")
    assert [layer.from_base for layer in found.layers] == [True, True, *[False] * (3 + len(workdir))]


def test_texts_come_from_the_dockerfile_and_for_the_base_from_the_history() -> None:
    found = attribute(image(BUILDKIT), parse(DOCKERFILE))
    assert [layer.instruction for layer in found.layers] == [
        "ADD file:1 in /",
        "RUN groupadd node",
        "WORKDIR /app",
        "COPY --from=build --chown=1000:1000 /app/dist ./dist",
        "RUN echo $TOKEN > /app/.token",
        "RUN rm /app/.token",
    ]
    assert [line.line if line else None for line in found.history][-6:] == [14, 15, 16, 17, 18, 19]


def test_an_earlier_target_stops_there() -> None:
    lines = [
        *BASE,
        "ENV PNPM_HOME=/pnpm CI=1~",
        "WORKDIR /app",
        "COPY package.json pnpm-lock.yaml ./ # buildkit",
        "RUN /bin/sh -c pnpm install --frozen-lockfile # buildkit",
    ]
    found = attribute(image(lines), parse(DOCKERFILE), "deps", {})
    assert lines_of(found) == [None, None, 4, 6, 7]


def test_a_base_that_is_not_the_image_s_is_not_believed() -> None:
    found = attribute(image(BUILDKIT), parse(DOCKERFILE), None, {}, [Digest("sha256:other")])
    assert (found.base_layers, found.base_method) == (2, "history")


def test_scratch_has_no_base() -> None:
    found = attribute(
        image(["COPY /service /service # buildkit"]), parse("FROM scratch\nCOPY --from=x /service /service\n")
    )
    assert (found.base_layers, found.base_method, lines_of(found)) == (0, "scratch", [2])


def test_without_a_dockerfile_the_history_speaks() -> None:
    found = attribute(image(BUILDKIT))
    assert (found.base_layers, found.base_method) == (0, "unknown")
    assert found.layers[-1].instruction == "RUN rm /app/.token"
    assert lines_of(found) == [None] * 6


def test_a_base_with_the_same_instructions_is_not_claimed() -> None:
    lines = ["ADD file:1 in / ", "RUN /bin/sh -c apt-get update # buildkit", "RUN /bin/sh -c apt-get update # buildkit"]
    found = attribute(image(lines), parse("FROM debian\nRUN apt-get update\n"))
    assert (lines_of(found), found.base_layers) == ([None, None, 2], 2)


@pytest.mark.parametrize(
    ("lines", "layers", "base", "expected"),
    [
        pytest.param([], 5, 2, [None, None, 3, 4, 5], id="no-history-counted"),
        pytest.param([], 6, 2, [None] * 6, id="no-history-no-match"),
        pytest.param(["RUN /bin/sh -c make # buildkit"], 3, 2, [None, None, 4], id="history-shorter-than-layers"),
        pytest.param(
            ["ADD file:1 in / ", "COPY . . # buildkit", "RUN /bin/sh -c make # buildkit", "RUN a"],
            2,
            0,
            [None, None],
            id="squashed",
        ),
    ],
)
def test_histories_that_do_not_fit(lines: list[str], layers: int, base: int, expected: list[int | None]) -> None:
    built = image(lines, layers)
    dockerfile = parse("FROM debian\nENV A=1\nCOPY . .\nRUN make\nADD x /y\n")
    found = attribute(built, dockerfile, None, {}, [layer.diff_id for layer in built.layers[:base]])
    assert lines_of(found) == expected


def test_instructions_left_out_and_added_shift_nothing() -> None:
    dockerfile = parse("FROM debian\nARG A\nCOPY a /a\nRUN one\nARG B\nRUN two\nLABEL x=y\nRUN three\n")
    lines = [
        "COPY a /a # buildkit",
        "RUN /bin/sh -c one # buildkit",
        "RUN /bin/sh -c inserted by a trigger # buildkit",
        "RUN /bin/sh -c two # buildkit",
        "RUN /bin/sh -c three # buildkit",
    ]
    assert lines_of(attribute(image(lines), dockerfile)) == [3, 4, None, 6, 8]


def test_heredocs_and_exec_forms() -> None:
    dockerfile = parse(
        'FROM debian\nRUN <<EOF\nset -e\nmake all\nEOF\nRUN ["/bin/tool", "--flag"]\nCOPY <<EOF /etc/x\nhi\nEOF\n'
    )
    lines = [
        "ADD file:1 in / ",
        "RUN /bin/sh -c set -e\nmake all\n # buildkit",
        "RUN /bin/tool --flag # buildkit",
        "COPY <<EOF /etc/x # buildkit",
    ]
    assert lines_of(attribute(image(lines), dockerfile)) == [None, 2, 6, 7]


def test_triggers_of_a_parent_stage_are_the_user_s() -> None:
    dockerfile = parse("FROM debian AS a\nONBUILD RUN early\nFROM a\nRUN late\n")
    lines = [
        "ADD file:1 in / ",
        "ONBUILD RUN early~",
        "RUN /bin/sh -c early # buildkit",
        "RUN /bin/sh -c late # buildkit",
    ]
    assert lines_of(attribute(image(lines), dockerfile)) == [None, 2, 4]


@pytest.mark.parametrize(
    ("created_by", "keyword", "text"),
    [
        pytest.param(f"{NOP}COPY dir:1 in /app ", "COPY", "COPY dir:1 in /app", id="classic-copy"),
        pytest.param(f"{NOP} ENV A=1", "ENV", "ENV A=1", id="classic-env"),
        pytest.param('/bin/bash -o pipefail -c #(nop)  CMD ["sh"]', "CMD", 'CMD ["sh"]', id="classic-own-shell"),
        pytest.param("cmd /S /C #(nop) WORKDIR C:\\app", "WORKDIR", "WORKDIR C:\\app", id="classic-windows"),
        pytest.param("/bin/sh -c apt-get update", "RUN", "RUN apt-get update", id="classic-run"),
        pytest.param("|2 A=1 B=two words /bin/sh -c make", "RUN", "RUN make", id="classic-run-args"),
        pytest.param("RUN |1 A=1 /bin/sh -c make # buildkit", "RUN", "RUN make", id="buildkit-run-args"),
        pytest.param("RUN |1 A=1 /bin/tool --x # buildkit", "RUN", "RUN /bin/tool --x", id="buildkit-exec-args"),
        pytest.param("RUN /bin/bash -o pipefail -c make # buildkit", "RUN", "RUN make", id="own-shell"),
        pytest.param("RUN /bin/bash -eo pipefail -c make", "RUN", "RUN make", id="own-shell-joined-options"),
        pytest.param("RUN pnpm install", "RUN", "RUN pnpm install", id="kaniko"),
        pytest.param("make all", "RUN", "RUN make all", id="exec-form"),
        pytest.param("", "", "", id="import"),
        pytest.param("COPY . . # buildkit", "COPY", "COPY . .", id="buildkit-copy"),
        pytest.param("/bin/sh -c echo '#(nop) no'", "RUN", "RUN echo '#(nop) no'", id="nop-inside-a-command"),
    ],
)
def test_what_builders_wrap_around_is_taken_off(created_by: str, keyword: str, text: str) -> None:
    made = read_created_by(created_by)
    assert (made.keyword, made.text) == (keyword, text)


def test_long_histories_are_bounded() -> None:
    found = attribute(image(["RUN /bin/sh -c x # buildkit"] * 3000), parse("FROM a\n" + "RUN x\n" * 3000))
    assert len(found.layers) == 3000
    assert found.layers[-1].dockerfile is not None


@given(st.lists(st.text(max_size=60), max_size=8), st.integers(0, 9))
def test_any_history_is_taken(lines: list[str], layers: int) -> None:
    found = attribute(image(lines, layers), parse(DOCKERFILE))
    assert len(found.layers) == layers
    assert len(found.history) == len(lines)
