"""What belongs together: ids and their secrets, as the findings tell it."""

from __future__ import annotations

import hashlib
import random
import string
import time

import pytest

from imgscan.detect.secrets import publishable
from imgscan.detect.secrets.documents import Document, scan_documents
from imgscan.detect.secrets.findings import LocatedHit, secret_findings
from imgscan.detect.secrets.scanner import load_scanner
from imgscan.model import Finding, Location, Place, Severity

SCANNER = load_scanner(trufflehog3=False)
KEY_ID = "AK" + "IA" + "R4ZQ2WJ7XN5KTB3M"
SECRET = "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=40))
PASSWORD = "tr0ub4dor" + "77x"


def found(text: str, path: str = "/app/.env", place: Place = Place.FILE) -> dict[str, Finding]:
    hits = SCANNER.scan_bytes(text.encode(), path=path.lstrip("/"))
    located = [LocatedHit(hit=hit, location=Location(place=place, path=path, layer=1, line=hit.line)) for hit in hits]
    return {finding.rule_id: finding for finding in secret_findings(located)}


ID, KEY, TOKEN = "secret-aws-access-key", "secret-aws-secret-key", "secret-aws-session-token"


def test_an_id_alone_is_low() -> None:
    assert found(f"AWS_ACCESS_KEY_ID={KEY_ID}\n")[ID].severity is Severity.LOW


def test_an_id_with_its_secret_is_critical() -> None:
    findings = found(f"AWS_ACCESS_KEY_ID={KEY_ID}\n# comment\nAWS_SECRET_ACCESS_KEY={SECRET}\n")
    assert findings[ID].severity is findings[KEY].severity is Severity.CRITICAL
    assert "its secret key is on line 3" in findings[ID].message
    assert "its key id is on line 1" in findings[KEY].message


def test_far_apart_is_not_together() -> None:
    findings = found(f"AWS_ACCESS_KEY_ID={KEY_ID}\n" + "\n" * 30 + f"AWS_SECRET_ACCESS_KEY={SECRET}\n")
    assert findings[ID].severity is Severity.LOW
    assert "its" not in findings[ID].message


def test_each_id_has_the_nearest_secret() -> None:
    other = KEY_ID[:-1] + "Q"
    text = (
        f"[a]\nid={KEY_ID}\naws_secret_access_key={SECRET}\n\n[b]\nid={other}\naws_secret_access_key={SECRET[::-1]}\n"
    )
    messages = {finding.location.line: finding.message for finding in _all(text, "/root/.aws/credentials")}
    assert "its secret key is on line 3" in messages[2]
    assert "its secret key is on line 7" in messages[6]


def test_an_id_that_is_public_with_its_secret_is_critical() -> None:
    key_id, secret = "rzp" + "_live_" + SECRET[:14], SECRET[:24]
    assert found(f"RAZORPAY_KEY_ID={key_id}\n")["secret-razorpay-key-id"].severity is Severity.LOW
    findings = found(f"RAZORPAY_KEY_ID={key_id}\nRAZORPAY_KEY_SECRET={secret}\n")
    assert {finding.severity for finding in findings.values()} == {Severity.CRITICAL}


def test_an_id_of_tencent_with_its_key() -> None:
    key_id, secret = "AK" + "ID" + SECRET[:32], SECRET[32:] + SECRET[:24]
    assert found(f'"secretId": "{key_id}"\n')["secret-tencent-key"].severity is Severity.LOW
    findings = found(f'"secretId": "{key_id}",\n"secretKey": "{secret}"\n')
    assert findings["secret-tencent-key"].severity is Severity.CRITICAL


def test_what_everybody_knows_opens_nothing_together(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"AWS_ACCESS_KEY_ID={KEY_ID}\nAWS_SECRET_ACCESS_KEY={SECRET}\n"
    digests = {hashlib.sha256(SECRET.encode()).hexdigest(): "examples of a command"}
    monkeypatch.setattr(publishable, "public_digests", lambda kind: digests if kind == "keys" else {})
    findings = found(text)
    assert (findings[ID].severity, findings[KEY].severity) == (Severity.LOW, Severity.INFO)
    assert "known to everybody: examples of a command" in findings[KEY].message
    assert "its" not in findings[ID].message


def _all(text: str, path: str) -> list[Finding]:
    hits = SCANNER.scan_bytes(text.encode(), path=path.lstrip("/"))
    return secret_findings(
        LocatedHit(hit=hit, location=Location(place=Place.FILE, path=path, layer=1, line=hit.line)) for hit in hits
    )


def test_the_parts_of_an_environment() -> None:
    pairs = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "DB_HOST": "db.internal", "DB_USER": "app"}
    documents = [
        Document(place=Place.ENV, path=f"ENV {name}", assignments=((name, value),))
        for name, value in {**pairs, "DB_PASSWORD": PASSWORD}.items()
    ]
    located = [
        LocatedHit(hit=hit, location=Location(place=Place.ENV, path=document.path))
        for document, hit in scan_documents(SCANNER, documents)
    ]
    findings = {finding.rule_id: finding for finding in secret_findings(located)}
    assert findings[ID].severity is Severity.CRITICAL
    assert "its secret key is in ENV AWS_SECRET_ACCESS_KEY" in findings[ID].message
    assert "DB_USER and DB_HOST (db.internal) stand beside it" in findings["secret-env-assignment"].message


def test_a_password_with_its_user_and_host_in_a_file() -> None:
    finding = found(f"DB_HOST=db.internal\nDB_USER=app\nDB_PASSWORD={PASSWORD}\n")["secret-env-assignment"]
    assert "DB_USER and DB_HOST (db.internal) stand beside it" in finding.message
    assert PASSWORD not in finding.message


def test_a_thousand_parts_in_one_line_take_bounded_time() -> None:
    (hit,) = [hit for hit in SCANNER.scan_bytes(KEY_ID.encode(), path="x") if hit.rule.id == ID]
    (key,) = [h for h in SCANNER.scan_bytes(f"aws_secret_access_key={SECRET}".encode(), path="x") if h.rule.id == KEY]
    location = Location(place=Place.FILE, path="/x", layer=0, line=1)
    located = [LocatedHit(hit=each, location=location) for each in (hit, key) for _ in range(20_000)]
    begun = time.process_time()
    assert len(secret_findings(located)) == 2
    assert time.process_time() - begun < 20
