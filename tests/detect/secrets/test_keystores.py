"""Key stores: those with a key in them are found, those with certificates only are not, and nothing else is."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.packages.claims import Owner
from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.keystores import KEYSTORE, Keystore, find_keystore
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.detect.secrets.weighing import weigh
from imgscan.model import Confidence, Severity

JKS = assemble([{"keystore": "jks"}], "test")
_PASSWORD = "pw-" + "for-tests"


def run(*command: str, folder: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "GNUPGHOME": str(folder), "HOME": str(folder)}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=120)


def summary(found: Keystore | None) -> tuple[str, Severity, Confidence] | None:
    return (found.kind, found.severity, found.confidence) if found is not None else None


def trusted(kind: str, certificates: int) -> bytes:
    """A Java store of certificates alone."""
    magic = {"jks": "feedfeed", "jceks": "cececece"}[kind]
    entry = b"\0\0\0\2\0\2ca" + bytes(8) + b"\0\5X.509" + (900).to_bytes(4, "big") + bytes(900)
    return bytes.fromhex(magic) + b"\0\0\0\2" + certificates.to_bytes(4, "big") + entry * certificates + bytes(20)


KEEPASS = bytes.fromhex("03d9a29a67fb4bb5") + bytes(range(200))
WALLET = bytes.fromhex("a1f84e36") + bytes(range(200))
BKS_CERTIFICATE = b"\1\0\2ca" + bytes(8) + bytes(4) + b"\0\5X.509\0\0\0\3abc"
BKS = b"\0\0\0\2\0\0\0\x14" + bytes(20) + b"\0\0\4\0" + BKS_CERTIFICATE
BKS_KEY = b"\4\0\1k" + bytes(8) + bytes(4) + b"\0\0\0\x40" + bytes(range(64))
MEDIUM = Severity.MEDIUM, Confidence.HIGH


@pytest.mark.parametrize(
    ("data", "found"),
    [
        pytest.param(JKS, ("JKS store with a private key", *MEDIUM), id="jks"),
        pytest.param(trusted("jks", 140), None, id="jks-trusted"),
        pytest.param(trusted("jceks", 3), None, id="jceks-trusted"),
        pytest.param(KEEPASS, ("KeePass password database", *MEDIUM), id="keepass"),
        pytest.param(
            WALLET,
            ("Oracle auto-login wallet, which needs no password", Severity.HIGH, Confidence.HIGH),
            id="oracle-wallet",
        ),
        pytest.param(BKS + BKS_KEY + b"\0" + bytes(20), ("BKS store with a key", *MEDIUM), id="bks"),
        pytest.param(BKS + b"\0" + bytes(20), None, id="bks-trusted"),
        pytest.param(JKS[:40], None, id="jks-cut"),
        pytest.param(b"", None, id="empty"),
        pytest.param(bytes(4096), None, id="zeros"),
        pytest.param(b"0" * 4096, None, id="text"),
        pytest.param(b"\x30\x82\x01\x00\x02\x01\x03" + bytes(300), None, id="der"),
        pytest.param(b"\x95\x01\x04" + bytes(300), None, id="no-packet"),
        pytest.param(b"(21:protected", None, id="agent-cut"),
        pytest.param(b"Key: value\n" * 50, None, id="header-text"),
    ],
)
def test_formats(data: bytes, found: tuple[str, Severity, Confidence] | None) -> None:
    assert summary(find_keystore(data)) == found


@given(
    data=st.binary(max_size=400), head=st.sampled_from([JKS[:12], BKS[:34], b"\x95\x01", b"\xc5", b"\x30\x82", b"("])
)
def test_nothing_raises(data: bytes, head: bytes) -> None:
    find_keystore(head + data)
    find_keystore(data)


def test_a_store_is_a_finding_wherever_it_lies(scanner: SecretScanner) -> None:
    from archivemaker import zipped

    (hit,) = scanner.scan_bytes(JKS, path="app/keystore.jks")
    assert (hit.rule.id, hit.severity, hit.offset) == (KEYSTORE, Severity.MEDIUM, 33)
    assert hit.detail == "JKS store with a private key"
    assert hit.secret.hex() not in repr(hit)
    (inner,) = scanner.scan_bytes(zipped({"BOOT-INF/classes/server.jks": JKS}), path="app/app.jar")
    assert (inner.rule.id, inner.inside) == (KEYSTORE, "BOOT-INF/classes/server.jks")
    assert inner.identity == hit.identity
    assert weigh(hit, "app/src/test/resources/keystore.jks", Owner.UNKNOWN) == (Severity.LOW, Confidence.MEDIUM)
    assert scanner.scan_bytes(b"x" + JKS, path="a") == []


@pytest.mark.tools
def test_stores_of_openssl(tmp_path: Path) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k.pem")
    run("openssl", "req", "-x509", *key, "-out", "c.pem", "-subj", "/CN=x", folder=tmp_path)
    both = ("openssl", "pkcs12", "-export", "-inkey", "k.pem", "-in", "c.pem")
    certificate = ("openssl", "pkcs12", "-export", "-nokeys", "-in", "c.pem")
    run(*both, "-out", "both", "-passout", f"pass:{_PASSWORD}", folder=tmp_path)
    run(*both, "-out", "open", "-passout", "pass:", "-keypbe", "NONE", "-certpbe", "NONE", folder=tmp_path)
    run(*certificate, "-out", "sealed", "-passout", f"pass:{_PASSWORD}", folder=tmp_path)
    run(*certificate, "-out", "trusted", "-passout", "pass:", "-certpbe", "NONE", folder=tmp_path)
    found = {name: find_keystore((tmp_path / name).read_bytes()) for name in ("both", "open", "sealed", "trusted")}
    assert {name: summary(store) for name, store in found.items()} == {
        "both": ("PKCS #12 store with a private key", *MEDIUM),
        "open": ("PKCS #12 store with a key that no password protects", Severity.CRITICAL, Confidence.HIGH),
        "sealed": ("PKCS #12 store, encrypted as a whole", Severity.LOW, Confidence.LOW),
        "trusted": None,
    }


@pytest.mark.tools
@pytest.mark.parametrize(
    ("command", "kind", "severity"),
    [
        pytest.param("genrsa 2048", "RSA private key in DER", Severity.CRITICAL, id="pkcs1"),
        pytest.param("ecparam -name prime256v1 -genkey -noout", "EC private key in DER", Severity.CRITICAL, id="sec1"),
        pytest.param("genpkey -algorithm ed25519", "PKCS #8 private key in DER", Severity.CRITICAL, id="pkcs8"),
        pytest.param(
            f"genpkey -algorithm ed25519 -aes256 -pass pass:{_PASSWORD}",
            "PKCS #8 private key in DER, encrypted",
            Severity.MEDIUM,
            id="encrypted",
        ),
        pytest.param("dsaparam 1024", None, None, id="parameters"),
    ],
)
def test_keys_in_der(tmp_path: Path, command: str, kind: str | None, severity: Severity | None) -> None:
    name, *arguments = command.split()
    run("openssl", name, "-out", "key.pem", *arguments, folder=tmp_path)
    if kind is not None and kind.startswith("RSA"):
        run("openssl", "rsa", "-in", "key.pem", "-out", "key.pem", "-traditional", folder=tmp_path)
    body = "".join(line for line in (tmp_path / "key.pem").read_text().splitlines() if not line.startswith("-----"))
    der = base64.b64decode(body)
    found = find_keystore(der)
    assert (found.kind if found else None, found.severity if found else None) == (kind, severity)
    assert find_keystore(der + bytes(1000)) is None, "a key that does not fill its file"


@pytest.mark.parametrize(
    ("kind", "name"), [("JKS", "JKS"), ("JCEKS", "JCEKS"), ("PKCS12", "PKCS #12")], ids=["jks", "jceks", "pkcs12"]
)
def test_stores_of_keytool(tmp_path: Path, kind: str, name: str) -> None:
    password = ("-storepass", _PASSWORD, "-keypass", _PASSWORD)
    store = ("-keystore", "k", "-storetype", kind)
    run("keytool", "-genkeypair", "-keyalg", "EC", "-alias", "a", "-dname", "CN=t", *store, *password, folder=tmp_path)
    run("keytool", "-exportcert", "-alias", "a", "-file", "c", *store, *password[:2], folder=tmp_path)
    store = ("-keystore", "t", "-storetype", kind)
    run("keytool", "-importcert", "-noprompt", "-alias", "c", "-file", "c", *store, *password[:2], folder=tmp_path)
    assert summary(find_keystore((tmp_path / "k").read_bytes())) == (f"{name} store with a private key", *MEDIUM)
    only_trusted = find_keystore((tmp_path / "t").read_bytes())
    assert only_trusted is None or only_trusted.confidence is Confidence.LOW


@pytest.mark.tools
def test_the_trust_store_of_a_system_is_no_finding(scanner: SecretScanner) -> None:
    data = Path("/etc/ssl/certs/java/cacerts").read_bytes()
    assert scanner.scan_bytes(data, path="etc/ssl/certs/java/cacerts") == []


@pytest.mark.tools
@pytest.mark.parametrize("algorithm", ["rsa2048", "ed25519"])
@pytest.mark.parametrize("passphrase", ["", _PASSWORD], ids=["open", "protected"])
def test_keys_of_gpg(tmp_path: Path, algorithm: str, passphrase: str) -> None:
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", passphrase)
    try:
        run(*gpg, "--quick-gen-key", "t@example.org", algorithm, "default", "never", folder=home)
        run(*gpg, "--output", "secret", "--export-secret-keys", folder=home)
        run(*gpg, "--output", "public", "--export", folder=home)
    finally:
        run("gpgconf", "--kill", "all", folder=home)
    expected = (
        ("OpenPGP secret key", *MEDIUM)
        if passphrase
        else ("OpenPGP secret key that no passphrase protects", Severity.CRITICAL, Confidence.HIGH)
    )
    assert summary(find_keystore((home / "secret").read_bytes())) == expected
    assert find_keystore((home / "public").read_bytes()) is None
    (agent,) = {summary(find_keystore(path.read_bytes())) for path in (home / "private-keys-v1.d").iterdir()} - {None}
    assert agent is not None
    assert agent[0].startswith("GnuPG private key")
    assert (agent[1] is Severity.CRITICAL) == (not passphrase)
