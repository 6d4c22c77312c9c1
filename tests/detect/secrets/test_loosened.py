"""Patterns in the form in which they are searched for: with it the same is found as without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import re2
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from imgscan.detect.secrets.confirm import matches
from imgscan.detect.secrets.examples import examples_of
from imgscan.detect.secrets.loosened import last_run, loosen
from imgscan.detect.secrets.matcher import re2_options
from imgscan.detect.secrets.rules import Weight, load_packs
from imgscan.detect.secrets.userpatterns import checked_pattern
from imgscan.errors import InputError

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
    """What RE2 finds with the pattern as it is: match, secret and name, the next one from the end of the secret on. The
    secret is the group of that name, or the first that takes part in the match, or all of it."""
    regex: Any = re2.compile(pattern, OPTIONS)
    names, at = regex.groupindex, low
    groups = [names[b"secret"]] if b"secret" in names else range(1, regex.groups + 1)
    while at <= high and (hit := regex.search(data, at, high)) is not None:
        start, end = next((hit.span(group) for group in groups if hit.start(group) >= 0), hit.span())
        name = hit.group(names[b"name"]) or b"" if b"name" in names else b""
        if end > start:
            yield *hit.span(), start, end, name
        at = max(end, hit.start() + 1)


def confirmed(rule_id: str, pattern: bytes, data: bytes, low: int, high: int) -> list[tuple[int, int, int, int, bytes]]:
    """The same as `confirm.matches` has it."""
    rule = replace(RULES[rule_id], max_length=1 << 20, quoted=False, whole=False, weight=Weight.SPECIFIC)
    found = matches(rule, pattern, data, low, high, cut=lambda _: None)
    return [(m.match_start, m.match_end, m.start, m.end, m.name.encode()) for m in found]


def test_some_rules_are_loosened() -> None:
    """The two that find most among them."""
    both_ends = [rule_id for rule_id, pattern in LOOSE if loosen(pattern, OPTIONS).before and pattern.endswith(b"})")]
    assert {"secret-env-assignment", "secret-generic"} <= set(both_ends)


@pytest.mark.parametrize(
    ("rule_id", "pattern"), [pytest.param(*each, id=f"{each[0]}-{number}") for number, each in enumerate(LOOSE)]
)
@settings(max_examples=200)
@given(st.data(), st.tuples(st.integers(0, 40), st.integers(0, 40)))
def test_the_same_is_found(rule_id: str, pattern: bytes, drawn: st.DataObject, cut: tuple[int, int]) -> None:
    examples = examples_of(RULES[rule_id])
    pieces = st.one_of(st.sampled_from(PIECES), st.sampled_from([*examples, *(each[:-9] for each in examples)]))
    data = b"".join(drawn.draw(st.lists(pieces, max_size=16)))
    low, high = min(cut[0], len(data)), max(len(data) - cut[1], 0)
    assert confirmed(rule_id, pattern, data, low, high) == [
        (*places, name.decode("utf-8", "replace").encode()) for *places, name in as_written(pattern, data, low, high)
    ]


@st.composite
def patterns(draw: st.DrawFn) -> bytes:
    """Of the kind that users write: a group at their end, with a run in it, around it whatever they thought of."""
    word = st.sampled_from(
        [
            b"",
            b"a",
            b"ab",
            b"b?",
            b"(?:a|bb)",
            b"[ab]{0,2}",
            b"(b)?",
            b"a|",
            b"|",
            b"(?:a|)",
            b"\\|",
            b"[|(]",
            b"\\Q|)(\\E",
            b"(?i)",
            b"(?i:a)",
            b"(?-i)",
        ]
    )
    run = st.builds(
        lambda of, least, more: of + b"{%d,%d}" % (least, least + more),
        st.sampled_from([b"[ab]", b"[^a]", b"[b-d]", b"[^\\s]", b"[]a]"]), st.integers(0, 3), st.integers(0, 4),
    )  # fmt: skip
    last = st.builds(lambda of, most: of + b"{0,%d}" % most, st.sampled_from([b"[a-c]", b"[=]"]), st.integers(0, 3))
    opening = st.sampled_from([b"(", b"(?P<secret>", b"(?P<name>", b"(?:", b"(?i:", b"((?P<secret>c)"])
    ends = st.sampled_from([b")", b")", b")", b"))", b")?", b")b"])
    parts = [
        draw(st.sampled_from([b"", b"(?i)", b"(?is)", b"(?U)"])), draw(word), draw(word), draw(opening), draw(word), draw(run),
        draw(st.one_of(st.just(b""), last)), draw(ends),
    ]  # fmt: skip
    return b"".join([b"(" if parts[-1] == b"))" else b"", *parts])


@example(b"(?P<name>[ab]{0,1})b", b"ab")
@example(b"(?P<name>[ab]{0,1}[a-c]{0,0})b", b"ab")
@settings(max_examples=1500)
@given(patterns(), st.text("abcdA|(=] \n", max_size=24).map(str.encode))
def test_any_pattern_finds_the_same(pattern: bytes, data: bytes) -> None:
    try:
        checked_pattern(pattern.decode(), "here")
    except InputError:
        reject()
    assert confirmed("secret-generic", pattern, data, 0, len(data)) == list(as_written(pattern, data, 0, len(data)))


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
        pytest.param(rb"key=(?P<secret>x|[a-z]{4,9})", id="another-way-within-the-secret"),
        pytest.param(rb"[0-9]{9}|key=(?P<secret>[a-z]{4,9})", id="another-way-beside-the-secret"),
        pytest.param(rb"(?:[0-9]{9}|key=([a-z]{4,9}))", id="another-way-around-the-secret"),
        pytest.param(rb"key=(?P<secret>[a-z]{4,9}?)", id="as-few-of-the-secret-as-possible"),
    ],
)
def test_left_as_it_is(pattern: bytes) -> None:
    assert loosen(pattern, OPTIONS).pattern == pattern


@pytest.mark.parametrize(
    ("pattern", "core", "data", "end"),
    [
        pytest.param(rb"key=([a-z]{4,9})", rb"key=([a-z]{4})", b"key=abcdefghijkl", 13, id="no name"),
        pytest.param(rb"key=(x-[a-z]{4,9})", rb"key=(x-[a-z]{4})", b"key=x-abcd", 10, id="the end of the secret"),
        pytest.param(rb"((?:a|b)_[c]{2,9}[c=]{0,2})", rb"((?:a|b)_[c]{2})", b"a_ccccc===", 9, id="two classes"),
    ],
)
def test_a_run_at_the_end(pattern: bytes, core: bytes, data: bytes, end: int) -> None:
    whole = loosen(pattern, OPTIONS)
    found: Any = re2.compile(core, OPTIONS).search(data)
    assert (whole.pattern, whole.end_of(data, found.end(), len(data))) == (core, end)


def test_a_long_run_of_two_classes_costs_next_to_nothing() -> None:
    """With a state for each count, and both runs' counts at once, each match takes 50 ms: what a user's patience bounds
    must not hang on the size of a number in a pattern."""
    long = rb"token=([a-z]{100,1000}[a-z=]{0,1000})"
    data = (b"token=" + b"x" * 600 + b"\n") * 300
    begun = time.process_time()
    assert len(confirmed("secret-generic", long, data, 0, len(data))) == 300
    mine = time.process_time() - begun
    begun = time.process_time()
    assert sum(1 for _ in as_written(long, data[: 607 * 3], 0, 607 * 3)) == 3
    assert mine < time.process_time() - begun


def test_a_run_as_long_as_a_file_is_looked_at_once() -> None:
    """The core ends where the secret may end, so that a text of many beginnings is not read from each to its end."""
    whole = loosen(rb"(?i)(?P<name>[a-z]{0,50}token)=(?P<secret>[^\s]{4,512})", OPTIONS)
    assert whole.pattern == rb"(?i)(?P<name>token)=(?P<secret>[^\s]{4})"
    data = b"token=" * 1000
    assert whole.end_of(data, 10, len(data)) == 6 + 512
    assert whole.start_of(b"\xc5my" + b"X" * 60 + b"token=", 63, 0) == 13


@pytest.mark.parametrize(
    ("pattern", "least", "all_of_it"),
    [
        pytest.param(rb"(?i)key=(?P<secret>[a-c]{2,4})", 2, b"abCb", id="run"),
        pytest.param(rb"key=(?P<secret>[^\s]{1,9})", 1, b"abCb\v,abc", id="blanks-of-re2"),
        pytest.param(rb"key=(?P<secret>[a-c]{2,4}={0,2})", None, b"", id="two-classes"),
        pytest.param(rb"key=(?P<secret>x[a-c]{2,4})", None, b"", id="not-all-of-the-secret"),
        pytest.param(rb"key=([a-c]{2,4})", None, b"", id="another-group"),
        pytest.param(rb"key=(?P<secret>[a-c]{2,4});", None, b"", id="not-at-the-end"),
        pytest.param(rb"key=(?:x|(?P<secret>[a-c]{2,4}))", None, b"", id="in-a-choice"),
        pytest.param(rb"key=(?i:k)(?P<secret>[a-c]{2,4})", None, b"", id="flags-on-the-way"),
    ],
)
def test_the_last_run(pattern: bytes, least: int | None, all_of_it: bytes) -> None:
    found = last_run(pattern, re2_options())
    assert (found[0] if found is not None else None) == least
    if found is not None:
        whole = found[1].match(b"abCb\v,abc d")
        assert whole is not None
        assert whole[0] == all_of_it
