"""Touched files are new, and still valid."""

from __future__ import annotations

import ast
import json
import tomllib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imgscan.build.touch import touch_lockfile, touch_source


@pytest.mark.parametrize(
    ("path", "content", "end"),
    [
        pytest.param("a.py", b"x = 1\n", b"x = 1\n# imgscan n\n", id="python"),
        pytest.param("a.ts", b"x", b"x\n// imgscan n\n", id="no-line-end"),
        pytest.param("a.go", b"x\r\n", b"x\r\n// imgscan n\n", id="crlf"),
        pytest.param("a.css", b"", b"/* imgscan n */\n", id="css"),
        pytest.param("a.sql", b";\n", b";\n-- imgscan n\n", id="sql"),
        pytest.param("a.vue", b"\n", b"\n<!-- imgscan n -->\n", id="vue"),
        pytest.param("A.PY", b"", b"# imgscan n\n", id="case"),
    ],
)
def test_comment(path: str, content: bytes, end: bytes) -> None:
    assert touch_source(path, content, "n") == end


@pytest.mark.parametrize("path", ["a.json", "Makefile", "bin/run", "a.unknown"])
def test_white_space_where_there_are_no_comments(path: str) -> None:
    touched = touch_source(path, b"{}", "n")
    assert touched.startswith(b"{}\n")
    assert touched[2:].strip() == b""


def test_utf16_gets_no_comment() -> None:
    content = "x".encode("utf-16")
    assert touch_source("a.cs", content, "n").startswith(content)
    assert b"imgscan" not in touch_source("a.cs", content, "n")


LOCKS = [
    ("package-lock.json", b'{"lockfileVersion": 3}\n', json.loads),
    ("composer.lock", b'{"packages": []}', json.loads),
    ("pnpm-lock.yaml", b"lockfileVersion: '9.0'\n", yaml.safe_load),
    ("poetry.lock", b"[metadata]\nhash = 'x'\n", tomllib.loads),
    ("uv.lock", b"version = 1\n", tomllib.loads),
    ("sub/Cargo.lock", b"version = 3", tomllib.loads),
]


@pytest.mark.parametrize(("path", "content", "read"), LOCKS, ids=[lock[0] for lock in LOCKS])
def test_lockfiles_mean_the_same(path: str, content: bytes, read: object) -> None:
    assert callable(read)
    touched = touch_lockfile(path, content, "n")
    assert touched is not None
    assert touched != content
    assert read(touched.decode()) == read(content.decode())


def test_line_based_lockfiles_get_blank_lines_only() -> None:
    go_sum = b"example.org/x v1.0.0 h1:abc=\n"
    touched = touch_lockfile("go.sum", go_sum, "n") or b""
    assert [line.split() for line in touched.splitlines() if line.split()] == [go_sum.split()]
    # Bundler reads a line of blanks behind BUNDLED WITH as a version.
    gemfile = b"BUNDLED WITH\n   2.5.3\n"
    touched = touch_lockfile("Gemfile.lock", gemfile, "n") or b""
    assert set(touched[len(gemfile) :]) == set(b"\r\n")


def test_binary_lockfiles_are_not_touched() -> None:
    assert touch_lockfile("bun.lockb", b"#!/usr/bin/env bun\n", "n") is None
    assert touch_lockfile("some.lock", b"a\0b", "n") is None


@given(
    st.sampled_from(["a.py", "a.json", "x", "go.sum", "Gemfile.lock", "yarn.lock"]),
    st.sets(st.text(max_size=12), min_size=2),
)
def test_every_nonce_gives_new_content(path: str, nonces: set[str]) -> None:
    texts = {nonce.encode("utf-8", "replace").decode() for nonce in nonces}
    for touch in (touch_source, touch_lockfile):
        assert len({touch(path, b"x\n", nonce) for nonce in texts}) == len(texts)


def test_a_touched_program_is_still_a_program() -> None:
    source = b"def f():\n    return '''\n'''"
    assert ast.dump(ast.parse(touch_source("f.py", source, "n"))) == ast.dump(ast.parse(source))
