"""Public halves: of every kind of key and in every form the same fingerprint, that of ssh-keygen."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keymaker import KINDS, pair

from imgscan.detect.secrets.curves import ed25519_public
from imgscan.detect.secrets.pem import check_private_key
from imgscan.detect.secrets.publickeys import (
    SeenKey,
    blob_of_info,
    blob_of_private,
    fingerprint_of,
    read_certificate,
    read_login,
)
from imgscan.detect.secrets.scanner import SecretScanner


@pytest.mark.parametrize("kind", KINDS)
def test_a_private_key_has_the_fingerprint_that_ssh_keygen_prints(kind: str) -> None:
    made = pair(kind)
    for form, key in {"openssl": made.key, **made.others}.items():
        checked = check_private_key(key)
        assert checked.public == made.fingerprint, form
        assert made.fingerprint in checked.detail
        assert checked.detail.startswith("encrypted" if form == "openssh-encrypted" else "not encrypted")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["pem", "der", "pem-in-json", "pem-in-base64", "in-a-binary"])
@pytest.mark.parametrize("backend", ["hyperscan", "re2"])
def test_certificates_are_seen_where_they_stand(kind: str, form: str, backend: str) -> None:
    made = pair(kind)
    data = {
        "pem": b"subject: CN\n" + made.pem,
        "der": made.der,
        "pem-in-json": b'{"tls.crt": "' + made.pem.replace(b"\n", b"\\n") + b'"}',
        "pem-in-base64": b"tls.crt: " + base64.b64encode(made.pem) + b"\n",
        "in-a-binary": b"\x7fELF" + bytes(1 << 20) + made.der + bytes(100),
    }[form]
    seen: list[SeenKey] = []
    assert scanner_of(backend).scan_bytes(data, path="etc/x", see=seen.append) == []
    (key,) = seen
    assert (key.fingerprint, key.certificate, key.name) == (made.fingerprint, True, "shop.test")
    assert 399 * 86400 < key.expires - time.time() < 401 * 86400


_SCANNERS: dict[str, SecretScanner] = {}


def scanner_of(backend: str) -> SecretScanner:
    from imgscan.detect.secrets.rules import own_pack

    return _SCANNERS.setdefault(backend, SecretScanner([own_pack()], backend=backend))


@pytest.mark.parametrize("path", ["root/.ssh/authorized_keys", "etc/ssh/authorized_keys.d/deploy"])
def test_login_keys_are_seen_in_their_files_only(path: str) -> None:
    made = pair("rsa")
    data = b'from="10.0.0.0/8",no-pty ' + made.login + pair("p256").login
    seen: list[SeenKey] = []
    scanner_of("hyperscan").scan_bytes(data, path=path, see=seen.append)
    assert [key.fingerprint for key in seen] == [made.fingerprint, pair("p256").fingerprint]
    assert not any(key.certificate for key in seen)
    seen.clear()
    scanner_of("hyperscan").scan_bytes(data, path="root/.ssh/id_rsa.pub", see=seen.append)
    assert seen == []


def test_a_hostile_name_is_text_of_bounded_length() -> None:
    made = pair("p256", subject="/CN=" + "\u202eevil\x1b[31m" + "x" * 50)
    key = read_certificate(made.der)
    assert key is not None
    assert key.name.isprintable()
    assert "\N{REPLACEMENT CHARACTER}" in key.name


def test_the_public_key_of_rfc_8032() -> None:
    """The first test vector of its section 7.1."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert ed25519_public(seed).hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@given(where=st.integers(0, 2000), what=st.binary(min_size=1, max_size=3))
@pytest.mark.parametrize("kind", ["rsa", "p256", "ed25519"])
def test_damaged_keys_and_certificates_are_read_without_error(kind: str, where: int, what: bytes) -> None:
    made = pair(kind)
    body = base64.b64decode(b"".join(made.key.split(b"\n")[1:-2]))
    for data in (bytearray(made.der), bytearray(body)):
        at = where % len(data)
        data[at : at + len(what)] = what
        for cut in (bytes(data), bytes(data[:at])):
            read_certificate(cut)
            blob_of_private(cut)
            blob_of_info(cut)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_no_key(data: bytes) -> None:
    assert read_certificate(data) is None
    assert read_login(b"ssh-rsa " + base64.b64encode(data)) is None
    blob = blob_of_private(b"openssh-key-v1\0" + data)
    assert blob is None or fingerprint_of(blob).startswith("SHA256:")
