"""What a report may show of a secret, and what may stand for it."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.redact import excerpt, is_strong, redact, secret_fingerprint_parts
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.model import Place

LONG = "Zq9" + "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=40))


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        pytest.param("hunter2", "••• (under 8 characters)", id="short"),
        pytest.param("hunter2hunter2", "••• (12 to 19 characters)", id="medium"),
        pytest.param(LONG, f"{LONG[:4]}…{LONG[-4:]}", id="long"),
        pytest.param("-----BEGIN RSA PRIVATE " + "KEY-----\nMIIE…", "-----BEGIN RSA PRIVATE " + "KEY-----…", id="pem"),
        pytest.param(b"\x00\x1b[31m" + b"x" * 30 + b"\xff\xfe\n\r", "..[3…....", id="controls"),
        pytest.param("", "••• (under 8 characters)", id="empty"),
    ],
)
def test_redact(secret: str | bytes, expected: str) -> None:
    assert redact(secret) == expected


@given(st.binary(min_size=1, max_size=200))
def test_at_most_four_characters_of_each_end_are_shown(secret: bytes) -> None:
    shown = redact(secret)
    if len(secret) < 20:
        assert shown.startswith("•••")
    elif b"-----BEGIN" not in secret:
        assert len(shown) == 9
    assert shown.isprintable()


def test_passwords_show_nothing_at_any_length() -> None:
    assert redact(LONG, reveal=False) == "••• (20 characters or more)"


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param(b"export NPM_TOKEN=", "NPM_TOKEN=•••", id="assignment"),
        pytest.param(b'{"db_password": "', "db_password:•••", id="json"),
        pytest.param(b"first line\nuser: ", "user:•••", id="only-its-line"),
        pytest.param(b"AKIA" + b"Q3EXAMPL12345678: ", "•••", id="a-name-with-digits-may-be-a-secret"),
        pytest.param(b"curl -u ", "•••", id="no-name"),
        pytest.param(b"", "•••", id="nothing-before"),
    ],
)
def test_excerpts_show_the_name_and_nothing_else(before: bytes, expected: str) -> None:
    assert excerpt(before, b"hunter2", reveal=False) == f"{expected} (under 8 characters)"


@pytest.mark.parametrize(
    ("secret", "strong"),
    [
        pytest.param(LONG.encode(), True, id="random"),
        pytest.param(b"correct horse", False, id="short"),
        pytest.param(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaab", False, id="long-but-predictable"),
    ],
)
def test_strength(secret: bytes, strong: bool) -> None:
    assert is_strong(secret) is strong


def test_a_strong_secret_is_one_finding_wherever_it_lies(scanner: SecretScanner, token: bytes) -> None:
    (hit,) = scanner.scan_bytes(token, path="a")
    parts = secret_fingerprint_parts(hit, Place.FILE, "a")
    assert parts == secret_fingerprint_parts(hit, Place.ENV, "b")
    assert token.decode() not in "".join(parts)


def test_a_weak_secret_gives_eight_bits_of_digest_and_its_place(scanner: SecretScanner) -> None:
    (hit,) = scanner.scan_assignment("DB_PASSWORD", "tr0ub4dor", path="ENV")
    kind, place, path, digest = secret_fingerprint_parts(hit, Place.ENV, "ENV DB_PASSWORD")
    assert (kind, place, path) == ("weak", "env", "ENV DB_PASSWORD")
    assert len(digest) == 2
