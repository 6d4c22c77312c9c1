"""Key pairs and certificates for tests, made by OpenSSL and OpenSSH at run time, once in a run."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

KINDS = {
    "rsa": "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
    "p256": "ecparam -genkey -noout -name prime256v1",
    "p384": "ecparam -genkey -noout -name secp384r1",
    "p521": "ecparam -genkey -noout -name secp521r1",
    "ed25519": "genpkey -algorithm ed25519",
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A private key as OpenSSL writes it, a certificate for it, a line of authorized_keys and what ssh-keygen calls it.
    `others` are the same private key in other forms."""

    key: bytes
    pem: bytes
    der: bytes
    login: bytes
    fingerprint: str
    others: dict[str, bytes]


@cache
def pair(kind: str, subject: str = "/O=Test/CN=shop.test", days: int = 400) -> Pair:
    """A new pair; the same one for the same arguments."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def call(*words: str) -> bytes:
            return subprocess.run(words, cwd=folder, capture_output=True, check=True).stdout

        def read(file: str) -> bytes:
            return (folder / file).read_bytes()

        call("openssl", *KINDS[kind].split(), "-out", "key")
        (folder / "key").chmod(0o600)
        call(
            "openssl",
            "req",
            "-new",
            "-x509",
            "-utf8",
            "-key",
            "key",
            "-days",
            str(days),
            "-subj",
            subject,
            "-out",
            "pem",
        )
        call("openssl", "x509", "-in", "pem", "-outform", "DER", "-out", "der")
        others = {"pkcs8": call("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", "key")}
        if kind == "rsa":
            others["pkcs1"] = call("openssl", "rsa", "-in", "key", "-traditional")
        if kind.startswith("p"):
            others["without-point"] = call("openssl", "ec", "-in", "key", "-no_public")
        (folder / "ssh").write_bytes(read("key"))
        (folder / "ssh").chmod(0o600)
        if kind != "ed25519":  # which ssh-keygen reads in its own form only
            for form, words in (("openssh", ("-N", "")), ("openssh-encrypted", ("-N", "abcdefg", "-Z", "aes256-ctr"))):
                call("ssh-keygen", "-q", "-p", "-P", "", *words, "-f", "ssh")
                others[form] = read("ssh")
            call("cp", "key", "plain")
            (folder / "plain").chmod(0o600)
            login = call("ssh-keygen", "-y", "-f", "plain")
        else:
            import base64

            from imgscan.detect.secrets.publickeys import blob_of_info

            info = call("openssl", "pkey", "-in", "key", "-pubout", "-outform", "DER")
            login = b"ssh-ed25519 " + base64.b64encode(blob_of_info(info) or b"") + b"\n"
        (folder / "pub").write_bytes(login)
        fingerprint = call("ssh-keygen", "-l", "-f", "pub").split()[1].decode()
        return Pair(
            key=read("key"), pem=read("pem"), der=read("der"), login=login, fingerprint=fingerprint, others=others
        )
