"""Other base images: only the words of the images change."""

from __future__ import annotations

import pytest

from imgscan.dockerfile.parse import parse
from imgscan.dockerfile.substitute import substitute_bases

NEW = {"node:24": "local/node:24", "busybox": "local/busybox"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("FROM node:24\n", "FROM local/node:24\n", id="plain"),
        pytest.param("from node:24 as base\n", "from local/node:24 as base\n", id="lower-case"),
        pytest.param(
            "FROM --platform=linux/amd64 node:24 AS a\n", "FROM --platform=linux/amd64 local/node:24 AS a\n", id="flag"
        ),
        pytest.param("FROM node:24-alpine\n", "FROM node:24-alpine\n", id="other-tag"),
        pytest.param("ARG I=node:24\nFROM ${I}\n", "ARG I=node:24\nFROM local/node:24\n", id="by-argument"),
        pytest.param(
            "ARG I=x\nFROM $I AS b\nFROM b\n", "ARG I=x\nFROM local/node:24 AS b\nFROM b\n", id="by-build-arg"
        ),
        pytest.param(
            "FROM x AS busybox\nFROM busybox\n", "FROM x AS busybox\nFROM busybox\n", id="a-stage-of-that-name"
        ),
        pytest.param(
            "FROM scratch\nCOPY --from=busybox /bin/busybox /b\n",
            "FROM scratch\nCOPY --from=local/busybox /bin/busybox /b\n",
            id="copy-from",
        ),
        pytest.param(
            "FROM node:24\nRUN --mount=type=bind,from=busybox,target=/b true\n",
            "FROM local/node:24\nRUN --mount=type=bind,from=local/busybox,target=/b true\n",
            id="mount-from",
        ),
        pytest.param(
            "\ufeff# c\r\nFROM \\\r\n  node:24\r\n",
            "\ufeff# c\r\nFROM \\\r\n  local/node:24\r\n",
            id="continuation-bom-crlf",
        ),
        pytest.param("FROM a\nRUN echo node:24\n", "FROM a\nRUN echo node:24\n", id="elsewhere"),
    ],
)
def test_substitution(text: str, expected: str) -> None:
    assert substitute_bases(parse(text), NEW, {"I": "node:24"}) == expected
