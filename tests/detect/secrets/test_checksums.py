"""Checksums of wallets, OpenPGP, JFrog and Bitbucket: right ones pass, one changed letter fails."""

from __future__ import annotations

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.checksums import (
    base58,
    bip39_prefixes,
    check_base58check,
    check_bip39,
    check_bitbucket,
    check_jfrog,
    check_nkey,
    check_pgp_crc24,
    check_putty,
    crc24,
    double_sha256,
    to_base58,
)
from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.validators import check_crc_deno
from imgscan.model import Severity, Validity


@given(st.binary(min_size=1, max_size=64))
def test_base58_round_trips(data: bytes) -> None:
    assert base58(to_base58(data)) == data


def test_base58_refuses_other_letters() -> None:
    assert base58(b"0OIl") is None


@pytest.mark.parametrize(
    ("network", "key", "severity"),
    [
        pytest.param(0x80, bytes(range(1, 33)), None, id="real"),
        pytest.param(0xEF, bytes(range(1, 33)), Severity.LOW, id="of-a-test-network"),
        pytest.param(0x80, bytes(31) + b"\1", Severity.LOW, id="one"),
        pytest.param(0x80, bytes(23) + b"\1" * 9, None, id="large-enough"),
    ],
)
def test_a_wallet_key_that_holds_nothing_is_low(network: int, key: bytes, severity: Severity | None) -> None:
    payload = bytes([network]) + key + b"\1"
    checked = check_base58check(to_base58(payload + double_sha256(payload)[:4]))
    assert checked.proven
    assert checked.severity is severity
    assert bool(checked.detail) is (severity is not None)


@given(st.binary(min_size=32, max_size=32), st.booleans())
def test_a_wallet_key_is_proven_and_a_changed_one_is_not(key: bytes, compressed: bool) -> None:
    payload = b"\x80" + key + (b"\x01" if compressed else b"")
    text = to_base58(payload + double_sha256(payload)[:4])
    assert check_base58check(text).proven
    changed = text[:-1] + (b"2" if text[-1:] != b"2" else b"3")
    assert check_base58check(changed).validity is Validity.INVALID


def test_a_published_phrase_of_bip39() -> None:
    """The first test vector of BIP 39: 16 bytes of zeros."""
    phrase = b" ".join([b"abandon"] * 11 + [b"about"])
    checked = check_bip39(phrase)
    assert (checked.validity, checked.severity) == (Validity.VALID, Severity.INFO), "everybody's"
    assert [word[:4] for word in phrase.split()] == bip39_prefixes(bytes(16))
    assert check_bip39(phrase.replace(b"about", b"above")).validity is Validity.INVALID


@given(st.sampled_from((16, 20, 24, 28, 32)).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_phrases_of_every_length(entropy: bytes) -> None:
    assert check_bip39(b" ".join(bip39_prefixes(entropy))).validity is Validity.VALID


@pytest.mark.parametrize("text", [b"", b"abandon " * 12 + b"x", b"abandon " * 13, b"the quick brown fox " * 3])
def test_no_phrases(text: bytes) -> None:
    assert check_bip39(text).validity is Validity.INVALID


def test_crc24_of_the_standard() -> None:
    """The checksum of an empty text is its start value; of `123456789` it is published as 21CF02."""
    assert crc24(b"") == 0xB704CE
    assert crc24(b"123456789") == 0x21CF02


def test_an_armoured_key() -> None:
    block = assemble([{"pgp": 200}], "a test")
    assert check_pgp_crc24(block).proven
    start = block.index(b"\n=") + 2
    wrong = block[:start] + (b"A" if block[start : start + 1] != b"A" else b"B") + block[start + 1 :]
    assert check_pgp_crc24(wrong).validity is Validity.INVALID
    without = block[: start - 2] + block[start + 4 :]
    assert check_pgp_crc24(without).validity is Validity.UNKNOWN


def test_putty_files_say_whether_they_are_encrypted() -> None:
    assert check_putty(b"Encryption: none").severity is None
    assert check_putty(b"Encryption: aes256-cbc").severity is Severity.MEDIUM


@pytest.mark.parametrize(
    ("text", "validity"),
    [
        pytest.param(b"AKCp" + b"1" * 40, Validity.INVALID, id="too-short"),
        pytest.param(base64.b64encode(b"reftkn:01:1700000000:abcdefghij"), Validity.VALID, id="reference"),
        pytest.param(base64.b64encode(b"reftkn:01:x:abcdefghijklmnop"), Validity.INVALID, id="no-time"),
    ],
)
def test_jfrog(text: bytes, validity: Validity) -> None:
    assert check_jfrog(text).validity is validity


def test_bitbucket_and_deno() -> None:
    assert check_bitbucket(b"BBDC-" + base64.b64encode(b"123456789012:" + bytes(20))).validity is Validity.VALID
    assert check_bitbucket(b"BBDC-" + base64.b64encode(bytes(33))).validity is Validity.INVALID
    assert check_bitbucket(b"ATBBx").validity is Validity.UNKNOWN
    assert check_crc_deno(b"ddp_" + b"a" * 36).validity is Validity.UNKNOWN
    assert check_crc_deno(assemble(["ddp_", {"random": "base62", "length": 30}, {"crc": "github"}], "a test")).proven


def test_a_nats_seed_ends_in_its_checksum() -> None:
    body = bytes((18 << 3, 20 << 3)) + bytes(range(32))
    seed = base64.b32encode(body + binascii.crc_hqx(body, 0).to_bytes(2, "little")).rstrip(b"=")
    assert len(seed) == 58
    assert check_nkey(seed).proven
    assert check_nkey(seed[:-1] + (b"A" if seed[-1:] != b"A" else b"B")).validity is Validity.INVALID
    assert check_nkey(b"S1" + seed[2:]).validity is Validity.INVALID
