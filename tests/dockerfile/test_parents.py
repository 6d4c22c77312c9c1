"""The images a file builds on: dockerfile-parse, kept away from what it misreads, agrees with the parser."""

from __future__ import annotations

import pytest

from imgscan.dockerfile.parents import parent_images
from imgscan.dockerfile.parse import base_image, parse


@pytest.mark.parametrize(
    ("text", "build_args", "expected"),
    [
        pytest.param("FROM a:1\n", {}, ("a:1",), id="one"),
        pytest.param("FROM a AS x\nFROM b\nFROM x\nFROM a\n", {}, ("a", "b"), id="stages-are-no-images"),
        pytest.param("FROM scratch\n", {}, (), id="scratch"),
        pytest.param("ARG V=1\nFROM a:$V\nFROM a:${V}-slim\n", {}, ("a:1", "a:1-slim"), id="variables"),
        pytest.param("ARG V=1\nFROM a:$V\n", {"V": "2"}, ("a:2",), id="build-arg-wins"),
        pytest.param("ARG B\nFROM $B\nFROM c\n", {}, ("c",), id="unresolved-is-left-out"),
        pytest.param("ARG B\nFROM ${B:-c:1}\n", {}, ("c:1",), id="modifier"),
        pytest.param("FROM --platform=$BUILDPLATFORM a\n", {}, ("a",), id="platform"),
        pytest.param(
            "\ufeffFROM a\nRUN <<E\nFROM no-stage\nE\nRUN x \\\n\nFROM b\n", {}, ("a",), id="what-it-misreads"
        ),
        pytest.param("FROM 'c'\n", {}, ("c",), id="quotes"),
        pytest.param("ARG A=x B=$A\nFROM r/$A/$B@sha256:00\n", {}, ("r/x/x@sha256:00",), id="several-in-one-arg"),
    ],
)
def test_parent_images(text: str, build_args: dict[str, str], expected: tuple[str, ...]) -> None:
    assert parent_images(parse(text), build_args) == expected


def test_agrees_with_base_image() -> None:
    text = "ARG R=reg.example:5000 T=1\nFROM $R/a:${T}\nFROM ${R}/b@sha256:0123 AS b\nFROM c-$T.x\n"
    parsed = parse(text)
    assert parent_images(parsed, {"T": "9"}) == tuple(base_image(parsed, stage, {"T": "9"}) for stage in parsed.stages)
