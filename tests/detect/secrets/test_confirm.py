"""Confirmed matches: where the secret is, and that the search comes to an end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imgscan.detect.secrets.confirm import matches
from imgscan.detect.secrets.rules import Weight, load_packs

RULE = next(rule for pack in load_packs(()) for rule in pack.rules if rule.id == "secret-generic")


def found(pattern: bytes, data: bytes, low: int = 0, high: int | None = None) -> list[tuple[bytes, str]]:
    """The secrets and their names."""
    rule = replace(RULE, quoted=False, whole=False, weight=Weight.SPECIFIC)
    end = len(data) if high is None else high
    return [(match.secret, match.name) for match in matches(rule, pattern, data, low, end, cut=lambda _: None)]


@pytest.mark.parametrize(
    ("pattern", "data", "expected"),
    [
        pytest.param(rb"k=(\w+)", b"k=one k=two", [(b"one", ""), (b"two", "")], id="a group"),
        pytest.param(rb"k=\w+", b"k=one", [(b"k=one", "")], id="no group"),
        pytest.param(rb"k=(\d+)|t=(\w+)", b"t=x k=1", [(b"x", ""), (b"1", "")], id="the group that took part"),
        pytest.param(rb"(?P<name>\w+)=(?P<secret>\w+)", b"a=b", [(b"b", "a")], id="groups with names"),
        pytest.param(rb"(?P<secret>\d+) (?P<name>[a-z]{2,5})", b"12 abcd", [(b"12", "abcd")], id="the name comes last"),
        pytest.param(rb" (\d) ", b" 1 2 3 ", [(b"1", ""), (b"2", ""), (b"3", "")], id="they share a separator"),
    ],
)
def test_what_is_found(pattern: bytes, data: bytes, expected: list[tuple[bytes, str]]) -> None:
    assert found(pattern, data) == expected


@pytest.mark.parametrize("pattern", [rb"\b(x)?", rb"\B", rb"$", rb"(?m)^", rb"(a|)", rb"\z"])
def test_matches_of_nothing_come_to_an_end(pattern: bytes) -> None:
    assert found(pattern, b"bb cd\n\n") == []
    assert found(pattern, b"bb cd\n\n", 1, 4) == []
    assert found(pattern, b"") == []
