"""The comments that accept findings in YAML, scripts, files of variables and ignore files."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from setups import write_files

from imgscan.dockerfile.parse import parse
from imgscan.ignores import Ignores
from imgscan.project.comments import (
    crontab_ignores,
    env_ignores,
    ignore_file_ignores,
    makefile_ignores,
    project_ignores,
    shell_ignores,
    yaml_ignores,
)
from imgscan.project.setup import read_setup

C = "# imgscan: ignore[a] why"
Read = Callable[[str, str], Ignores]


def about(read: Read, text: str) -> list[tuple[int, int]]:
    """First and last line that each comment is about; 0 to 0 is the whole file."""
    return [(entry.first, entry.last) for entry in read("f", text.replace("@", C)).entries]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("@\n\nservices: {}\n", [(0, 0)], id="head"),
        pytest.param("services:\n  @\n  db:\n    image: x\n    ports:\n      - 1\n\n  web: {}\n", [(3, 6)], id="entry"),
        pytest.param("ports:\n  - 1\n  @\n  - 2\n  - 3\n", [(4, 4)], id="item"),
        pytest.param("ports:\n  @\n  - {a: 1,\n     b: 2}\n", [(3, 4)], id="item-over-two-lines"),
        pytest.param("a: 1 @\nb: 2\n", [(1, 1)], id="trailing"),
        pytest.param("a: {b: 1, @\n    c: 2}\n", [(1, 1)], id="in-a-flow"),
        pytest.param("a: | @\n  x\n  y\n\nb: 1\n", [(1, 3)], id="behind-the-sign-of-a-block"),
        pytest.param("a: |\n  x @\n  @\nb: >-\n  @\n", [], id="in-a-block"),
        pytest.param("a: 'x @'\nb: \"y\n  @\"\n", [], id="in-quotes"),
        pytest.param("a: x@\n", [], id="part-of-a-word"),
        pytest.param("a: |\n  x\n@\nb: 1\n", [(4, 4)], id="after-a-block"),
        pytest.param("\ufeff@\na: 1\n", [(2, 2)], id="byte-order-mark"),
        pytest.param("a: 1\r\n@\r\nb: 1\r\n", [(3, 3)], id="carriage-returns"),
        pytest.param("a: &x\n  b: 1\n@\nc: *x\n", [(4, 4)], id="alias"),
        pytest.param("a: 1\n---\n@\nb: 1\n", [(4, 4)], id="second-document"),
        pytest.param("@\na: 1\nb: [\n@\n", [(2, 2)], id="broken-behind-it"),
        pytest.param("a: \udcff\n@\nb: é\n", [(3, 3)], id="no-utf-8"),
    ],
)
def test_yaml(text: str, expected: list[tuple[int, int]]) -> None:
    assert about(yaml_ignores, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("#!/bin/sh\n@\n\nset -e\n", [(0, 0)], id="head"),
        pytest.param("set -e\n@\ndocker run \\\n  x\n", [(3, 4)], id="continued"),
        pytest.param("set -e\ndocker run \\\n  x @\n", [(2, 3)], id="behind-a-continued-one"),
        pytest.param("set -e\nx | y @\n", [(2, 2)], id="behind-a-pipe"),
        pytest.param("set -e\n@\nif x; then\n  y\nfi\n", [(3, 5)], id="above-a-branch"),
        pytest.param("if x; then\n  @\n  y\nfi\n", [(3, 3)], id="in-a-branch"),
        pytest.param("f() { @\n  y\n}\n", [(1, 1)], id="behind-a-brace"),
        pytest.param("echo '@' \"@\n@\"\n", [], id="in-quotes"),
        pytest.param("cat <<E\n@\nE\n", [], id="in-a-heredoc"),
        pytest.param("echo x@\n", [], id="part-of-a-word"),
        pytest.param("é=1\r\n@\r\ndocker run é # z\r\n", [(3, 3)], id="carriage-returns-and-other-letters"),
    ],
)
def test_shell(text: str, expected: list[tuple[int, int]]) -> None:
    assert about(shell_ignores, text) == expected


@pytest.mark.parametrize(
    ("read", "text", "expected", "told"),
    [
        pytest.param(env_ignores, "A=1\n  @\nB=2\n", [(3, 3)], 0, id="env"),
        pytest.param(env_ignores, '@\nA="x\n@\ny"\n', [(2, 4)], 0, id="env-over-lines"),
        pytest.param(env_ignores, "A=1 @\n", [], 1, id="env-behind-a-value"),
        pytest.param(env_ignores, "A=1 # imgscan: ignore[secret-jwt] why\n", [], 0, id="env-secret"),
        pytest.param(env_ignores, "A=1\n@\nB='x\n@\n", [(3, 3)], 0, id="env-broken"),
        pytest.param(makefile_ignores, "A = 1\n@\nx: y\n\ta\n\n\tb\n\nz:\n", [(3, 6)], 0, id="makefile-rule"),
        pytest.param(makefile_ignores, "x: y\n\ta\n\t@\n\tb \\\n\t  c\n", [(4, 5)], 0, id="makefile-recipe"),
        pytest.param(makefile_ignores, "x: y\n\ta \\\n@\n", [], 0, id="makefile-continued-line"),
        pytest.param(makefile_ignores, "x: y\n\ta @\n", [], 1, id="makefile-behind-a-command"),
        pytest.param(crontab_ignores, "A=1\n@\n0 3 * * * x\n0 4 * * * y @\n", [(3, 3)], 1, id="crontab"),
        pytest.param(ignore_file_ignores, "a\n@\nb\n", [(3, 3)], 0, id="ignore-file"),
        pytest.param(ignore_file_ignores, "@\n\n*\n", [(0, 0)], 0, id="ignore-file-head"),
        pytest.param(ignore_file_ignores, " @\na @\n", [], 2, id="ignore-file-patterns"),
    ],
)
def test_lines(read: Read, text: str, expected: list[tuple[int, int]], told: int) -> None:
    assert about(read, text) == expected
    assert len(read("f", text.replace("@", C)).faults) == told


READERS = [yaml_ignores, shell_ignores, env_ignores, ignore_file_ignores, makefile_ignores, crontab_ignores]


@pytest.mark.parametrize("read", READERS)
@given(parts=st.lists(st.sampled_from([C, "\n", " ", "a: ", "- ", "'", '"', "|", "\\", "<<E", "E", "\udc80", "é"])))
def test_any_text_is_read(read: Read, parts: list[str]) -> None:
    text = "".join(parts)
    found = read("f", text)
    lines = text.count("\n") + 1
    assert all(0 <= entry.first <= entry.last <= lines for entry in found.entries)


HOSTILE = ["[" * 100_000, "{a: " * 50_000, "'" * 100_000, f"a: |\n  {C}\n" * 3_000, "a #" * 50_000, "&a [*a]\n" * 1_500]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_take_no_time(read: Read, text: str) -> None:
    began = time.process_time()
    read("f", f"{text}\n{C}\nimgscan{text}")
    assert time.process_time() - began < 5


def test_every_file_of_a_project_is_read_once(tmp_path: Path) -> None:
    files = {
        "compose.yml": f"services:\n  {C}\n  web: {{build: web}}\n",
        "web/Dockerfile": f"FROM a\n{C}\nRUN b\n",
        "web/.dockerignore": f"{C}\nx\n",
        "Makefile": f"{C}\ndown:\n\tdocker compose down -v\n",
        "run.sh": f"#!/bin/sh\n{C}\nx\n",
        ".github/workflows/ci.yml": f"jobs:\n  a:\n    steps:\n      {C}\n      - run: x\n",
        ".env": f"{C}\nA=1\n",
        "notes.txt": f"{C}\n",
    }
    setup = read_setup(write_files(tmp_path, files))
    found = project_ignores(setup, [parse(f"{C}\nFROM a\n", "Dockerfile")], ["web/.dockerignore"])
    assert sorted(entry.file for entry in found.entries) == sorted({*files, "Dockerfile"} - {"notes.txt"})
    assert found.dockerfile == "Dockerfile"
    one = project_ignores(setup, [parse(files["web/Dockerfile"], "web/Dockerfile")])
    assert [entry.file for entry in one.entries].count("web/Dockerfile") == 1
