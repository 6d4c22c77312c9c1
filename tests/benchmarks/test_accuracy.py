"""The accuracy benchmark: cases in, scores out."""

from __future__ import annotations

import dataclasses
import json
import random
import re
from pathlib import Path

import pytest

from benchmarks.accuracy import published
from benchmarks.accuracy.cases import Case, read_cases, write_cases
from benchmarks.accuracy.gosource import go_cases
from benchmarks.accuracy.own import own_cases
from benchmarks.accuracy.published import kingfisher_cases, undisputed
from benchmarks.accuracy.samples import random_text
from benchmarks.accuracy.score import ALL, by_case, is_found, score
from benchmarks.accuracy.tools import Report
from benchmarks.packages import BenchError
from benchmarks.peers import PEERS
from benchmarks.vocabulary import learn_pieces

GO = r"""
func Some() *config.Rule {
	r := config.Rule{ID: "some-token", Regex: `x{3}
}`}
	known := "abc" + secrets.NewSecret(utils.Hex("8")) // a comment
	tps := utils.GenerateSampleSecrets("some", known)
	tps = append(tps, "a\tb\x41", `raw
}`, strings.Repeat("xy", 2), unknown("x"))
	fps := []string{"no" + "thing",
		fmt.Sprintf("%s-%s", "a", "b"),
	}
	return utils.Validate(r, tps, fps)
}
func Other() *config.Rule {
	r := config.Rule{ID: "other"}
	return utils.ValidateWithPaths(r, map[string]string{"a.yaml": "kind", "b.yaml": "b"}, nil)
}
"""


def case(text: bytes, *, positive: bool = True, secret: bytes = b"") -> Case:
    return Case(text=text, secret=secret, positive=positive, family="f", source="s")


def report(text: bytes, file: str = "000000/notes.txt") -> Report:
    return Report(file=file, text=text, rule="r")


def test_cases_of_a_go_source() -> None:
    some, other = go_cases(GO, "1")
    texts = [text for _, text in some.positive]
    assert (some.rule, some.left_out) == ("some-token", 1)
    assert [text for text in texts if re.fullmatch(r'someToken="abc[0-9a-f]{8}"', text)]
    assert texts[-3:] == ["a\tbA", "raw\n}", "xyxy"]
    assert some.negative == [("", "nothing"), ("", "a-b")]
    assert other.positive == [("a.yaml", "kind"), ("b.yaml", "b")]


@pytest.mark.parametrize("pattern", ["[a-f0-9]{32}", r"(?:ab|c)\d+[^x]?\w{2,4}", "[A-Za-z0-9_.-]{3}Q~x*"])
def test_samples_match_their_pattern(pattern: str) -> None:
    rng = random.Random(1)
    for _ in range(50):
        assert re.fullmatch(pattern, random_text(pattern, rng))


@pytest.mark.parametrize("pattern", [r"(?=x)", r"\D"])
def test_samples_of_what_is_not_known(pattern: str) -> None:
    with pytest.raises(ValueError, match="no sample"):
        random_text(pattern, random.Random(1))


def test_cases_are_read_and_written(tmp_path: Path) -> None:
    folder = tmp_path / "cases"
    folder.mkdir()
    rows = [
        {"text": "t=abc", "label": "positive", "secret": "abc", "path": "/a/.env"},
        {"text": "x", "label": "negative"},
    ]
    (folder / "mine.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    cases = read_cases(folder)
    assert [(c.positive, c.secret, c.path, c.family) for c in cases] == [
        (True, b"abc", "a/.env", "mine"),
        (False, b"", "notes.txt", "mine"),
    ]
    write_cases(cases, tmp_path / "out")
    assert (tmp_path / "out/000000/a/.env").read_bytes() == b"t=abc"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not JSON"),
        ("[]", "is an object"),
        ('{"text": "x"}', "is an object"),
        ('{"text": "x", "label": "maybe"}', "label is one of"),
        ('{"text": 1, "label": "positive"}', "every value a string"),
        ('{"text": "x", "label": "positive", "path": "../x"}', "out of its folder"),
    ],
)
def test_bad_cases_are_named(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "a.jsonl").write_text("\n" + line)
    with pytest.raises(BenchError, match=f"a.jsonl:2.*{words}"):
        read_cases(tmp_path)


def test_a_folder_without_cases(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no"):
        read_cases(tmp_path)


def test_a_secret_is_found_when_a_report_overlaps_it() -> None:
    one = case(b"x token=abcdef y", secret=b"abcdef")
    assert is_found(one, [report(b"token=abc")])
    assert is_found(one, [report(b"abcdef")])
    assert not is_found(one, [report(b"x tok")])
    assert not is_found(one, [])
    assert is_found(case(b"x"), [report(b"anything")])


def test_scores() -> None:
    cases = [case(b"a"), case(b"b"), case(b"c", positive=False), case(b"d", positive=False)]
    found = by_case([report(b"a"), report(b"c", "000002/notes.txt"), report(b"z", "elsewhere")], len(cases))
    total = score(cases, found)[ALL]
    assert (total.recall, total.false_alarms, total.precision) == (0.5, 0.5, 0.5)
    assert score([], []) == {}


def test_negatives_that_hold_a_positives_token_are_left_out() -> None:
    token = b"q7Zp2Lk9Xw4Vt8RbC3"
    cases = [case(b"a_key=" + token), case(b"key=" + token, positive=False), case(b"nothing", positive=False)]
    assert len(undisputed([case(b"a_key " + token), case(b"key " + token, positive=False), cases[2]])) == 2


def test_own_cases_have_both_labels_and_fresh_parts() -> None:
    once, twice = list(own_cases(1)), list(own_cases(2))
    assert {c.positive for c in once} == {True, False}
    assert len(twice) == 2 * len(once)
    assert len({c.text for c in twice if c.positive}) > len({c.text for c in once if c.positive})


def test_pieces_of_words() -> None:
    pieces = learn_pieces({"token": 9, "tokens": 9, "taken": 1}, 4)
    assert "token" in pieces
    assert pieces == learn_pieces({"taken": 1, "tokens": 9, "token": 9}, 4)


@pytest.mark.parametrize(
    ("listed", "families"),
    [
        pytest.param(
            '[{"id": "kingfisher.aws.1", "visible": true, "examples": ["a", "b"]}]', ["aws", "aws"], id="list"
        ),
        pytest.param('[{"id": "x.y.2", "visible": false, "examples": ["a"]}]', [], id="reports-nothing"),
        pytest.param("oh no", None, id="no-json"),
    ],
)
def test_the_examples_that_kingfisher_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, families: list[str] | None
) -> None:
    program = tmp_path / "kingfisher"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{listed}\nEND\n")
    program.chmod(0o755)
    peers = [dataclasses.replace(peer, fetch=lambda _: program) for peer in PEERS]
    monkeypatch.setattr(published, "PEERS", peers)
    if families is None:
        with pytest.raises(BenchError, match="listed no rules"):
            kingfisher_cases(tmp_path)
    else:
        assert [case.family for case in kingfisher_cases(tmp_path)] == families
