"""What is left out at a glance is what would be judged to be nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets import assignments, generic
from imgscan.detect.secrets.blocksearch import RuleSet
from imgscan.detect.secrets.dull import dull_ends
from imgscan.detect.secrets.jointly import searched
from imgscan.detect.secrets.rules import own_pack
from imgscan.detect.secrets.scanner import SecretScanner, load_scanner

NAMES = ["password", "apiToken", "SECRET_KEY", "db.pass", "licenseKey", "session_id", "DB_PASSWORD", "token"]
DULL = ["operators", "NextToken", "true", "{}}}", "string.quote", "changeme", "this.options.token", "12345", "%s"]
RARE = ["Zq7" + "xW2pL9vRt4", "9f86d081" + "884c7d659a2feaa0", "correct7" + "Horse!", "kD83" + "hfQz0PmW5tYr7aLx"]


@pytest.mark.parametrize("value", DULL)
def test_dull_values(value: str) -> None:
    assert assignments.is_dull(value.encode())
    assert generic.is_dull(value.encode())


@pytest.mark.parametrize("value", RARE)
def test_values_that_are_not(value: str) -> None:
    assert not assignments.is_dull(value.encode())


@given(
    name=st.sampled_from(NAMES),
    value=st.one_of(st.sampled_from(DULL + RARE), st.text(min_size=1, max_size=40)).map(str.encode),
    written=st.sampled_from([assignments.Written.QUOTED, assignments.Written.PLAIN]),
)
def test_nothing_dull_is_a_secret(name: str, value: bytes, written: assignments.Written) -> None:
    if assignments.is_dull(value):
        assert assignments.judge_value(name, value, written) is None
    if generic.is_dull(value):
        assert not generic.is_generic_secret(name, value)


def test_which_patterns_may_be_skimmed() -> None:
    entries = [each for rule in own_pack().rules for each in searched(rule)]
    skimmed = dull_ends(entries)
    assert {entries[number].rule.id for number in skimmed} == {assignments.ENV_ASSIGNMENT, generic.GENERIC}
    for value, dull in ((RARE[3], False), ("string.quote.other", True)):
        text = f'api token: "{value}"'.encode()
        ends = [(number, re.search(entries[number].pattern, text)) for number in skimmed]
        asked = [skimmed[number](text, found.end()) for number, found in ends if found is not None]
        assert asked
        assert set(asked) == {dull}


ASSIGNED = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(["=", ": ", ' = "', "='", '": "', "(", " ", " is ", ":\n  "]),
    st.one_of(st.sampled_from(DULL + RARE), st.text("aZ9_.-/+{}$ \"'", min_size=1, max_size=24)),
    st.sampled_from(["\n", '"\n', "'", '", "', ";", "", " " * 300, "x" * 700 + "\n"]),
).map("".join)


@pytest.fixture(scope="module")
def unskimmed() -> SecretScanner:
    """A scanner that looks at everything twice."""
    scanner = load_scanner(keep_compiled=False)
    config: RuleSet = scanner.blocks.config
    config.__dict__["_dull"] = {}
    return scanner


@given(st.lists(ASSIGNED, min_size=1, max_size=24).map("".join), st.sampled_from(["src/a.js", "app/a.yml", "app/.env"]))
def test_skimming_changes_nothing(scanner: SecretScanner, unskimmed: SecretScanner, text: str, path: str) -> None:
    found = [(hit.rule.id, hit.offset, hit.secret) for hit in scanner.scan_bytes(text.encode(), path=path)]
    assert found == [(hit.rule.id, hit.offset, hit.secret) for hit in unskimmed.scan_bytes(text.encode(), path=path)]


def test_a_value_is_not_cut_where_its_own_hit_was_skimmed(scanner: SecretScanner) -> None:
    rare = "Zq7" + "xW2pL9vRt4Hf8Kd03mNs6Bv1" * 8
    text = f'clientSecret: "{RARE[3]}"\n' + "x" * 600 + f'\nrefreshToken: "{rare}EXAMPLE{rare}"\n'
    hits = scanner.scan_bytes(text.encode(), path="app/a.yml")
    assert [hit.secret.decode() for hit in hits if hit.rule.id == assignments.ENV_ASSIGNMENT] == [RARE[3]]
