"""Hints: rare texts under names, keys of services, values of Kubernetes Secrets."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.generic import GENERIC, is_generic_secret, is_service_secret
from imgscan.detect.secrets.kubernetes import judge_kubernetes
from imgscan.detect.secrets.rarity import letters_per_piece
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.model import Confidence, Severity

RANDOM = "q7Zp2Lk9Xw4Vt8RbC3mN"


@pytest.mark.parametrize(
    "text", ["authentication_handler", "getUserByEmailAddress", "KeyboardInterrupt", "the quick brown fox jumps"]
)
def test_language_is_not_rare(text: str) -> None:
    assert letters_per_piece(text.encode()) >= 3


@pytest.mark.parametrize("text", [RANDOM, "kzwtasoytjtfsx17", "Zf3D0LXCM3EIMbgJpUNnkRtOfOueHznB"])
def test_random_text_is_rare(text: str) -> None:
    assert letters_per_piece(text.encode()) < 2.2


@given(st.binary(max_size=400))
def test_rarity_takes_any_bytes(text: bytes) -> None:
    assert 0 <= letters_per_piece(text) <= 20


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("app.key", RANDOM, True, id="key"),
        pytest.param("login", RANDOM, True, id="login"),
        pytest.param("colour", RANDOM, False, id="name-without-hint"),
        pytest.param("public_key", RANDOM, False, id="public"),
        pytest.param("key_id", RANDOM, False, id="id"),
        pytest.param("api", "organisation_unit_identifier2", False, id="words"),
        pytest.param("key", "a3f1" * 10, False, id="digest"),
        pytest.param("client_secret", "0afae57f3ccfd9d7f5767067bc48b30f", True, id="hex-secret"),
        pytest.param("session", "f47ac10b-58cc-4372-a567-0e02b2c3d479", False, id="uuid"),
        pytest.param("api", "https://q7Zp2Lk9Xw4Vt8Rb.io", False, id="address"),
        pytest.param("key", "sha256-" + RANDOM * 2, False, id="named-digest"),
        pytest.param("login", "LGPL-3.0-or-later", False, id="version"),
        pytest.param("signature", "0x" + "9f3a7c51e8b2d406" * 8 + "1b", False, id="signature-of-a-wallet"),
        pytest.param("signature", "9f3a7c51e8b2d406" * 2 + "Xz", True, id="signature-of-a-request"),
        pytest.param("cipher_key", "AES-256-GCM-SIV-V1", False, id="algorithm"),
        pytest.param("key", "${" + RANDOM + "}", False, id="reference"),
    ],
)
def test_hints(name: str, value: str, expected: bool) -> None:
    assert is_generic_secret(name, value.encode()) is expected


def test_a_hint_is_never_more(scanner: SecretScanner) -> None:
    hits = [
        hit
        for path in ("app/config.yaml", "app/.env", "Dockerfile")
        for hit in scanner.scan_bytes(f"login: {RANDOM}\n".encode(), path=path)
        if hit.rule.id == GENERIC
    ]
    assert hits
    assert {(hit.severity, hit.confidence) for hit in hits} == {(Severity.LOW, Confidence.LOW)}


def test_no_hints_in_other_peoples_files(scanner: SecretScanner) -> None:
    for path in ("app/node_modules/x/config.json", "usr/lib/python3.11/site-packages/x/a.py", "app/logo.png"):
        assert not [h for h in scanner.scan_bytes(f'login: "{RANDOM}"'.encode(), path=path) if h.rule.id == GENERIC]


@pytest.mark.parametrize(
    ("path", "text", "is_hint"),
    [
        pytest.param("app/keys.py", f'login = "{RANDOM}"', True, id="quoted-in-code"),
        pytest.param("app/keys.py", f"login={RANDOM},", False, id="a-name-in-code"),
        pytest.param("app/keys.yaml", f"login: {RANDOM}", True, id="settings"),
        pytest.param("app/run.sh", f"login={RANDOM}", True, id="shell"),
        pytest.param("app/keys.py", 'invite_member(login="user2.of9@corp-internal.io")', False, id="address"),
    ],
)
def test_hints_are_literals(scanner: SecretScanner, path: str, text: str, *, is_hint: bool) -> None:
    assert any(hit.rule.id == GENERIC for hit in scanner.scan_bytes(f"{text}\n".encode(), path=path)) is is_hint


def test_keys_of_services() -> None:
    assert is_service_secret("MISTRAL_API_KEY", RANDOM.encode())
    assert not is_service_secret("MISTRAL_API_KEY_NAME", RANDOM.encode())
    assert not is_service_secret("GITHUB_TOKEN", b"release-bot-for-main-2")
    assert not is_service_secret("openai_key_or_503", b"get_groq_key_or_503")
    for model in (
        b"claude-sonnet-5-5",
        b"gpt-oss-120b",
        b"llama-3-70b-instruct",
        b"qwen2.5-coder:32b",
        b"atlas-large-2",
    ):
        assert not is_service_secret("ANTHROPIC_API_KEY", model)
    assert not is_service_secret("OPENAI_API_KEY", b"OPENAI_API_KEY_2")
    assert is_service_secret("GRAFANA_KEY", b"xk-qwz-vbn-742")


CERTIFICATE = f"-----BEGIN CERTIFICATE-----\n{RANDOM * 8}\n-----END CERTIFICATE-----\n"
KEY = f"-----BEGIN PRIVATE {'KEY'}-----\n{RANDOM * 8}\n-----END PRIVATE {'KEY'}-----\n"


def manifest(kind: str, value: str, *, name: str = "password", block: str = "data") -> bytes:
    return f"apiVersion: v1\nkind: {kind}\nmetadata:\n  name: a\n{block}:\n  user: YXBw\n  {name}: {value}\n".encode()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("data", "severity"),
    [
        pytest.param(manifest("Secret", encoded(RANDOM)), Severity.HIGH, id="random"),
        pytest.param(manifest('"Secret"', encoded(RANDOM)), Severity.HIGH, id="quoted-kind"),
        pytest.param(manifest("Secret", encoded("tr0ub4dor")), Severity.MEDIUM, id="short"),
        pytest.param(manifest("Secret", encoded("changeme1234")), None, id="placeholder"),
        pytest.param(manifest("ConfigMap", encoded(RANDOM)), None, id="config-map"),
        pytest.param(manifest("SecretStore", encoded(RANDOM)), None, id="other-kind"),
        pytest.param(manifest("Secret", encoded(RANDOM), block="labels"), None, id="no-data"),
        pytest.param(manifest("Secret", encoded("a-database-host"), name="host"), None, id="harmless"),
        pytest.param(manifest("Secret", encoded("eu-central-1"), name="region"), None, id="region"),
        pytest.param(manifest("Secret", encoded("db-1.orders.corp.internal"), name="addr"), None, id="host"),
        pytest.param(
            manifest("Secret", encoded(f"postgresql://app:{RANDOM}@db:5432/x"), name="url"), Severity.HIGH, id="uri"
        ),
        pytest.param(
            manifest("Secret", encoded(f"mongodb+srv://app:{RANDOM}@c0.mongodb.net/x"), name="DATABASE_URL"),
            Severity.HIGH,
            id="srv-uri",
        ),
        pytest.param(
            manifest("Secret", encoded("https://corp.internal/a1b2"), name="url"), None, id="uri-without-password"
        ),
        pytest.param(
            manifest("Secret", encoded("postgres://user:password@localhost/a"), name="url"), None, id="specimen"
        ),
        pytest.param(
            manifest("Secret", encoded(f"db:\n  host: orders1\n  password: {RANDOM}\n"), name="a.yaml"),
            Severity.HIGH,
            id="file",
        ),
        pytest.param(manifest("Secret", encoded(CERTIFICATE), name="tls.crt"), None, id="certificate"),
        pytest.param(manifest("Secret", encoded(CERTIFICATE + KEY), name="tls.pem"), Severity.HIGH, id="with-its-key"),
        pytest.param(b"kind: Secret\n---\n" + manifest("ConfigMap", encoded(RANDOM)), None, id="other-document"),
    ],
)
def test_values_of_kubernetes_secrets(data: bytes, severity: Severity | None) -> None:
    start = data.rindex(b": ") + 2
    name = data[:start].rpartition(b"\n")[2].strip(b": ").decode()
    verdict = judge_kubernetes(name, data[start:].strip(), data, start)
    assert (verdict[0] if verdict else None) is severity
