"""Whole images: whose files are, which keys are in use, and that neither depends on how the image is read."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from imagemaker import Made, docker25, legacy, oci
from keymaker import pair
from rpmdatabases import rpm_header, sqlite_database
from tarmaker import archive, header, member

from imgscan.cli.main import run

SITE = "usr/local/lib/python3.11/site-packages"


def token(seed: str) -> str:
    return "sk" + "_live_" + base64.b32encode(hashlib.sha256(seed.encode()).digest()).decode()[:24].replace("=", "7")


def config(seed: str) -> bytes:
    return f"key = '{token(seed)}'\n".encode()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def stated(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


LARGE = config("large").ljust(600_000, b"\n")
FILES = {
    "usr/share/thing/owned.py": config("owned"),
    "usr/share/thing/changed.py": config("changed"),
    "usr/share/app/own.py": config("own"),
    "opt/thing/owned.py": config("opt"),
    "usr/share/thing/large.py": LARGE,
    f"{SITE}/lib/x.py": config("pip"),
    f"{SITE}/app/own.py": config("pip-own"),
    f"{SITE}/local/own.py": config("pip-local"),
    "app/node_modules/x/index.js": config("npm"),
}
MEDIUM = {"usr/share/thing/owned.py", "opt/thing/owned.py", "usr/share/thing/large.py", f"{SITE}/lib/x.py"}
MEDIUM |= {"app/node_modules/x/index.js"}
DATABASES = {
    "var/lib/dpkg/info/thing.list": b"/.\n/usr/share/thing/changed.py\n",
    "var/lib/dpkg/info/thing.md5sums": (
        f"{md5(FILES['usr/share/thing/owned.py'])}  usr/share/thing/owned.py\n"
        f"{md5(b'as it was')}  usr/share/thing/changed.py\n"
        f"{md5(FILES['opt/thing/owned.py'])}  opt/thing/owned.py\n"
        f"{md5(LARGE)}  usr/share/thing/large.py\n"
    ).encode(),
    f"{SITE}/lib-1.dist-info/RECORD": f"lib/x.py,{stated(FILES[f'{SITE}/lib/x.py'])},9\nlib-1.dist-info/RECORD,,\n".encode(),
    f"{SITE}/local-1.dist-info/RECORD": f"local/own.py,{stated(FILES[f'{SITE}/local/own.py'])},9\n".encode(),
    f"{SITE}/local-1.dist-info/direct_url.json": b'{"dir_info": {}, "url": "file:///app"}',
}
# The database is updated in a layer of its own, as after an upgrade, and the caches are removed in the last one.
IMAGE = Made(
    layers=(
        archive(*(member(path.encode(), data) for path, data in FILES.items())),
        archive(*(member(path.encode(), data) for path, data in DATABASES.items())),
        archive(header(b"var/lib/dpkg/.wh.info"), header(b"usr/share/app/.wh.own.py")),
    ),
    history=[
        {"created_by": "COPY rootfs / # buildkit"},
        {"created_by": "RUN /bin/sh -c apt-get upgrade # buildkit"},
        {"created_by": "RUN /bin/sh -c rm -rf /var/lib/dpkg/info # buildkit"},
    ],
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are kept in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("IMGSCAN_NO_CACHE", raising=False)


def scan(folder: Path, image: bytes, *args: str) -> dict[str, dict[str, Any]]:
    """The findings of secrets by path."""
    path, out = folder / "image.tar", folder / "report.json"
    path.write_bytes(image)
    run(["scan", str(path), "--no-config", "--quiet", "--exit-zero", "--format", f"json={out}", *args])
    findings = json.loads(out.read_text("utf-8"))["findings"]
    return {f["location"]["path"].lstrip("/"): f for f in findings if f["rule_id"].startswith("secret-")}


def severities(findings: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {path: finding["severity"] for path, finding in findings.items()}


EXPECTED = {path: "medium" if path in MEDIUM else "critical" for path in FILES}


def test_only_what_a_package_has_is_a_packages(tmp_path: Path) -> None:
    first = scan(tmp_path, docker25(IMAGE), "--jobs", "1")
    assert severities(first) == EXPECTED
    assert scan(tmp_path, docker25(IMAGE), "--jobs", "1") == first, "kept results"
    assert scan(tmp_path, docker25(IMAGE), "--jobs", "2", "--no-cache") == first
    assert scan(tmp_path, legacy(IMAGE), "--jobs", "2", "--no-cache") == first
    assert severities(scan(tmp_path, oci(IMAGE), "--no-cache")) == EXPECTED


def test_without_databases_the_path_decides(tmp_path: Path) -> None:
    found = severities(scan(tmp_path, docker25(Made(layers=IMAGE.layers[:1]))))
    assert {path for path, severity in found.items() if severity == "critical"} == {"opt/thing/owned.py"}


def test_the_instructions_that_ship_and_hide_it_are_told(tmp_path: Path) -> None:
    message = scan(tmp_path, docker25(IMAGE))["usr/share/app/own.py"]["message"]
    assert message.endswith(
        "; deleted by layer 2 (RUN rm -rf /var/lib/dpkg/info), but anyone who can pull the image can still read"
        " layer 0 (COPY rootfs /): rotate it"
    )


@pytest.mark.parametrize(
    ("database", "data"),
    [
        pytest.param(
            "var/lib/rpm/rpmdb.sqlite",
            sqlite_database(
                [
                    rpm_header(
                        [
                            (
                                "/usr/share/thing/",
                                "owned.py",
                                hashlib.sha256(FILES["usr/share/thing/owned.py"]).hexdigest(),
                            )
                        ]
                    )
                ]
            ),
            id="rpm",
        ),
        pytest.param(
            "lib/apk/db/installed",
            b"P:thing\nF:usr/share/thing\nR:owned.py\nZ:Q1"
            + base64.b64encode(hashlib.sha1(FILES["usr/share/thing/owned.py"], usedforsecurity=False).digest())
            + b"\n\n",
            id="apk",
        ),
    ],
)
def test_other_systems(database: str, data: bytes, tmp_path: Path) -> None:
    layers = (IMAGE.layers[0], archive(member(database.encode(), data)))
    found = severities(scan(tmp_path, docker25(Made(layers=layers))))
    assert found["usr/share/thing/owned.py"] == "medium"
    assert found["usr/share/app/own.py"] == "critical"


def test_a_database_too_damaged_to_be_read_says_nothing(tmp_path: Path) -> None:
    layers = (IMAGE.layers[0], archive(member(b"var/lib/rpm/Packages", b"damaged")), IMAGE.layers[1])
    found = severities(scan(tmp_path, docker25(Made(layers=layers))))
    assert found["usr/share/app/own.py"] == "medium"
    assert found["usr/share/thing/changed.py"] == "critical", "what is known to be changed stays known"


def test_a_key_with_its_certificate_in_another_layer(tmp_path: Path) -> None:
    made, login = pair("p256"), pair("rsa")
    layers = (
        archive(member(b"etc/nginx/tls.key", made.key), member(b"root/.ssh/id_rsa", login.key)),
        archive(member(b"etc/nginx/tls.crt", made.pem), member(b"root/.ssh/authorized_keys", b"# x\n" + login.login)),
    )
    image = docker25(Made(layers=layers))
    first = scan(tmp_path, image)
    key = first["etc/nginx/tls.key"]
    assert f"not encrypted, {made.fingerprint}" in key["message"]
    assert "its certificate is /etc/nginx/tls.crt (CN shop.test, expires 20" in key["message"]
    assert key["confidence"] == "high"
    assert "/root/.ssh/authorized_keys lets it log in" in first["root/.ssh/id_rsa"]["message"]
    assert scan(tmp_path, image) == first
    assert scan(tmp_path, image, "--no-cache", "--jobs", "2") == first
