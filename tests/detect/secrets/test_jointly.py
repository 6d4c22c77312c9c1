"""Patterns searched for several at a time: nothing that one of them matches is missed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.examples import examples_of
from imgscan.detect.secrets.jointly import jointly, searched
from imgscan.detect.secrets.rules import SecretRule, own_pack
from imgscan.detect.secrets.scanner import SecretScanner

SELDOM = [pytest.param(rule, id=rule.id) for rule in own_pack().rules if rule.seldom]


@pytest.mark.parametrize(
    ("patterns", "joined"),
    [
        pytest.param(
            [rb"(?i)(?P<name>[a-z]{0,9}(?:key|pw))=(?P<secret>x{4,9})", rb"(?i)<(?P<name>[a-z]{0,9}(?:key|pw))>(a|b)"],
            [rb"(?i)(?:(?:key|pw))(?:=(?:x{4})|>(a|b))"],
            id="same-name",
        ),
        pytest.param(
            [rb"(?i)(?P<name>key)=(?P<secret>x)", rb"(?im)^(?P<name>key) (?P<secret>x)$"],
            [rb"(?im)(?:key)(?:=(?:x)| (?:x)$)"],
            id="lines",
        ),
        pytest.param(
            [rb"(?i)(?P<name>key)[ ]{1,4}=(?P<secret>x)", rb"(?P<name>key)=(?P<secret>x)", rb"(?i)(?P<name>pw)=(x)"],
            [rb"(?i)(?:key)(?:[ ]{1,}=(?:x))", rb"(?:key)(?:=(?:x))", rb"(?i)(?:pw)(?:=(x))"],
            id="other-names-and-letters",
        ),
        pytest.param([rb"(?P<name>[a-z]{0,9}a|b)=(?P<secret>x)"], [rb"(?:[a-z]{0,}a|b)(?:=(?:x))"], id="two-names"),
        pytest.param([rb"key=(?P<secret>x{4,9})"], [rb"key=(?P<secret>x{4})"], id="no-name"),
        pytest.param([rb"(?:(?P<name>key)|pw)=x"], [rb"(?:(?P<name>key)|pw)=x"], id="in-a-group"),
        pytest.param([rb"(?P<name>key)?=x"], [rb"(?P<name>key)?=x"], id="not-always"),
        pytest.param([rb"(?P<name>key)=x|y"], [rb"(?P<name>key)=x|y"], id="another-way"),
        pytest.param([rb"x=(?P<name>key)"], [rb"x=(?P<name>key)"], id="nothing-behind-it"),
        pytest.param([rb"(?P<name>key)=(?i:x)"], [rb"(?P<name>key)=(?i:x)"], id="flags-within"),
    ],
)
def test_what_is_searched_for(patterns: list[bytes], joined: list[bytes]) -> None:
    found = jointly(patterns)
    assert [pattern for pattern, _ in found] == joined
    assert sorted(confirming for _, some in found for confirming in some) == sorted(patterns)


def test_a_few_at_a_time() -> None:
    patterns = [b"(?P<name>key)%d(?P<secret>x)" % number for number in range(14)]
    assert [len(some) for _, some in jointly(patterns)] == [6, 6, 2]


@pytest.mark.parametrize("rule", SELDOM)
def test_every_pattern_of_a_rule_is_searched_for(rule: SecretRule) -> None:
    assert {pattern for each in searched(rule) for pattern in each.confirming} == set(rule.patterns)
    assert sum(len(each.confirming) for each in searched(rule)) == len(rule.patterns)


@pytest.mark.parametrize("rule", SELDOM)
def test_where_an_example_matches_a_pattern_it_is_found(rule: SecretRule) -> None:
    for each in searched(rule):
        pattern = re.compile(each.pattern.replace(rb"\z", rb"\Z"))
        for confirming in each.confirming:
            for text in examples_of(rule):
                found = re.search(confirming.replace(rb"\z", rb"\Z"), text)
                assert found is None or pattern.search(found[0]) is not None


NAMES = st.sampled_from([b"(?P<name>[ab]{0,3}(?:k|pw))", b"(?P<name>k)", b"(?P<name>a{0,2}k[ab]{0,2})"])
PIECES = st.sampled_from([b"=", b"a{1,2}", b"[ab]{2,4}", b"(?:a|=)", b"(?P<secret>b{1,3})", b"x?", b"^", b"$"])


@given(
    parts=st.lists(
        st.tuples(st.lists(PIECES, max_size=2), NAMES, st.lists(PIECES, min_size=1, max_size=3)), min_size=1, max_size=8
    ),
    text=st.text("abkpwx=\n", max_size=16).map(str.encode),
)
def test_nothing_is_missed(parts: list[tuple[list[bytes], bytes, list[bytes]]], text: bytes) -> None:
    patterns = [
        b"(?m)" + b"".join(before).replace(b"?P<secret>", b"?:") + name + _once(b"".join(behind))
        for before, name, behind in parts
    ]
    for pattern, some in jointly(patterns):
        for confirming in some:
            for found in re.finditer(confirming, text):
                assert re.compile(pattern).search(text, found.start(), found.end()) is not None


def _once(text: bytes) -> bytes:
    first, mark, rest = text.partition(b"?P<secret>")
    return first + mark + rest.replace(b"?P<secret>", b"?:")


def test_a_pattern_that_is_seldom_met_is_found_where_it_is(scanner: SecretScanner) -> None:
    password = "Zq7" + "xW2pL9v"
    for text in (
        f"<dbPassword>{password}</dbPassword>",
        f'public string DbPassword {{ get; set; }} = "{password}";',
        f"db_password = [[{password}]]",
        f'variables:\n  - name: "DB_PASSWORD"\n    value: "{password}"\n',
    ):
        assert "secret-env-assignment" in [hit.rule.id for hit in scanner.scan_bytes(text.encode(), path="app/x.cfg")]
