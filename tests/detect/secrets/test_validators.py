"""Offline checks: right and wrong checksums, structures, hostile input."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.pem import body_of, check_private_key, key_digest_text, lacks_key_body
from imgscan.detect.secrets.validators import VALIDATORS, base36, base62, check, check_aws_key_id, check_jwt
from imgscan.model import Severity, Validity


def jwt(claims: object, header: object = None) -> bytes:
    parts = (header or {"alg": "HS256"}, claims)
    return b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts) + b".c2ln"


def changed(token: bytes) -> bytes:
    """The token with its tenth character replaced by another."""
    return token[:9] + (b"A" if token[9:10] != b"A" else b"B") + token[10:]


CHECKSUMMED = [
    pytest.param("github", ["gh", "p_", {"random": "base62", "length": 30}, {"crc": "github"}], id="github"),
    pytest.param("crc-base62", ["np", "m_", {"random": "base62", "length": 30}, {"crc": "github"}], id="npm"),
    pytest.param(
        "gitlab", ["gl", "pat-", {"random": "base62", "length": 27}, ".01.0z", {"crc": "gitlab"}], id="gitlab"
    ),
    pytest.param("atlassian", ["ATA", "TT3xFfGF0", {"random": "url64", "length": 60}, {"crc": "HEX"}], id="atlassian"),
    pytest.param("grafana", ["gl", "sa_", {"random": "base62", "length": 32}, "_", {"crc": "grafana"}], id="grafana"),
]


@pytest.mark.parametrize(("name", "parts"), CHECKSUMMED)
def test_checksums_that_fit_prove(name: str, parts: list[object]) -> None:
    checked = VALIDATORS[name](assemble(parts, name))
    assert (checked.validity, checked.proven) == (Validity.VALID, True)


@pytest.mark.parametrize(("name", "parts"), CHECKSUMMED)
def test_checksums_that_do_not_fit_are_invalid(name: str, parts: list[object]) -> None:
    assert VALIDATORS[name](changed(assemble(parts, name))).validity is Validity.INVALID


def test_bech32() -> None:
    """The identity of the age specification's own example family: made here, one character changed."""
    key = assemble([{"bech32": "AGE-SECRET-KEY-"}], "age")
    assert VALIDATORS["bech32"](key).proven
    wrong = key[:-1] + (b"Q" if key[-1:] != b"Q" else b"P")
    assert VALIDATORS["bech32"](wrong).validity is Validity.INVALID


@pytest.mark.parametrize(
    ("number", "expected"), [(0, b"000000"), (61, b"00000z"), (62, b"000010"), (2**32 - 1, b"4gfFC3")]
)
def test_base62(number: int, expected: bytes) -> None:
    assert base62(number, 6) == expected


def test_base36() -> None:
    assert base36(2**32 - 1, 7) == b"1z141z3"


def test_the_account_of_an_aws_key_id() -> None:
    """The key id and account of the published write-up of the format."""
    checked = check_aws_key_id(b"ASIA" + b"Y34FZKBOKMUTVV7A")
    assert checked.detail == "AWS account 609629065308"
    assert check_aws_key_id(b"AKIA" + b"189018901890189A").validity is Validity.INVALID
    assert check_aws_key_id(b"AKIA" + b"IOSFODNN7ABCDEFG").validity is Validity.UNKNOWN


@pytest.mark.parametrize(
    ("token", "validity", "severity", "detail"),
    [
        pytest.param(jwt({"sub": "x"}), Validity.VALID, None, "never expires", id="no-expiry"),
        pytest.param(jwt({"exp": time.time() + 9999}), Validity.VALID, None, "", id="valid"),
        pytest.param(jwt({"exp": 1500000000}), Validity.INVALID, Severity.INFO, "expired", id="expired"),
        pytest.param(jwt({"role": "service_role"}), Validity.VALID, Severity.CRITICAL, None, id="service-role"),
        pytest.param(jwt([1]), Validity.UNKNOWN, None, "", id="claims-no-object"),
        pytest.param(jwt({}, {"typ": "x"}), Validity.INVALID, None, "", id="no-algorithm"),
        pytest.param(jwt({"exp": True}), Validity.VALID, None, "", id="absurd-expiry"),
        pytest.param(b"a.b.c", Validity.INVALID, None, "", id="nonsense"),
    ],
)
def test_jwt(token: bytes, validity: Validity, severity: Severity | None, detail: str | None) -> None:
    checked = check_jwt(token)
    assert (checked.validity, checked.severity) == (validity, severity)
    assert detail is None or checked.detail == detail


@given(st.binary(max_size=300))
def test_checks_take_any_bytes(secret: bytes) -> None:
    for name in VALIDATORS:
        assert check((name,), secret).validity in Validity


@given(st.text(alphabet="abcXYZ019._-=+/:", max_size=200))
def test_checks_take_any_token_like_text(text: str) -> None:
    for name in VALIDATORS:
        assert check((name,), text.encode()).validity in Validity


PEM = "PRIVATE KEY"


def test_slashes_as_php_escapes_them() -> None:
    escaped = assemble([{"pem": PEM, "escaped": True}], "php").replace(b"/", b"\\/")
    assert check_private_key(escaped).validity is Validity.VALID


@pytest.mark.parametrize(
    ("secret", "validity"),
    [
        pytest.param(assemble([{"der": PEM}], "unframed"), Validity.VALID, id="pkcs8"),
        pytest.param(assemble([{"der": f"RSA {PEM}"}], "unframed"), Validity.VALID, id="pkcs1"),
        pytest.param(assemble([{"der": f"EC {PEM}"}], "unframed"), Validity.VALID, id="sec1"),
        pytest.param(assemble([{"der": PEM}], "unframed")[:400], Validity.INVALID, id="cut-off"),
        pytest.param(b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" + b"A" * 400, Validity.INVALID, id="no-der"),
    ],
)
def test_a_key_without_its_frame(secret: bytes, validity: Validity) -> None:
    assert check(("unframed-key",), secret).validity is validity


@pytest.mark.parametrize(
    ("options", "detail", "severity"),
    [
        pytest.param({"pem": f"RSA {PEM}"}, "not encrypted", None, id="pkcs1"),
        pytest.param({"pem": f"EC {PEM}"}, "not encrypted", None, id="sec1"),
        pytest.param({"pem": PEM}, "not encrypted", None, id="pkcs8"),
        pytest.param({"pem": PEM, "escaped": True}, "not encrypted", None, id="escaped"),
        pytest.param({"pem": f"OPENSSH {PEM}"}, "not encrypted", None, id="openssh"),
        pytest.param({"pem": f"ENCRYPTED {PEM}"}, "encrypted", Severity.MEDIUM, id="pkcs8-encrypted"),
        pytest.param({"pem": f"RSA {PEM}", "encrypted": True}, "encrypted", Severity.MEDIUM, id="pkcs1-encrypted"),
        pytest.param(
            {"pem": f"OPENSSH {PEM}", "encrypted": True},
            "encrypted with aes256-ctr",
            Severity.MEDIUM,
            id="openssh-encrypted",
        ),
    ],
)
def test_private_keys(options: dict[str, object], detail: str, severity: Severity | None) -> None:
    key = assemble([options], "key")
    checked = check_private_key(key)
    assert (checked.validity, checked.detail.split(", ")[0], checked.severity) == (Validity.VALID, detail, severity)
    assert not lacks_key_body(key)


def pem(body: bytes, label: bytes = b"RSA PRIVATE " + b"KEY") -> bytes:
    return b"-----BEGIN " + label + b"-----\n" + body + b"\n-----END " + label + b"-----"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(base64.b64encode(b"no key at all, but long enough to be one, is it not?"), id="not-der"),
        pytest.param(base64.b64encode(b"\x30\x82\x10\x00\x02\x01\x00\x02\x82" + b"x" * 60), id="cut-off"),
        pytest.param(base64.b64encode(b"\x30\x84\xff\xff\xff\xff" + b"x" * 60), id="absurd-length"),
        pytest.param(base64.b64encode(b"\x30\x85" + b"\x01" * 60), id="absurd-length-of-length"),
    ],
)
def test_keys_that_do_not_parse_are_invalid(body: bytes) -> None:
    assert check_private_key(pem(body)).validity is Validity.INVALID


@pytest.mark.parametrize("body", [b"...", b"", b"MIIE...", b"<key here>", b"short==", b"x" * 60 + b"(.*)"])
def test_what_is_no_key_body(body: bytes) -> None:
    assert lacks_key_body(pem(body))


def test_a_key_in_source_code_is_read() -> None:
    key = assemble([{"pem": f"RSA {PEM}"}], "source")
    lines = key.decode().split("\n")
    source = "\n".join(f'    "{line}\\n" +' for line in lines).encode()
    assert check_private_key(source).validity is Validity.VALID
    assert key_digest_text(source) == key_digest_text(key)


@given(st.binary(max_size=400))
def test_bodies_take_any_bytes(body: bytes) -> None:
    assert check_private_key(pem(body)).validity in Validity
    assert body_of(body) is None or isinstance(body_of(body), bytes)


@given(st.text("aZ9+/=\r\n", max_size=80).map(str.encode))
def test_a_plain_body_is_read_as_one_with_spaces_is(body: bytes) -> None:
    assert body_of(body) == body_of(body + b" ")


@pytest.mark.parametrize(
    ("secret", "validity"),
    [
        pytest.param(base64.b64encode(b"ci:a-password"), Validity.VALID, id="both"),
        pytest.param(base64.b64encode(b":a-token"), Validity.VALID, id="no-user"),
        pytest.param(base64.b64encode(b"ci:"), Validity.INVALID, id="no-password"),
        pytest.param(base64.b64encode(b"no-colon"), Validity.INVALID, id="neither"),
        pytest.param(b"an.identity-token_of-a.registry", Validity.UNKNOWN, id="no-base64-of-text"),
    ],
)
def test_basic_credentials(secret: bytes, validity: Validity) -> None:
    assert check(("basic-auth",), secret).validity is validity


def test_a_token_of_anybody_is_low() -> None:
    checked = check_jwt(jwt({"role": "anon", "iss": "supabase"}))
    assert (checked.validity, checked.severity) == (Validity.VALID, Severity.LOW)
