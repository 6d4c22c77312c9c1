"""Touched files are new, and still valid."""

from __future__ import annotations

import ast
import json
import re
import tomllib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imgscan.build.touch import argument_value, touch_dockerfile, touch_lockfile, touch_manifest, touch_source
from imgscan.dockerfile.parse import parse


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


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"{}", b'{"scripts": {"imgscan-n": "true"}}', id="empty"),
        pytest.param(b'{"a": 1}', b'{"scripts": {"imgscan-n": "true"},"a": 1}', id="no-scripts"),
        pytest.param(b'{"scripts": {}}', b'{"scripts": {"imgscan-n": "true"}}', id="empty-scripts"),
        pytest.param(
            b'{"x": {"scripts": {"a": "b"}}, "scripts" :\n {"c": "}{"}}',
            b'{"x": {"scripts": {"a": "b"}}, "scripts" :\n {"imgscan-n": "true","c": "}{"}}',
            id="the-outermost",
        ),
        pytest.param(b'["scripts", {"scripts": {}}]', None, id="no-object"),
        pytest.param(b'{"scripts": "x"}', None, id="scripts-are-no-object"),
        pytest.param(b"{broken", None, id="broken"),
        pytest.param(b"\xff\xfe{\x00}\x00", None, id="utf-16"),
    ],
)
def test_a_script_more_in_a_manifest(content: bytes, expected: bytes | None) -> None:
    assert touch_manifest("backend/package.json", content, "n") == expected


@given(st.recursive(st.none() | st.text(), lambda v: st.dictionaries(st.text() | st.just("scripts"), v)), st.booleans())
def test_a_script_more_changes_nothing_else(value: object, ascii_only: bool) -> None:
    document = value if isinstance(value, dict) else {"scripts": {"x": value}}
    content = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    changed = touch_manifest("package.json", content, "n")
    if not isinstance(document.get("scripts", {}), dict):
        assert changed is None
    elif changed is not None:
        scripts = {**document.get("scripts", {}), "imgscan-n": "true"}
        assert json.loads(changed) == {**document, "scripts": scripts}


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("pyproject.toml", b"# imgscan n\n"),
        ("go.mod", b"// imgscan n\n"),
        ("Gemfile", b"# imgscan n\n"),
        ("pom.xml", b"<!-- imgscan n -->\n"),
        ("api/Api.csproj", b"<!-- imgscan n -->\n"),
        ("build.gradle.kts", b"// imgscan n\n"),
    ],
)
def test_a_comment_where_a_manifest_has_no_scripts(path: str, end: bytes) -> None:
    assert touch_manifest(path, b"x", "n") == b"x\n" + end


def test_a_comment_behind_the_last_instruction() -> None:
    text = b"FROM a\nRUN b \\\n  && c"
    changed = touch_dockerfile("Dockerfile", text, "n")
    before, after = parse(text), parse(changed)
    assert [c.instruction for c in after.stages[0].commands] == [c.instruction for c in before.stages[0].commands]
    assert changed != touch_dockerfile("Dockerfile", text, "m")


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("BUILD_DATE", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        ("BUILD_NUMBER", r"\d+"),
        ("APP_VERSION", r"0\.0\.0\+[0-9a-f]{12}"),
        ("GIT_SHA", r"[0-9a-f]{40}"),
    ],
)
def test_values_of_arguments_look_like_their_names(name: str, pattern: str) -> None:
    assert re.fullmatch(pattern, argument_value(name, "n"))
    assert argument_value(name, "n") != argument_value(name, "m")
