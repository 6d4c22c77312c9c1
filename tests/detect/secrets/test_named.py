"""Services named beside a secret: tables, and what a scan makes of them."""

from __future__ import annotations

import random
import string

import pytest

from imgscan.detect.secrets.named import is_named_beside
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.model import Severity

_CHANCE = random.Random(5)
RARE = "q7Zp2Lk9Xw4Vt8Rb" + "".join(_CHANCE.choices(string.ascii_letters + string.digits, k=16))
HEX = "".join(_CHANCE.choices("0123456789abcdef", k=40))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("new Airtable({{ apiKey: '{}' }})", True, id="constructor"),
        pytest.param("cloudinary.config({{ cloud_name: 'corp', api_secret: '{}' }})", True, id="configuration"),
        pytest.param("new Mux({{ tokenSecret: '{}' }})", True, id="word-that-is-made"),
        pytest.param("demux({{ tokenSecret: '{}' }})", False, id="part-of-a-word"),
        pytest.param("mux.lock(); x = {{ secret: '{}' }}", False, id="word-of-programs"),
        pytest.param("Braintree::Configuration.private_key = '{}'", True, id="ruby"),
        pytest.param("new GitHubStrategy({{ clientID: 'a', clientSecret: '{}' }})", True, id="passport"),
        pytest.param("new LocalThing({{ clientSecret: '{}' }})", False, id="nobody"),
        pytest.param("new Redis({{ url: 'https://a-1.upstash.io', token: '{}' }})", True, id="host"),
        pytest.param("x(secret='{}', url='https://api.pusher.com')", True, id="host-behind"),
        pytest.param('provider "scaleway" {{\n  zone = "fr"\n  secret_key = "{}"\n}}', True, id="terraform"),
        pytest.param('provider "corp" {{\n  secret_key = "{}"\n}}', True, id="any-provider"),
        pytest.param('resource "x" "y" {{\n  secret_key = "{}"\n}}', False, id="no-provider"),
        pytest.param('provider "a" {{\n  zone = "fr"\n}}\nsecret_key = "{}"', False, id="block-that-ended"),
        pytest.param("datadog:\n  site: eu\n  api_key: {}", True, id="yaml"),
        pytest.param("datadog:\n  site: eu\nother:\n  api_key: {}", False, id="another-entry"),
        pytest.param("[mailgun]\na = 1\napi_key = {}", True, id="section"),
        pytest.param("[mailgun]\na = 1\n[other]\napi_key = {}", False, id="another-section"),
        pytest.param('"bootstrap.servers": "a.confluent.cloud:9092",\n"password": "{}"', True, id="host-above"),
        pytest.param('"name": "mailgun",\n"password": "{}"', False, id="name-above-is-no-head"),
    ],
)
def test_what_names_a_service(text: str, *, expected: bool) -> None:
    data = text.format(RARE).encode()
    start = data.index(RARE.encode())
    assert is_named_beside("secret", RARE.encode(), data, start, start + len(RARE)) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(RARE, True, id="random"),
        pytest.param(HEX, True, id="hexadecimal"),
        pytest.param(RARE[:12], False, id="short"),
        pytest.param("mailgun-api-key-of-production-2", False, id="words"),
        pytest.param("tok_visa_debit_of_2", False, id="joined-words"),
        pytest.param("1234567890123456", False, id="number"),
    ],
)
def test_of_what_values(value: str, *, expected: bool) -> None:
    data = f"new Mailgun({{ secret: '{value}' }})".encode()
    start = data.index(value.encode())
    assert is_named_beside("secret", value.encode(), data, start, start + len(value)) is expected


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        pytest.param(f"const a = new Airtable({{ apiKey: '{RARE}' }});\n", Severity.MEDIUM, id="named"),
        pytest.param(f"const a = new Cellar({{ apiKey: '{RARE}' }});\n", Severity.LOW, id="not-named"),
        pytest.param(f"// new Airtable({{ apiKey: '{RARE}' }});\n", Severity.LOW, id="comment"),
    ],
)
def test_a_hint_that_is_more(scanner: SecretScanner, text: str, severity: Severity) -> None:
    hits = scanner.scan_bytes(text.encode(), path="src/clients.ts")
    assert [hit.severity for hit in hits] == [severity]
