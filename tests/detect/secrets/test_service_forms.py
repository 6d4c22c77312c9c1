"""Credentials of services as they lie in files: in addresses, on command lines, by place in a call, beside their ids."""

from __future__ import annotations

from typing import Any

import pytest

from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.model import Confidence, Severity, Validity

Parts = list[Any]


def some(alphabet: str, length: int) -> dict[str, Any]:
    return {"random": alphabet, "length": length}


UUID: Parts = [some("hex", 8), "-", some("hex", 4), "-", some("hex", 4), "-", some("hex", 4), "-", some("hex", 12)]
WORD = some("base62", 14)


def row(name: str, path: str, rule: str, severity: Severity, *parts: object) -> Any:
    return pytest.param(path, f"secret-{rule}", severity, list(parts), id=name)


@pytest.mark.parametrize(
    ("path", "rule", "severity", "parts"),
    [
        row("lark", "a.env", "chat-webhook", Severity.HIGH, "L=https://open.larksuite", ".com/open-apis/bot/v2/hook/", *UUID),
        row("mattermost", "a.sh", "chat-webhook", Severity.HIGH, "curl https://chat.corp.lan/hooks/", some("base36", 26)),
        row("zapier-like-make", "a.py", "trigger-url", Severity.MEDIUM, "'https://hook.eu2.make", ".com/", some("base36", 32), "'"),
        row("pipeline-trigger", "a.sh", "trigger-url", Severity.MEDIUM, "/ref/main/trigger/pipeline?token=", some("hex", 30)),
        row("datadog-query", "a.py", "intake-url", Severity.HIGH, "https://api.datadoghq", ".eu/api/v1/x?api_key=", some("hex", 32)),
        row("loggly", "a.conf", "intake-url", Severity.HIGH, "https://logs-01.loggly", ".com/inputs/", *UUID, "/tag/x"),
        row("anaconda", ".condarc", "package-source-url", Severity.HIGH, "- https://conda.anaconda", ".org/t/co-", *UUID, "/corp"),
        row("cronitor", "a.sh", "heartbeat-url", Severity.LOW, "curl https://cronitor", ".link/p/", some("hex", 32), "/job"),
        row("cypress-list", "a.yml", "tool-key", Severity.HIGH, 'command: ["cypress", "run", "--key", "', *UUID, '"]'),
        row("travis-slack", ".travis.yml", "tool-key", Severity.HIGH, "notifications:\n  slack: corp:", some("base62", 24), "\n"),
        row("app-password", "a.yml", "tool-key", Severity.HIGH, "  FASTLANE_APPLE_PASSWORD: abcd-", "efxh-ijql-mnzp"),
        row("blob", "a.env", "vercel-token", Severity.CRITICAL, "X=vercel_blob", "_rw_", some("base62", 16), "_", some("base62", 30)),
        row("brevo-smtp", "a.yaml", "mail-service-key", Severity.CRITICAL, "key: xsmtp", "sib-", some("hex", 64), "-", some("base62", 16)),
        row("gemfury", "a.env", "ci-service-key", Severity.HIGH, "GEMFURY_TOKEN=", some("base62", 20)),
        row("escaped", "a.ipynb", "ai-service-key", Severity.HIGH, '"os.environ[\\"MISTRAL_API_KEY\\"] = \\"', some("base62", 32), '\\""'),
        row("paypal", "a.js", "paypal-secret", Severity.CRITICAL, 'paypal({secret:"E', some("url64", 79), '"})'),
        row("pagerduty", "a.yml", "pagerduty-integration-key", Severity.MEDIUM, "- routing_key: ", some("hex", 32)),
        row("tencent", "a.json", "tencent-secret", Severity.CRITICAL, '"secretId": "AK', "ID", some("base62", 32), '",\n"secretKey": "', some("base62", 32), '"'),
        row("url-create", "a.py", "login-call", Severity.MEDIUM, 'URL.create("postgresql", "app", "', WORD, '", "db")'),
        row("reqwest", "a.rs", "login-call", Severity.MEDIUM, '.basic_auth("ci", Some("', WORD, '"))'),
        row("cdk-python", "a.py", "login-call", Severity.MEDIUM, 'SecretValue.unsafe_plain_text("', WORD, '")'),
        row("jose", "a.js", "signing-call", Severity.HIGH, 'c=new TextEncoder().encode("', some("base62", 44), '");new SignJWT(e)'),
        row("deepgram", "a.py", "client-call", Severity.MEDIUM, 'dg = DeepgramClient("', some("hex", 40), '")'),
        row("vapid", "a.ts", "vapid-key", Severity.HIGH, "setVapidDetails('mailto:a@b.lan', KEYS.pub, '", some("url64", 43), "')"),
        row("solana-code", "a.ts", "solana-keypair", Severity.CRITICAL, "Keypair.fromSecretKey(Uint8Array.from(", {"ed25519": "numbers"}, "))"),
        row("rndc", "etc/bind/rndc.key", "tsig-key", Severity.HIGH, 'key "k" {\n algorithm hmac-sha256;\n secret "', some("base64", 43), '=";\n};\n'),
        row("az", "a.sh", "azure-storage-key", Severity.CRITICAL, 'az storage blob upload --account-key "', some("base64", 86), '=="'),
        row("preshared", "a.conf", "wireguard-key", Severity.HIGH, "PresharedKey = ", some("base64", 42), "A="),
        row("acme.sh", "account.conf", "cloudflare-token", Severity.CRITICAL, "SAVED_CF_Key='", some("hex", 37), "'"),
    ],
)  # fmt: skip
def test_credentials_of_services(
    scanner: SecretScanner, path: str, rule: str, severity: Severity, parts: Parts
) -> None:
    hits = scanner.scan_bytes(assemble(parts, rule) + b"\n", path=path if "/" in path else f"app/{path}")
    ids = {"secret-tencent-key"}
    assert [(hit.rule.id, hit.severity) for hit in hits if hit.rule.id not in ids] == [(rule, severity)]


def test_a_token_of_a_registry_is_not_called_invalid(scanner: SecretScanner) -> None:
    text = assemble(['{"auths": {"r.corp.lan": {"identitytoken": "', some("url64", 43), "-", '"}}}'], "identity")
    hits = scanner.scan_bytes(text, path="root/.docker/config.json")
    assert [(hit.rule.id, hit.validity) for hit in hits] == [("secret-docker-config-auth", Validity.UNKNOWN)]


def test_a_header_without_a_user(scanner: SecretScanner) -> None:
    text = assemble(["extraheader = AUTHORIZATION: basic ", {"base64": [":", some("base36", 52)]}, "\n"], "header")
    hits = scanner.scan_bytes(b'[http "https://dev.azure.com/"]\n\t' + text, path="app/.git/config")
    assert [(hit.rule.id, hit.validity) for hit in hits] == [("secret-basic-auth", Validity.VALID)]


def test_the_key_of_google_chat_itself_is_known_to_everybody(scanner: SecretScanner) -> None:
    key = "AIza" + "SyDdI0hCZtE6vySjMm-" + "WEfRq3CPzqKqqsHI"
    (hit,) = scanner.scan_bytes(f'base + "key={key}"\n'.encode(), path="app/notify.py")
    assert (hit.severity, hit.confidence, hit.proven) == (Severity.INFO, Confidence.LOW, False)
    assert hit.detail == "known to everybody: client key of Google Chat, in every webhook of it"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param('"{token}"', True, id="literal"),
        pytest.param("{token}", True, id="not-quoted"),
        pytest.param("future_to_s3_key[fut]", False, id="element"),
        pytest.param("derived_s3_key_42(fut)", False, id="call"),
        pytest.param('"{token}"[:40]', True, id="slice-of-a-literal"),
    ],
)
def test_what_a_program_takes_from_elsewhere(scanner: SecretScanner, value: str, found: bool) -> None:
    token = assemble([some("base62", 40)], "element").decode()
    hits = scanner.scan_bytes(f"s3_key = {value.format(token=token)}\n".encode(), path="app/store.py")
    assert ([hit.rule.id for hit in hits] == ["secret-cloud-service-key"]) is found


@pytest.mark.parametrize(
    ("name", "cloudflares"),
    [
        ("CF_API_TOKEN", True),
        ("cfApiToken", True),
        ("cf.dns.token", True),
        ("CLOUDFLARE_TOKEN", True),
        ("cfg.apiToken", False),
        ("cfgKey", False),
        ("cfile_token", False),
    ],
)
def test_what_begins_like_cloudflares(scanner: SecretScanner, name: str, cloudflares: bool) -> None:
    text = assemble([f'{name} = "', some("base62", 40), '"\n'], name)
    hits = scanner.scan_bytes(text, path="app/settings.py")
    assert ("secret-cloudflare-token" in [hit.rule.id for hit in hits]) is cloudflares
