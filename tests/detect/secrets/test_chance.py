"""What comes about by chance: among letters without end, among signs; and what does not."""

from __future__ import annotations

import base64
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.chance import is_in_noise
from imgscan.detect.secrets.scanner import SecretScanner

_RANDOM = random.Random(11)
NOISE = "".join(_RANDOM.choices(string.ascii_letters + string.digits + "!#$%&*+-/:;<=>?@[]^_`{|}~", k=80))
LONG = base64.b64encode(_RANDOM.randbytes(300)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param(NOISE, True, id="signs-at-random"),
        pytest.param(f"{NOISE}\n", False, id="a-line-of-its-own"),
        pytest.param("smtp.host=mail.corp.internal; smtp.port=587; smtp.user=ci; ", False, id="settings"),
        pytest.param('{"host":"db.corp.internal","port":5432,"user":"app","ssl":{"', False, id="json"),
        pytest.param(LONG, False, id="letters"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_noise_before_a_name(before: str, *, expected: bool) -> None:
    assert is_in_noise(before.encode(), len(before)) is expected


@given(st.binary(max_size=200), st.integers(0, 200))
def test_noise_is_told_of_any_bytes(data: bytes, start: int) -> None:
    assert is_in_noise(data, min(start, len(data))) in (True, False)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        pytest.param("key ", "\n", True, id="a-word-of-its-own"),
        pytest.param(f"{LONG[:90]}+", f"/{LONG[90:180]}", False, id="inside-base64"),
        pytest.param("/srv/keys/", "/of/a/path", True, id="inside-a-path"),
    ],
)
def test_letters_inside_base64_are_no_token(scanner: SecretScanner, before: str, after: str, *, found: bool) -> None:
    token = "AKIA" + "Z7QX4JM2P6RT" + "VB3N"
    hits = scanner.scan_bytes(f"{before}{token}{after}".encode(), path="app/notes.txt")
    assert ("secret-aws-access-key" in {hit.rule.id for hit in hits}) is found


def test_tokens_on_lines_of_their_own_are_no_base64(scanner: SecretScanner) -> None:
    tokens = ["A" * 22 + "".join(_RANDOM.choices(string.ascii_letters + string.digits, k=90)) for _ in range(9)]
    for between in ("\n", "',\n  '"):
        hits = scanner.scan_bytes(f"'{between.join(tokens)}'\n".encode(), path="app/tokens.js")
        assert {hit.secret.decode() for hit in hits} >= set(tokens)
