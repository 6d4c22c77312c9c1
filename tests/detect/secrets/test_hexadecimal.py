"""Hexadecimal: read as the bytes in it, wherever it stands."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.hexadecimal import hex_pattern, hex_runs
from imgscan.detect.secrets.scanner import SecretScanner


@pytest.mark.parametrize("upper", [False, True], ids=["lower", "upper"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", "\n", id="alone"),
        pytest.param("INSERT INTO t VALUES ('\\x", "');\n", id="bytea"),
        pytest.param("INSERT INTO `t` VALUES (7,0x", ",1);\n", id="hex-blob"),
        pytest.param("X'", "'", id="standard-sql"),
        pytest.param("\\x" + "00ff" * 900, "00ff" * 900, id="among-other-bytes"),
        pytest.param("\\x" + b"token=".hex(), b"&a=b".hex(), id="in-a-text"),
        pytest.param("f", "\n", id="behind-a-lone-digit"),
    ],
)
def test_a_token(
    before: str, after: str, upper: bool, token: bytes, scanner: SecretScanner, slow_scanner: SecretScanner
) -> None:
    digits = token.hex()
    data = f"{before}{digits.upper() if upper else digits}{after}".encode()
    for each in (scanner, slow_scanner):
        (hit,) = each.scan_bytes(data, path="app/dump.sql")
        assert hit.secret == token
        assert data[hit.offset : hit.offset + 2 * len(token)].lower() == digits.encode()


def test_digests_hold_nothing(scanner: SecretScanner) -> None:
    chance = random.Random(1)
    text = "\n".join(chance.randbytes(32).hex() for _ in range(20_000))
    assert scanner.scan_bytes(text.encode(), path="app/SHA256SUMS") == []


def test_in_every_window_of_a_large_file(token: bytes, scanner: SecretScanner) -> None:
    data = bytearray(b"00ff" * 700_000)
    places = (1_000_000, 1_048_500, 2_097_100, 2_799_000)
    for at in places:
        data[at : at + 2 * len(token)] = token.hex().encode()
    hits = scanner.scan_bytes(bytes(data), path="app/dump.sql")
    assert sorted(hit.offset for hit in hits) == list(places)


@given(st.binary(max_size=90), st.binary(min_size=1, max_size=60), st.binary(max_size=90), st.booleans())
def test_a_run_is_the_bytes_and_their_places(before: bytes, middle: bytes, after: bytes, odd: bool) -> None:
    data = b"'" + b"7" * odd + (before + middle + after).hex().encode() + b"'"
    at = 1 + odd + 2 * len(before)
    (run,) = hex_runs(data, [(at, at + 2 * len(middle))], cut=lambda _: None)
    assert run.data == before + middle + after
    low, high = run.span(len(before), len(before) + len(middle))
    assert bytes.fromhex(data[low:high].decode()) == middle


def test_a_flood_of_beginnings_is_bounded() -> None:
    data = b"61," * 20_000
    told: list[str] = []
    assert len(list(hex_runs(data, [(at, at + 2) for at in range(0, len(data), 3)], cut=told.append))) == 10_000
    assert len(told) == 1


def test_the_pattern_of_nothing_is_nothing() -> None:
    assert hex_pattern(["abc"]) == b""
