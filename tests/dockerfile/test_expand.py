"""Expansion against the facts of moby/buildkit's shell lexer (envVarTest, lex_test.go) and what its own code gives."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.dockerfile.lexer import unquote
from imgscan.dockerfile.parse import expand
from imgscan.errors import InputError

SCOPE = {
    "PWD": "/home",
    "SHELL": "bash",
    "KOREAN": "한국어",
    "NULL": "",
    "path": "/usr/lo.cal/bin",
    "stars": "a*c",
    "greed": "abcabc",
    "lines": "a1\na2",
    "dollar": "$PWD",
    "été": "summer",
}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("hello", "hello", id="plain"),
        pytest.param("he'll'o", "hello", id="single-quotes"),
        pytest.param('he"ll"o', "hello", id="double-quotes"),
        pytest.param("'a\"b'", 'a"b', id="quote-in-quotes"),
        pytest.param("he\\'llo", "he'llo", id="escaped-single"),
        pytest.param("he\\llo", "hello", id="escaped-letter"),
        pytest.param("he\\\\llo", "he\\llo", id="escaped-escape"),
        pytest.param("hello\\", "hello", id="escape-at-end"),
        pytest.param("'he\\llo'", "he\\llo", id="no-escape-in-single"),
        pytest.param('"he\\\\llo"', "he\\llo", id="escape-in-double"),
        pytest.param('"he\\llo"', "he\\llo", id="letter-in-double"),
        pytest.param('"\\$PWD \\" \\n"', '$PWD " \\n', id="escapable-in-double"),
        pytest.param("$PWD", "/home", id="name"),
        pytest.param("${PWD}x", "/homex", id="braces"),
        pytest.param("$PWDx", "", id="longer-name"),
        pytest.param("$PWD/$SHELL", "/home/bash", id="two"),
        pytest.param("'$PWD'", "$PWD", id="not-in-single"),
        pytest.param('"$PWD"', "/home", id="in-double"),
        pytest.param("\\$PWD", "$PWD", id="escaped-dollar"),
        pytest.param("$", "$", id="dollar-alone"),
        pytest.param("a$ b", "a$ b", id="dollar-blank"),
        pytest.param("$.x", "$.x", id="dollar-dot"),
        pytest.param("$$PWD", "PWD", id="dollar-dollar-is-a-parameter"),
        pytest.param("$1x", "x", id="positional"),
        pytest.param("$12x", "x", id="positional-two-digits"),
        pytest.param("$@-$*-$#-$?-$!", "----", id="special-parameters"),
        pytest.param("${@}", "", id="special-in-braces"),
        pytest.param("$dollar", "$PWD", id="values-are-not-expanded-again"),
        pytest.param("$été", "summer", id="letters-of-any-script"),
        pytest.param("안녕${KOREAN}하", "안녕한국어하", id="unicode"),
        pytest.param("${NONE:-a b}", "a b", id="default-unset"),
        pytest.param("${NULL:-a}", "a", id="default-empty"),
        pytest.param("${NULL-a}", "", id="default-empty-no-colon"),
        pytest.param("${NONE-a}", "a", id="default-no-colon"),
        pytest.param("${PWD:-a}", "/home", id="default-set"),
        pytest.param("${NONE:-${SHELL}}", "bash", id="default-nested"),
        pytest.param("${NONE:-${NONE2:-${PWD}}}", "/home", id="default-nested-twice"),
        pytest.param("${NONE:-'$PWD'}", "$PWD", id="default-quoted"),
        pytest.param('${NONE:-"a}b"}', "a}b", id="default-brace-in-quotes"),
        pytest.param("${NONE:-a\\}b}", "a}b", id="default-brace-escaped"),
        pytest.param("${NONE:-}", "", id="default-nothing"),
        pytest.param("${PWD:+x}${NULL:+x}${NONE:+x}", "x", id="replace-if-set"),
        pytest.param("${PWD+x}${NULL+y}${NONE+z}", "xy", id="replace-no-colon"),
        pytest.param("${PWD:?no}${NULL?no}", "/home", id="required"),
        pytest.param("${path#*/}", "usr/lo.cal/bin", id="prefix-shortest"),
        pytest.param("${path##*/}", "bin", id="prefix-longest"),
        pytest.param("${path%/*}", "/usr/lo.cal", id="suffix-shortest"),
        pytest.param("${path%%/*}", "", id="suffix-longest"),
        pytest.param("${path%%.*}", "/usr/lo", id="suffix-dot-is-a-dot"),
        pytest.param("${path#x}", "/usr/lo.cal/bin", id="prefix-no-match"),
        pytest.param("${stars#a\\*}", "c", id="prefix-escaped-star"),
        pytest.param("${greed#?b}", "cabc", id="prefix-question-mark"),
        pytest.param("${greed%b?}", "abca", id="suffix-question-mark"),
        pytest.param("${NONE#x}${NULL%y}", "", id="prefix-unset"),
        pytest.param("${greed/b/X}", "aXcabc", id="replace-first"),
        pytest.param("${greed//b/X}", "aXcaXc", id="replace-all"),
        pytest.param("${greed/b*b/X}", "aXc", id="replace-greedy"),
        pytest.param("${greed//?/$SHELL}", "bash" * 6, id="replace-by-variable"),
        pytest.param("${path//\\//-}", "-usr-lo.cal-bin", id="replace-slash"),
        pytest.param("${path/./[.]}", "/usr/lo[.]cal/bin", id="replace-dot"),
        pytest.param("${greed//abc/}", "", id="replace-by-nothing"),
        pytest.param("${lines//a*/X}", "X\nX", id="star-stays-on-its-line"),
        pytest.param("${greed/#a/X}", "abcabc", id="no-anchors"),
        pytest.param("", "", id="empty"),
        pytest.param("\ufeffa", "a", id="byte-order-mark"),
    ],
)
def test_expand(word: str, expected: str) -> None:
    assert expand(word, SCOPE) == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [
        pytest.param("'a", "looking for matching single-quote", id="open-single"),
        pytest.param('"a', "looking for matching double-quote", id="open-double"),
        pytest.param('"a\\', "looking for matching double-quote", id="open-double-escape"),
        pytest.param("${", "syntax error: missing '}'", id="open-brace"),
        pytest.param("${PWD", "syntax error: missing '}'", id="open-name"),
        pytest.param("${PWD:-a", "syntax error: missing '}'", id="open-default"),
        pytest.param("${PWD/a", "syntax error: missing '/' in ${}", id="open-pattern"),
        pytest.param("${PWD/a/b", "syntax error: missing '}'", id="open-replacement"),
        pytest.param("${}", "syntax error: bad substitution", id="no-name"),
        pytest.param("${{PWD}", "syntax error: bad substitution", id="two-braces"),
        pytest.param("${:-a}", "syntax error: bad substitution", id="colon-first"),
        pytest.param("${PWD:=a}", "unsupported modifier (:=) in substitution", id="assign"),
        pytest.param("${PWD^^}", "unsupported modifier (^) in substitution", id="case"),
        pytest.param("${PWD:1:2}", "unsupported modifier (:1) in substitution", id="slice"),
        pytest.param("${NONE:?}", "NONE: is not allowed to be unset", id="required-default-message"),
        pytest.param("${NULL:?}", "NULL: is not allowed to be empty", id="required-empty"),
        pytest.param("${NONE?set it}", "NONE: set it", id="required-message"),
        pytest.param("${greed#\\a}", "invalid pattern (\\a) in substitution: invalid escape '\\a'", id="bad-pattern"),
    ],
)
def test_refused(word: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        expand(word, SCOPE)
    assert caught.value.what.endswith(message)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("C:\\$SHELL", "C:\\bash", id="backslash-is-a-letter"),
        pytest.param("`$SHELL", "$SHELL", id="backtick-escapes"),
        pytest.param('"`"`$a\\b"', '"$a\\b', id="in-double-quotes"),
    ],
)
def test_other_escape_character(word: str, expected: str) -> None:
    assert expand(word, SCOPE, escape="`") == expected


@pytest.mark.parametrize(
    "word",
    [
        pytest.param("$X" * 600, id="repeated"),
        pytest.param("${X//a/$X}", id="replaced"),
    ],
)
def test_growth_is_bounded(word: str) -> None:
    with pytest.raises(InputError, match=r"more than|longer than"):
        expand(word, {"X": "a" * 4096})


@pytest.mark.parametrize(
    "word",
    [
        pytest.param("${X%" + "*a" * 200 + "b}", id="suffix"),
        pytest.param("${X//" + "?*" * 300 + "b/c}", id="replace"),
    ],
)
def test_patterns_take_linear_time(word: str) -> None:
    started = time.process_time()
    assert expand(word, {"X": "a" * 20_000}) == "a" * 20_000
    assert time.process_time() - started < 10


def test_nesting_is_bounded() -> None:
    assert expand("${X:-" * 90 + "a" + "}" * 90, {}) == "a"
    with pytest.raises(InputError, match="nested more than 100 deep"):
        expand("${X:-" * 200 + "a" + "}" * 200, {})


@given(st.text(alphabet="ab$ {}'\"\\:-+?#%/*é", max_size=30), st.sampled_from("\\`"))
def test_any_word_is_expanded_or_refused(word: str, escape: str) -> None:
    try:
        result = expand(word, {"a": "1", "b": ""}, escape=escape)
    except InputError as error:
        result = error.what
    assert isinstance(result, str)


@given(st.text(alphabet="ab c.-_é/", max_size=20))
def test_quoting_round_trip(text: str) -> None:
    assert expand(f"'{text}'", {}) == expand(f'"{text}"', {}) == unquote(f"'{text}'") == text


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("a'b'\"c\"", "abc", id="quotes"),
        pytest.param("$X'${Y}'", "$X${Y}", id="nothing-expanded"),
        pytest.param('"a\\"b\\c"\\ d', 'a"b\\c d', id="escapes"),
        pytest.param("'a", "a", id="open"),
        pytest.param("a\\", "a", id="escape-at-end"),
    ],
)
def test_unquote(word: str, expected: str) -> None:
    assert unquote(word) == expected
