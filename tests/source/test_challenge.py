"""WWW-Authenticate by RFC 9110: what follows the grammar is taken apart, what does not gives nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.source.challenge import Challenge, parse_challenges


def one(scheme: str, **parameters: str) -> Challenge:
    return Challenge(scheme=scheme, parameters=tuple(parameters.items()))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        pytest.param(
            'Bearer realm="https://a.example/t",service="r",scope="repository:x:pull"',
            [one("bearer", realm="https://a.example/t", service="r", scope="repository:x:pull")],
            id="docker-hub",
        ),
        pytest.param('Basic realm="Registry"', [one("basic", realm="Registry")], id="basic"),
        pytest.param("basic realm=x", [one("basic", realm="x")], id="token-value"),
        pytest.param('BASIC REALM="x"', [one("basic", realm="x")], id="no-case"),
        pytest.param('Bearer  realm = "x" , service= "y"', [one("bearer", realm="x", service="y")], id="spaces"),
        pytest.param(
            'Basic realm="a", Bearer realm="b", service=c',
            [one("basic", realm="a"), one("bearer", realm="b", service="c")],
            id="two-on-a-line",
        ),
        pytest.param("Negotiate", [one("negotiate")], id="no-parameters"),
        pytest.param('Negotiate, Basic realm="x"', [one("negotiate"), one("basic", realm="x")], id="none-then-another"),
        pytest.param("Negotiate YII==, Basic realm=x", [one("negotiate"), one("basic", realm="x")], id="token68"),
        pytest.param(', ,Basic realm="x",,', [one("basic", realm="x")], id="empty-elements"),
        pytest.param(r'Basic realm="a \"b\" \\ c"', [one("basic", realm=r'a "b" \ c')], id="escapes"),
        pytest.param('Basic realm="a, Bearer realm=b"', [one("basic", realm="a, Bearer realm=b")], id="quoted-comma"),
        pytest.param('Basic realm=""', [one("basic", realm="")], id="empty"),
        pytest.param('Basic realm="x', [], id="open-quote"),
        pytest.param('Basic realm="x"y', [], id="garbage-behind-quote"),
        pytest.param('Basic realm="x" service="y"', [], id="no-comma"),
        pytest.param('Basic realm="x", realm="y"', [], id="twice"),
        pytest.param('Basic realm="a\x00b"', [], id="control"),
        pytest.param("Basic realm=a/b", [], id="no-token"),
        pytest.param("=", [], id="nothing"),
        pytest.param("", [], id="empty-line"),
        pytest.param("Basic realm=" + "x" * 20_000, [], id="endless"),
    ],
)
def test_grammar(line: str, found: list[Challenge]) -> None:
    assert list(parse_challenges([line])) == found


def test_a_broken_line_does_not_spoil_the_others() -> None:
    assert parse_challenges(['Bearer realm="', "Basic realm=x"]) == (one("basic", realm="x"),)


TOKEN = st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}", fullmatch=True)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
CHALLENGE = st.tuples(TOKEN, st.dictionaries(TOKEN.map(str.lower), VALUE, min_size=1, max_size=4))


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.lists(CHALLENGE, min_size=1, max_size=3))
def test_what_is_written_by_the_grammar_is_read_back(made: list[tuple[str, dict[str, str]]]) -> None:
    line = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in values.items()) for scheme, values in made
    )
    assert parse_challenges([line]) == tuple(one(scheme.lower(), **values) for scheme, values in made)


@given(st.text(max_size=80))
def test_no_text_is_an_error(line: str) -> None:
    for challenge in parse_challenges([line]):
        assert challenge.scheme
