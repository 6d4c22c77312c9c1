"""Waivers of configuration files: who may answer for what, until when, and what is wrong with the rest."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from fakes import risk

from imgscan.config import Table
from imgscan.errors import InputError
from imgscan.risk.catalog import load_catalog
from imgscan.waivers import counting, read_waivers, waiver_notes

KNOWN = tuple(load_catalog())
ENTRY: dict[str, Any] = {
    "risk": "DATA-001",
    "owner": "Ada",
    "reason": "moves to a managed database",
    "expires": datetime.date(2027, 3, 31),
}
DAY = datetime.date(2027, 3, 31)


def read(*values: Any) -> tuple[Any, ...]:
    tables = [Table(value=value, where=f".imgscan.toml:{line}") for line, value in enumerate(values, 1)]
    return read_waivers(tables, KNOWN)


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        pytest.param("x", "waiver is a list of tables", "[[waiver]]", id="no-table"),
        pytest.param({**ENTRY, "untill": "x"}, "unknown key 'untill'", "known keys", id="unknown-key"),
        pytest.param({**ENTRY, "expire": "x"}, "unknown key 'expire'", "did you mean 'expires'?", id="near-key"),
        pytest.param({**ENTRY, "risk": "DATA-01"}, "there is no risk 'DATA-01'", "did you mean 'DATA-001'?", id="risk"),
        pytest.param({**ENTRY, "risk": "x"}, "there is no risk 'x'", "risks: DATA-001", id="no-such-risk"),
        pytest.param({**ENTRY, "owner": " "}, "owner is a text", "", id="nobody"),
        pytest.param({**ENTRY, "reason": "x" * 501}, "reason is a text", "", id="long"),
        pytest.param({k: v for k, v in ENTRY.items() if k != "owner"}, "needs 'owner'", "who answers", id="no-owner"),
        pytest.param({k: v for k, v in ENTRY.items() if k != "reason"}, "needs 'reason'", "why", id="no-reason"),
        pytest.param({k: v for k, v in ENTRY.items() if k != "expires"}, "a last day", "for ever", id="no-end"),
        pytest.param({**ENTRY, "expires": "soon"}, "expires is a day", "", id="no-day"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(value: Any, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        read(ENTRY, value)
    assert ".imgscan.toml:2" in str(caught.value)
    assert message in str(caught.value)
    assert hint in (caught.value.next_step or "")


@pytest.mark.parametrize(("today", "counts"), [(DAY, True), (DAY + datetime.timedelta(days=1), False)])
def test_the_last_day_counts(today: datetime.date, counts: bool) -> None:
    entries = read(ENTRY)
    assert ("DATA-001" in counting(entries, today)) is counts
    assert bool(waiver_notes(entries, (risk(id="DATA-001"),), today)) is not counts


def test_an_expired_one_is_told_with_owner_and_place() -> None:
    (note,) = waiver_notes(read(ENTRY), (), DAY + datetime.timedelta(days=1))
    assert note == ".imgscan.toml:1: the waiver of DATA-001 by Ada expired on 2027-03-31 and does not count"


def test_the_nearest_counts() -> None:
    assert counting(read({**ENTRY, "owner": "near"}, ENTRY), DAY)["DATA-001"].owner == "near"


def test_one_for_a_risk_that_does_not_apply_is_told() -> None:
    (note,) = waiver_notes(read(ENTRY), (risk(id="DATA-001", applies=False, not_applicable="no compose"),), DAY)
    assert note.endswith("the waiver of DATA-001 has no effect: no compose")
