"""Bytes of layers by step, from histories as engines tell them."""

from __future__ import annotations

import pytest

from imgscan.build.layersizes import with_layer_sizes
from imgscan.dockerfile.parse import parse
from imgscan.model import Step

DOCKERFILE = """FROM a AS build
RUN make
FROM a AS base
WORKDIR /app
RUN install
FROM base
WORKDIR /
ENV A=b
COPY --from=build /o /o
RUN x
"""


def step(stage: str, ordinal: int, text: str) -> Step:
    return Step(stage=stage, ordinal=ordinal, instruction=text, line=None, cached=False, seconds=1.0)


STEPS = (
    step("build", 1, "FROM a AS build"),
    step("build", 2, "RUN make"),
    step("base", 1, "FROM a AS base"),
    step("base", 2, "WORKDIR /app"),
    step("base", 3, "RUN install"),
    step("2", 1, "COPY --from=build /o /o"),
    step("2", 2, "RUN x"),
)


def entry(text: str, size: object = 0) -> dict[str, object]:
    return {"CreatedBy": text, "Size": size}


HISTORY = [
    entry('CMD ["x"]'),
    entry("RUN /bin/sh -c x # buildkit", 7),
    entry("COPY /o /o # buildkit", 5),
    entry("ENV A=b"),
    entry("WORKDIR /"),
    entry("RUN /bin/sh -c install # buildkit", 30),
    entry("WORKDIR /app", 1),
    entry("/bin/sh -c #(nop) ADD file:1 in / ", 99),
]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param(HISTORY, [None, None, None, 1, 30, 5, 7], id="whole"),
        pytest.param(HISTORY[:4], [None, None, None, None, None, 5, 7], id="cut"),
        pytest.param([], [None] * 7, id="none"),
        pytest.param([entry("COPY x", 1), *HISTORY], [None] * 7, id="does-not-fit"),
        pytest.param(
            [entry("RUN x", "many"), {"Size": 4}, entry("COPY y", -3)], [None, None, None, None, None, 0, 0], id="odd"
        ),
    ],
)
def test_sizes(history: list[dict[str, object]], expected: list[int | None]) -> None:
    found = with_layer_sizes(STEPS, history, parse(DOCKERFILE), None, {})
    assert [one.layer_bytes for one in found] == expected
