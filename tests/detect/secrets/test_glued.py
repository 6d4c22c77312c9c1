"""Tokens without anything between them and what stands beside them: found in programs, and nothing else with them."""

from __future__ import annotations

import base64
import random

import pytest

from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.glued import glued_patterns, may_touch
from imgscan.detect.secrets.matcher import re2_options
from imgscan.detect.secrets.rules import SecretRule, own_pack
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.model import Confidence

re2 = pytest.importorskip("re2")
ELF = b"\x7fELF\2\1\1" + bytes(64)
RULES = list({rule.id: rule for rule, _ in glued_patterns(own_pack().rules)}.values())


def _token(rule: SecretRule) -> bytes | None:
    """A token of a rule that begins as its tokens do, and nothing around it."""
    for number, example in enumerate(rule.examples):
        text = assemble(example, f"glued {number}")
        for of, pattern in glued_patterns([rule]):
            found = re2.compile(pattern, re2_options()).fullmatch(text)
            if of is rule and found and text.startswith(tuple(prefix.encode() for prefix in rule.prefixes)):
                return text
    return None


TOKENS = {rule.id: token for rule in RULES if (token := _token(rule)) is not None}


def in_program(token: bytes) -> bytes:
    """As the strings of a Go program lie: behind each other, none of them ended."""
    return ELF + b"runtime error: index out of rangeheapBitsSetType" + token + b"not enough stack for the signal" + ELF


def test_most_kinds_of_tokens_are_looked_for() -> None:
    assert len(TOKENS) >= 60


@pytest.mark.parametrize("rule_id", TOKENS)
def test_a_token_among_the_strings_of_a_program(
    rule_id: str, scanner: SecretScanner, slow_scanner: SecretScanner
) -> None:
    token = TOKENS[rule_id]
    for each in (scanner, slow_scanner):
        hits = [hit for hit in each.scan_bytes(in_program(token), path="app/server") if hit.rule.id == rule_id]
        assert [hit.secret.startswith(token) for hit in hits] == [True]
        assert hits[0].proven or hits[0].confidence is not Confidence.HIGH


def test_in_text_a_token_is_a_word_of_its_own(scanner: SecretScanner, token: bytes) -> None:
    glued = b"heapBitsSetType" + token + b"not enough stack"
    assert not scanner.scan_bytes(glued, path="app/notes")
    assert scanner.scan_bytes(ELF + glued, path="app/notes")


def test_a_terminals_codes_are_no_part_of_a_token(scanner: SecretScanner, token: bytes) -> None:
    assert scanner.scan_bytes(b"10:02 \x1b[32minfo \x1b[33m" + token + b"\x1b[0m\n", path="var/log/app.log")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", False),
        (b"text", False),
        (b"a\0", True),
        (b"a" * 8191 + b"\0", True),
        (b"a" * 8192 + b"\0", False),
        (b"a\x1b[0m", True),
    ],
)
def test_where_strings_may_touch(head: bytes, expected: bool) -> None:
    assert may_touch(head) is expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"_ZTI" + b"nfo_ZN2v88internal8compiler10BasicBlock12setControlEv", id="mangled"),
        pytest.param(b"SLOVAKIACZECHIAGEORGIACANADA", id="capitals"),
        pytest.param(b"YCbCrSubsampleRatio410YCbCrSubsampleRatio411YCbCrSubsampleRatio420", id="names"),
        pytest.param(b"xghp_" + b"abcdefghijklmnopqrstuvwxyzabcdefghij", id="a-checksum-that-does-not-fit"),
    ],
)
def test_what_programs_have_anyway(text: bytes, scanner: SecretScanner) -> None:
    assert not scanner.scan_bytes(ELF + b"runtime" + text + b"error" + ELF, path="app/server")


def test_what_is_encoded_holds_no_token_by_chance(scanner: SecretScanner) -> None:
    key = TOKENS["secret-aws-access-key"]
    noise = base64.b64encode(random.Random(7).randbytes(600)).rstrip(b"=")
    assert not scanner.scan_bytes(ELF + noise + key + noise + ELF, path="app/server")
    assert scanner.scan_bytes(ELF + noise[:60] + key + b" " + noise + ELF, path="app/server")


ESCAPED = [
    pytest.param(rb'{"log": "ready\n%b"}', id="line-end"),
    pytest.param(rb'"\t%b"', id="tab"),
    pytest.param(rb'"{\\n%b"', id="escaped-twice"),
    pytest.param(b"https://x/?state=token%%3D%b&y", id="url"),
    pytest.param(b"q=%%2522%b%%2522", id="url-twice"),
    pytest.param(rb'"a\u003d%b\u0022"', id="unicode"),
    pytest.param(rb"'a\x3d%b\x22'", id="hexadecimal"),
    pytest.param(rb'"\u001b[33m%b\u001b[0m"', id="colours-in-json"),
    pytest.param(b"\x1b[1;32m%b\x1b[0m", id="colours"),
    pytest.param(b"token=3D%b=\r\n", id="quoted-printable"),
]


@pytest.mark.parametrize("form", ESCAPED)
def test_a_token_behind_an_escape(
    form: bytes, token: bytes, scanner: SecretScanner, slow_scanner: SecretScanner
) -> None:
    text = form % token
    for each in (scanner, slow_scanner):
        (hit,) = each.scan_bytes(text, path="app/server.log.json")
        assert hit.secret == token
        assert hit.offset == text.index(token)


@pytest.mark.parametrize("before", [b"n", b"3D", b"\\q", b"%3", b"u003d", b"=3d", b"[33m"])
def test_letters_that_are_no_escape(before: bytes, token: bytes, scanner: SecretScanner) -> None:
    assert not scanner.scan_bytes(before + token, path="app/notes")
