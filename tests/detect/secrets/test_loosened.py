"""Patterns in the form in which they are searched for: with it the same is found as without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from imgscan.detect.secrets.confirm import matches
from imgscan.detect.secrets.loosened import loosen
from imgscan.detect.secrets.matcher import re2_options
from imgscan.detect.secrets.rules import load_packs

OPTIONS = re2_options()
RULES = {rule.id: rule for pack in load_packs(()) for rule in pack.rules}
LOOSE = [
    (rule.id, pattern)
    for rule in RULES.values()
    for pattern in rule.patterns
    if loosen(pattern, OPTIONS).pattern != pattern
]
PIECES = [
    *(b"password", b"TOKEN", b"api_key", b"key", b"secret", b"sshpass -p ", b"azure_pat", b"uid", b"pwd", b"cookie"),
    *(b"=", b" = ", b": ", b":=", b".=", b"=>", b"'", b'"', b"`", b" ", b"\n", b"\v", b"\xe9", b"\0", b"-", b"_", b"."),
    *(b"a", b"Z9", b"x" * 29, b"y1" * 15, b"q" * 49, b"abcd", b"Ab3!" * 5, b"z" * 600, b"str", b"(", b")", b"|", b";"),
]


def as_written(pattern: bytes, data: bytes, low: int, high: int) -> Iterator[tuple[int, int, int, int, bytes]]:
    """What RE2 finds with the pattern as it is: match, secret and name, the next one from the end of the secret on."""
    regex: Any = re2.compile(pattern, OPTIONS)
    names, at = regex.groupindex, low
    while (hit := regex.search(data, at, high)) is not None:
        start, end = hit.span(names[b"secret"])
        name = hit.group(names[b"name"]) if b"name" in names else b""
        yield *hit.span(), start, end, name
        at = max(end, hit.start() + 1)


def test_some_rules_are_loosened() -> None:
    """The two that find most among them."""
    both_ends = [rule_id for rule_id, pattern in LOOSE if loosen(pattern, OPTIONS).before and pattern.endswith(b"})")]
    assert {"secret-env-assignment", "secret-generic"} <= set(both_ends)


@pytest.mark.parametrize(
    ("rule_id", "pattern"), [pytest.param(*each, id=f"{each[0]}-{number}") for number, each in enumerate(LOOSE)]
)
@settings(max_examples=300)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=24), cut=st.tuples(st.integers(0, 40), st.integers(0, 40)))
def test_the_same_is_found(rule_id: str, pattern: bytes, pieces: list[bytes], cut: tuple[int, int]) -> None:
    data = b"".join(pieces)
    low, high = min(cut[0], len(data)), max(len(data) - cut[1], 0)
    rule = replace(RULES[rule_id], max_length=1 << 20)
    found = [
        (m.match_start, m.match_end, m.start, m.end, m.name.encode())
        for m in matches(rule, pattern, data, low, high, cut=lambda _: None)
    ]
    assert found == [
        (*places, name.decode("utf-8", "replace").encode()) for *places, name in as_written(pattern, data, low, high)
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(rb"(?P<name>[a-z]{0,5}key|token)=(?P<secret>x)", id="another-way-within-the-name"),
        pytest.param(rb"(?P<name>[a-z]{0,5}key)=(?P<secret>x)|[0-9]{9}", id="another-way-beside-it"),
        pytest.param(rb"(?P<name>[a-z]{0,5}?key)=(?P<secret>x)", id="as-few-as-possible"),
        pytest.param(rb"(?P<name>[a-z]{1,5}key)=(?P<secret>x)", id="one-is-needed"),
        pytest.param(rb"(?P<name>(?:ab){0,5}key)=(?P<secret>x)", id="more-than-one-byte"),
        pytest.param(rb"key=(?P<secret>[a-z]{4,9})\b", id="something-comes-after"),
        pytest.param(rb"key=(?P<secret>[a-z]{4,9})?", id="the-secret-may-be-missing"),
        pytest.param(rb"key=(?P<secret>x[a-z]{4,9})", id="not-all-of-the-secret"),
        pytest.param(rb"key=([a-z]{4,9})", id="no-name"),
    ],
)
def test_left_as_it_is(pattern: bytes) -> None:
    assert loosen(pattern, OPTIONS).pattern == pattern


def test_a_run_as_long_as_a_file_is_looked_at_once() -> None:
    """The core ends where the secret may end, so that a text of many beginnings is not read from each to its end."""
    whole = loosen(rb"(?i)(?P<name>[a-z]{0,50}token)=(?P<secret>[^\s]{4,512})", OPTIONS)
    assert whole.pattern == rb"(?i)(?P<name>token)=(?P<secret>[^\s]{4})"
    data = b"token=" * 1000
    assert whole.end_of(data, 10, len(data)) == 6 + 512
    assert whole.start_of(b"\xc5my" + b"X" * 60 + b"token=", 63, 0) == 13
