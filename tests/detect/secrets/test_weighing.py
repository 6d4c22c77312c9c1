"""How bad a hit is by where it lies and whose the file is."""

from __future__ import annotations

import pytest

from imgscan.detect.packages.claims import ClaimsBuilder, FileSums, Owner, Owners, Sum, claim, site_claim
from imgscan.detect.secrets.examples import examples_of
from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.scanner import load_scanner
from imgscan.detect.secrets.weighing import owner_of, weigh
from imgscan.model import Confidence, Severity

SCANNER = load_scanner(trufflehog3=False)
CRITICAL, MEDIUM, LOW = Severity.CRITICAL, Severity.MEDIUM, Severity.LOW
HIGH = Confidence.HIGH


def token(*, proven: bool = False) -> SecretHit:
    text = "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    if proven:
        from secretmaker import token_of

        text = token_of("weighed")
    (hit,) = SCANNER.scan_bytes(text.encode(), path="x")
    return hit


def assignment() -> SecretHit:
    (hit,) = SCANNER.scan_bytes(b"DB_PASSWORD=tr0ub4dor" + b"77x\n", path="usr/share/app/.env")
    return hit


@pytest.mark.parametrize(
    ("path", "owner", "severity"),
    [
        ("app/config.py", Owner.UNKNOWN, CRITICAL),
        ("app/config.py", Owner.NOBODY, CRITICAL),
        ("app/tests/config.py", Owner.UNKNOWN, MEDIUM),
        ("app/tests/config.py", Owner.NOBODY, MEDIUM),
        ("app/README.md", Owner.NOBODY, MEDIUM),
        ("opt/tool/config.py", Owner.PACKAGE, MEDIUM),
        ("etc/tool.conf", Owner.PACKAGE, MEDIUM),
        ("etc/tool.conf", Owner.CHANGED, CRITICAL),
        ("usr/share/app/config.py", Owner.UNKNOWN, MEDIUM),
        ("usr/share/app/config.py", Owner.PACKAGE, MEDIUM),
        ("usr/share/app/config.py", Owner.NOBODY, CRITICAL),
        ("usr/share/app/config.py", Owner.CHANGED, CRITICAL),
        ("usr/share/app/tests/config.py", Owner.PACKAGE, LOW),
        ("usr/share/app/tests/config.py", Owner.NOBODY, MEDIUM),
        ("usr/local/lib/python3.11/site-packages/app/settings.py", Owner.NOBODY, CRITICAL),
        ("usr/local/lib/python3.11/site-packages/app/settings.py", Owner.UNKNOWN, MEDIUM),
        ("usr/share/app/node_modules/x/index.js", Owner.NOBODY, MEDIUM),
        ("usr/lib/x86_64-linux-gnu/libx.so.3", Owner.NOBODY, LOW),
        ("usr/local/go/src/x.go", Owner.NOBODY, MEDIUM),
        ("usr/bin/tool", Owner.NOBODY, MEDIUM),
    ],
)
def test_the_place_and_the_owner_weigh(path: str, owner: Owner, severity: Severity) -> None:
    verdict = weigh(token(), path, owner)
    assert verdict is not None
    assert verdict[0] is severity
    assert (verdict[1] is HIGH) == (severity is CRITICAL)


@pytest.mark.parametrize("owner", Owner)
def test_a_checksum_that_fits_beats_any_place(owner: Owner) -> None:
    assert weigh(token(proven=True), "usr/lib/python3/dist-packages/tests/x.py", owner) == (CRITICAL, HIGH)


@pytest.mark.parametrize(
    ("path", "owner", "told"),
    [
        ("usr/share/app/.env", Owner.NOBODY, True),
        ("usr/share/app/.env", Owner.CHANGED, True),
        ("usr/share/app/.env", Owner.PACKAGE, False),
        ("usr/share/app/.env", Owner.UNKNOWN, False),
        ("etc/app/.env", Owner.PACKAGE, True),
    ],
)
def test_an_assignment_in_a_folder_of_packages_is_told_if_it_is_not_theirs(path: str, owner: Owner, told: bool) -> None:
    assert (weigh(assignment(), path, owner) is not None) is told


SITE = b"usr/local/lib/python3.11/site-packages"


def owners(*records: bytes, system: bool) -> Owners:
    builder = ClaimsBuilder()
    for record in records:
        builder.add(record, system=system)
    return Owners([builder.finish()])


DPKG = owners(claim(b"usr/bin/sh", Sum.MD5, b"1234567"), system=True)
PIP = owners(site_claim(SITE), system=False)


@pytest.mark.parametrize(
    ("asked", "path", "owner"),
    [
        pytest.param(DPKG, b"usr/share/app/x", Owner.NOBODY, id="system"),
        pytest.param(PIP, b"usr/share/app/x", Owner.UNKNOWN, id="no-system"),
        pytest.param(PIP, SITE + b"/app/x.py", Owner.NOBODY, id="site"),
        pytest.param(DPKG, SITE + b"/app/x.py", Owner.UNKNOWN, id="the-system-says-nothing-of-pips-folder"),
        pytest.param(DPKG, b"usr/lib/python3/dist-packages/app/x.py", Owner.NOBODY, id="but-of-its-own"),
        pytest.param(PIP, b"app/site-packages/x.py", Owner.UNKNOWN, id="another-site"),
        pytest.param(owners(system=False), b"usr/share/app/x", Owner.UNKNOWN, id="no-database"),
    ],
)
def test_nobody_only_where_those_who_could_were_asked(asked: Owners, path: bytes, owner: Owner) -> None:
    assert owner_of(asked, path, [FileSums(path=path, sha256=b"x")]) is owner


@pytest.mark.parametrize("rule", ["secret-nats-seed", "secret-bitcoin-wif"])
def test_a_whole_key_that_comes_with_tests_is_nobodys(rule: str) -> None:
    (seed,) = examples_of(SCANNER.rules[rule])
    (hit,) = SCANNER.scan_bytes(seed, path="x")
    assert hit.proven
    assert weigh(hit, "app/user.creds", Owner.NOBODY) == (CRITICAL, HIGH)
    assert weigh(hit, "app/tests/user_test.go", Owner.NOBODY) == (MEDIUM, Confidence.MEDIUM)
