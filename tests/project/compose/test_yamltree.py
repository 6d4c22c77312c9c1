"""YAML with positions: kinds of scalars, marks, anchors, merge keys, what is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.project.compose.nodes import MapNode, Node, Scalar, child, entries_of, plain
from imgscan.project.compose.yamltree import canonical, plain_kind, read_yaml


def root(text: str) -> Node:
    documents = read_yaml(text, "f.yml")
    assert documents.problems == ()
    return documents.roots[0]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("", "null", ""),
        ("~", "null", "~"),
        ("Null", "null", "Null"),
        ("true", "bool", "true"),
        ("FALSE", "bool", "false"),
        ("yes", "str", "yes"),
        ("on", "str", "on"),
        ("0", "int", "0"),
        ("-12", "int", "-12"),
        ("0777", "int", "511"),
        ("0o17", "int", "15"),
        ("0x1F", "int", "31"),
        ("1_000", "int", "1000"),
        ("12:34", "str", "12:34"),
        ("1.50", "float", "1.5"),
        ("1e3", "float", "1000"),
        ("1e21", "float", "1e+21"),
        ("0.00001", "float", "1e-05"),
        (".inf", "float", "+Inf"),
        ("1.2.3", "str", "1.2.3"),
        ("2020-01-02", "time", "2020-01-02"),
        ("-", "str", "-"),
        ("0x", "str", "0x"),
    ],
)
def test_plain_scalars(text: str, kind: str, value: str) -> None:
    assert plain_kind(text) == kind
    assert canonical(text, kind) == (value, kind)


def test_marks_are_those_of_the_text() -> None:
    text = "# first\nservices:\n  web:   # a comment\n    image: 'nginx:1'\n    ports:\n      - \"80:80\"\n\n# last\nx: 1\n"
    tree = root(text)
    web = entries_of(child(tree, "services"))["web"]
    assert (web.at.line, web.at.column) == (3, 3)
    assert text[web.at.start : web.at.end].endswith('- "80:80"')
    image = entries_of(web.node)["image"]
    assert text[image.at.start : image.at.end] == "image: 'nginx:1'"
    assert isinstance(image.node, Scalar)
    assert text[image.node.at.start : image.node.at.end] == "'nginx:1'"
    assert (image.node.raw, image.node.kind) == ("nginx:1", "str")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_marks_of_other_line_ends_and_letters(end: str) -> None:
    text = f"\ufeffä: 'ö'{end}b: |{end}  lines{end}  more{end}c: [x, y]{end}"
    tree = root(text)
    marks = {key: text[entry.at.start : entry.at.end] for key, entry in entries_of(tree).items()}
    assert marks["ä"] == "ä: 'ö'"
    assert marks["b"] == f"b: |{end}  lines{end}  more"
    assert marks["c"] == "c: [x, y]"


def test_merge_keys_and_aliases() -> None:
    tree = root("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 5}\nd: *a\n")
    assert plain(tree) == {
        "a": {"x": 1, "y": 2},
        "b": {"y": 3, "z": 4},
        "c": {"y": 2, "z": 4, "x": 5},
        "d": {"x": 1, "y": 2},
    }


@pytest.mark.parametrize(
    ("text", "kind", "line", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", "duplicate", 3, 'mapping key "a" already defined at line 1'),
        ("a:\n\tb: 1\n", "yaml", 2, "found character that cannot start any token"),
        ("a: *b\n", "yaml", 1, "unknown anchor 'b' referenced"),
        ("a: &a [*a]\n", "yaml", 1, "anchor 'a' value contains itself"),
        ("a: [1\n", "yaml", 2, "did not find expected"),
        ("a: {<<: [1]}\n", "yaml", 1, "map merge"),
        ("a: b\x01\n", "yaml", 1, "control characters"),
        ("1: a\n", "schema", 1, "non-string key"),
        ("? [a]\n: b\n", "yaml", 1, "no scalar"),
    ],
)
def test_faults(text: str, kind: str, line: int, says: str) -> None:
    (problem,) = read_yaml(text, "f.yml").problems
    assert (problem.kind, problem.at.line) == (kind, line)
    assert says in problem.message


def test_tags_of_compose() -> None:
    tree = root("a: !reset null\nb: !override [1]\nc: !!str 5\nd: [!reset x, y]\n")
    assert [entry.node.tag for entry in entries_of(tree).values()] == ["!reset", "!override", None, None]
    assert isinstance(tree, MapNode)
    assert plain(tree.entries["c"].node) == "5"
    assert plain(tree.entries["d"].node) == ["y"]


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#\n\t ,?\r\ufeff\x85é"), max_size=40))
def test_any_text(text: str) -> None:
    documents = read_yaml(text, "f.yml")
    for node in documents.roots:
        assert 0 <= node.at.start <= node.at.end <= len(text)
