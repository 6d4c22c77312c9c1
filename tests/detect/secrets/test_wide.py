"""UTF-16 among other bytes: read as the text in it, wherever it lies and in either byte order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.detect.secrets.wide import wide_pattern, wide_runs

PROGRAM = random.Random(16).randbytes(70_000).replace(b"\0\0", b"\0\1")


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("before", ["", "The token is ", "\t"])
@pytest.mark.parametrize("at", [0, 1, 4095, 65_537])
def test_a_token_in_a_program(
    at: int, before: str, order: str, token: bytes, scanner: SecretScanner, slow_scanner: SecretScanner
) -> None:
    wide = f"{before}{token.decode()} ".encode(order)
    data = PROGRAM[:at] + b"\1" + wide + b"\1" + PROGRAM[at:]
    for each in (scanner, slow_scanner):
        (hit,) = each.scan_bytes(data, path="app/tool.exe")
        assert hit.secret == token
        assert hit.offset == at + 1 + 2 * len(before) + (order == "utf-16-be")


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("before", [b"\1", b"\0", b"\0\0", b"A", b"A\0"], ids=repr)
@pytest.mark.parametrize("after", [b"", b"\1", b"A", b"AB", b"\0", b"\0\0", b"\0\1"], ids=repr)
def test_a_token_is_all_of_a_string(
    before: bytes, after: bytes, order: str, token: bytes, scanner: SecretScanner, slow_scanner: SecretScanner
) -> None:
    wide = token.decode().encode(order)
    if order == "utf-16-le":
        before = before.removesuffix(b"A\0")  # It would be one string with this character.
    if order == "utf-16-be" and before == b"A":
        after = after.lstrip(b"\0")  # It would be a string of the other order.
    for each in (scanner, slow_scanner):
        (hit,) = each.scan_bytes(PROGRAM + before + wide + after + PROGRAM, path="app/tool.exe")
        assert hit.secret == token


def test_a_program_without_one_is_clean(scanner: SecretScanner) -> None:
    text = "nothing to see here".encode("utf-16-le")
    assert scanner.is_clean(PROGRAM + text + PROGRAM, "app/tool.exe")


def test_in_every_window_of_a_large_file(token: bytes, scanner: SecretScanner) -> None:
    data = bytearray(b"\1\2\0\3" * 700_000)
    places = (1_000_001, 1_048_500, 2_097_100, 2_799_000)
    for at in places:
        data[at : at + 2 * len(token)] = token.decode().encode("utf-16-le")
    hits = scanner.scan_bytes(bytes(data), path="app/tool.exe")
    assert sorted(hit.offset for hit in hits) == list(places)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60), st.booleans())
def test_a_run_is_the_text_and_its_places(text: str, big_endian: bool) -> None:
    wide = text.encode("utf-16-be" if big_endian else "utf-16-le")
    data = b"\xff\xfe\xff" + wide + b"\xff\xff"
    at = data.index(text[len(text) // 2].encode(), 3 + 2 * (len(text) // 2))
    (run,) = (run for run in wide_runs(data, [(at, at + 1)], cut=lambda _: None) if run.data.decode() == text)
    for index, character in enumerate(text):
        start, end = run.span(index, index + 1)
        assert data[start:end] == character.encode()


def test_a_flood_of_beginnings_is_bounded() -> None:
    data = b"\1a\0b\0" * 10_000
    hits = [(at, at + 3) for at in range(1, len(data), 5)]
    told: list[str] = []
    assert len(list(wide_runs(data, hits, cut=told.append))) == 2000
    assert len(told) == 1


def test_the_pattern_of_nothing_is_nothing() -> None:
    assert wide_pattern([]) == b""
