"""Baseline files: what they hold, what they do not tell, and that a broken one is told with its line."""

from __future__ import annotations

import contextlib
import datetime
import json
from pathlib import Path

import pytest
from fakes import finding
from hypothesis import given
from hypothesis import strategies as st

from imgscan.errors import InputError
from imgscan.model import Finding, Location, Place
from imgscan.store.baseline import accept_findings, new_baseline, parse_baseline, read_baseline, render

DAY = datetime.date(2027, 3, 31)


def some(count: int = 3) -> list[Finding]:
    return [
        finding(fingerprint=f"{number:016x}", location=Location(place=Place.FILE, path=f"/app/{number}"))
        for number in range(count)
    ]


def text(count: int = 3) -> str:
    return render(accept_findings(new_baseline("b.json"), some(count), reason="known", expires=DAY))


def test_what_is_written_is_read() -> None:
    baseline = accept_findings(new_baseline("b.json"), some(), reason="known", expires=DAY)
    again = parse_baseline(render(baseline).encode(), "b.json")
    assert again == baseline
    assert all(again.find(each) is not None for each in some())
    assert again.find(finding(fingerprint="f" * 16)) is None
    assert render(again) == render(baseline)


def test_an_entry_has_a_line_of_its_own() -> None:
    assert sum('"id"' in line for line in text().splitlines()) == 3
    assert json.loads(text(0))["accepted"] == []


def test_two_baselines_of_the_same_findings_share_nothing_that_names_them() -> None:
    first, second = json.loads(text()), json.loads(text())
    assert not {entry["id"] for entry in first["accepted"]} & {entry["id"] for entry in second["accepted"]}
    for each in some():
        assert each.fingerprint not in text()


def test_bringing_up_to_date_keeps_reasons_and_drops_what_is_gone() -> None:
    before = accept_findings(new_baseline("b.json"), some(3), reason="known", expires=DAY)
    after = accept_findings(before, some(5)[1:], reason=None, expires=None)
    assert after.key == before.key
    assert {entry.where: (entry.reason, entry.expires) for entry in after.entries} == {
        "/app/1": ("known", DAY),
        "/app/2": ("known", DAY),
        "/app/3": ("known when the baseline was written", None),
        "/app/4": ("known when the baseline was written", None),
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param('"accepted": [', '"accepted": [[', r"b.json:\d+: not valid JSON", id="syntax"),
        pytest.param('"key"', '<<<<<<< HEAD\n"key"', "b.json:3: not valid JSON", id="conflict"),
        pytest.param('"imgscan_baseline": 1', '"imgscan_baseline": 2', "of format 2", id="later-format"),
        pytest.param('"imgscan_baseline": 1', '"version": 1', "b.json:1: not a baseline", id="another-file"),
        pytest.param('"key": "', '"key": "zz', 'b.json:3: "key" is 64', id="key"),
        pytest.param('"/app/1"', "7", "b.json:6: an entry has no where", id="type"),
        pytest.param('"where": "/app/2"', '"wher": "x"', "b.json:7: unknown key 'wher'", id="unknown-key"),
        pytest.param('{"id": "', '{"id": "x', "b.json:5: an id is 32", id="id"),
        pytest.param("2027-03-31", "2027-33-31", "b.json:5: expires is a day", id="day"),
        pytest.param('"reason": "known"', '"reason": ""', "b.json:5: a reason is", id="reason"),
        pytest.param('"place": "file"', '"place": "moon"', "b.json:5: place is one of", id="place"),
    ],
)
def test_a_broken_baseline_is_told_with_its_line(old: str, new: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_baseline(text().replace(old, new, 1).encode(), "b.json")


def test_a_deep_file_is_only_broken() -> None:
    with pytest.raises(InputError):
        parse_baseline(b"[" * 200_000, "b.json")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read") as caught:
        read_baseline(tmp_path / "none.json")
    assert "imgscan baseline" in caught.value.next_step


@given(st.integers(0, len(text()) - 1), st.binary(max_size=3))
def test_no_damage_is_a_traceback(at: int, damage: bytes) -> None:
    whole = text().encode()
    with contextlib.suppress(InputError):
        parse_baseline(whole[:at] + damage + whole[at + len(damage) :], "b.json")
