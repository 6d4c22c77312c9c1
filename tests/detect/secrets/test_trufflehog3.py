"""trufflehog3's installed rules, and rule files of the same shape: read as data, folded, refused with a line."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest
import re2
import yaml

from imgscan.detect.secrets.examples import examples_of
from imgscan.detect.secrets.matcher import re2_options
from imgscan.detect.secrets.rules import Pack, Weight, default_rules, own_pack
from imgscan.detect.secrets.scanner import SecretScanner, load_scanner
from imgscan.detect.secrets.trufflehog3 import installed_pack, pack_from_file
from imgscan.errors import InputError
from imgscan.model import Severity

INSTALLED = Path(
    str(importlib.metadata.distribution("trufflehog3").locate_file("trufflehog3/static/rules.yml")),
)


def rule_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(text)
    return path


def test_every_pattern_rule_is_taken_and_no_entropy_rule() -> None:
    theirs = yaml.safe_load(INSTALLED.read_text())
    patterns = [rule["id"] for rule in theirs if "pattern" in rule]
    pack = installed_pack()
    assert pack.notes == ()
    assert [rule.id for rule in pack.rules] == [
        "secret-trufflehog3-" + rule_id.replace(".", "-") for rule_id in patterns
    ]
    assert len(patterns) < len(theirs)


def test_the_package_is_not_imported() -> None:
    installed_pack()
    assert "trufflehog3" not in sys.modules


def test_everything_that_their_patterns_find_the_scanner_finds(scanner: SecretScanner) -> None:
    """The contract: on imgscan's own examples nothing that trufflehog3 would report is missed."""
    checked = 0
    for rule in own_pack().rules:
        for text in examples_of(rule):
            hits = scanner.scan_bytes(text, path=f"app/{rule.file}")
            for theirs in installed_pack().rules:
                match = re2.compile(theirs.patterns[0], re2_options()).search(text)
                if match is not None:
                    checked += 1
                    assert hits, (rule.id, theirs.id)
    assert checked >= 20


HEX32, HEX40 = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"
WORD40 = "aZ9bY8cX7dW6eV5fU4gT3hS2iR1jQ0kPlOmNnMoL"
SAMPLES = {
    "private.pgp-key": "-----BEGIN PGP PRIVATE KEY" + " BLOCK-----",
    "private.key": "-----BEGIN RSA PRIVATE" + " KEY-----",
    "amazon.aws-api-key": "AK" + "IAR3M7QZT5XW2LKJ9P",
    "amazon.mws-auth-token": "amzn" + ".mws.0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
    "facebook.access-token": "EAACEdEose0" + "cBA" + WORD40,
    "facebook.oauth-token": f"facebook_secret = '{HEX32}'",
    "github.token": f"github_token = '{WORD40}'",
    "google.access-token": "ya" + "29." + WORD40,
    "google.api-key": "AI" + "za" + WORD40[:35],
    "google.oauth-token": f"1234567890-{HEX32}.apps.google" + "usercontent.com",
    "google.gcp-service-account": '{"type": "service' + '_account"}',
    "heroku.api-key": "HEROKU_KEY=0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0",
    "mailchimp.api-key": HEX32 + "-us" + "12",
    "mailgun.api-key": "ke" + "y-" + HEX32,
    "paypal.braintree-access-token": "access_token$" + "production$0f1e2d3c4b5a6978$" + HEX32,
    "picatic.api-key": "sk_" + "live_" + HEX32,
    "slack.token": "xo" + "xp-123456789012-210987654321-120987654321-" + HEX32,
    "slack.bot-token": "xo" + "xb-123456789012-210987654321-" + WORD40[:24].lower(),
    "slack.webhook": "https://hooks.slack" + ".com/services/T1A2B3C4D/B1A2B3C4D/" + WORD40[:24],
    "stripe.api-key": "sk_" + "live_" + WORD40[:24],
    "stripe.restricted-api-key": "rk_" + "live_" + WORD40[:24],
    "square.access-token": "sq0" + "atp-" + WORD40[:22],
    "square.oauth-secret": "sq0" + "csp-" + WORD40 + "abc",
    "twilio.api-key": "S" + "K" + HEX32,
    "twitter.access-token": f"twitter: 1234567-{WORD40}",
    "twitter.oauth-token": f"twitter_secret = '{WORD40}'",
    "generic.api-key": f"api_key = '{WORD40}'",
    "generic.secret": f"secret = '{WORD40}'",
    "generic.password-in-url": "https://deploy:tr0ub4dor@files.corp.io/x\n",
}


def test_there_is_a_sample_for_each_of_their_patterns() -> None:
    assert set(SAMPLES) == {rule["id"] for rule in yaml.safe_load(INSTALLED.read_text()) if "pattern" in rule}


@pytest.mark.parametrize("theirs", SAMPLES)
def test_what_each_of_their_patterns_finds_is_one_hit(
    scanner: SecretScanner, slow_scanner: SecretScanner, theirs: str
) -> None:
    text = SAMPLES[theirs].encode()
    (pattern,) = (r["pattern"] for r in yaml.safe_load(INSTALLED.read_text()) if r.get("pattern") and r["id"] == theirs)
    match = re.search(pattern, text.decode())
    assert match is not None
    for each in (scanner, slow_scanner):
        hits = each.scan_bytes(b"x\n" + text + b"\n", path="app/data.bin")
        assert len(hits) == 1
        assert hits[0].secret in text


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in own_pack().rules])
def test_their_hits_fold_into_ours(scanner: SecretScanner, rule: object) -> None:
    for text in examples_of(rule):  # type: ignore[arg-type]
        hits = scanner.scan_bytes(text, path="app/.env")
        ours = {hit.offset for hit in hits if hit.rule.weight is not Weight.FOREIGN}
        foreign = [hit.rule.id for hit in hits if hit.rule.weight is Weight.FOREIGN]
        assert not ours or not foreign


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("AK" + "IA" + "IOSFODNN7EXAMPLE", id="published-key"),
        pytest.param('proxy = "https://user:password@localhost:80/x"', id="specimen-uri"),
        pytest.param("sk_" + "live_" + "x" * 32, id="placeholder"),
    ],
)
def test_theirs_are_not_heard_where_ours_found_a_specimen(scanner: SecretScanner, text: str) -> None:
    assert scanner.scan_bytes(f"x\n{text}\n".encode(), path="app/data.bin") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(f'"git+https://github.com/a/b.git","shasum":"{HEX40}"', [], id="digest"),
        pytest.param(f'github "shasum":"{HEX40}","gitHead":"{HEX40[::-1]}"', [], id="digests"),
        pytest.param(f'"github_token":"{HEX40}"', [HEX40], id="token"),
        pytest.param(f'"github_token":"{HEX40[::-1]}","shasum":"{HEX40}"', [HEX40[::-1]], id="token-before"),
        pytest.param(f'github "shasum":"{HEX40}","bot":"{HEX40[::-1]}"', [HEX40[::-1]], id="token-behind"),
        pytest.param(f'github "sha1":"{HEX40}","bot":"{WORD40}","commit":"{HEX40}"', [WORD40], id="token-between"),
        pytest.param(f'"github_token_hash":"{HEX40}"', [HEX40], id="sensitive-name"),
    ],
)
def test_digests_are_not_taken_for_tokens(
    scanner: SecretScanner, slow_scanner: SecretScanner, text: str, found: list[str]
) -> None:
    for each in (scanner, slow_scanner):
        hits = each.scan_bytes(f"x\n{text}\n".encode(), path="app/data.bin")
        assert [hit.secret.decode() for hit in hits] == found


def test_rules_are_explained_only_when_asked_for() -> None:
    assert "secret-trufflehog3-slack-token" in default_rules()
    assert not any("trufflehog3" in rule_id for rule_id in default_rules(trufflehog3=False))


def test_without_them_there_are_only_own_rules() -> None:
    scanner = load_scanner(trufflehog3=False, keep_compiled=False, backend="re2")
    assert all(not rule_id.startswith("secret-trufflehog3") for rule_id in scanner.rules)


@pytest.mark.parametrize(
    "content",
    [pytest.param(None, id="missing"), pytest.param("- {id: [", id="damaged"), pytest.param("7", id="no-list")],
)
def test_a_broken_installation_is_a_note(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "static").mkdir()
    if content is not None:
        rule_file(tmp_path / "static", content)
    pack = installed_pack.__wrapped__(lambda: tmp_path)
    assert pack.rules == ()
    assert "trufflehog3's rules are not used" in pack.notes[0]


def test_not_installed_is_no_note() -> None:
    assert installed_pack.__wrapped__(lambda: None) == Pack(name="trufflehog3", rules=())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("- {id: a, pattern: '(?=x)'}", ["rules.yml:1", "bad pattern"], id="look-ahead"),
        pytest.param(
            "- {id: ok, pattern: okay}\n\n- {id: a, pattern: '(x)\\1'}",
            ["rules.yml:3", "bad pattern"],
            id="back-reference",
        ),
        pytest.param("- {id: a, pattern: '[a-z'}", ["rules.yml:1", "missing ]"], id="unclosed"),
        pytest.param("- {id: a, pattern: 'x*'}", ["rules.yml:1", "empty text"], id="matches-nothing"),
        pytest.param("- {id: a, pattern: '" + "x" * 5000 + "'}", ["rules.yml:1", "longer than"], id="too-long"),
        pytest.param("- {id: a, pattern: '(((a{1000}){1000}){1000})'}", ["rules.yml:1", "bad pattern"], id="too-big"),
        pytest.param("- {pattern: abc}", ["rules.yml:1", "no id"], id="no-id"),
        pytest.param("- {id: a, pattern: abc, severity: dire}", ["rules.yml:1", "severity is one of"], id="severity"),
        pytest.param("- just text", ["rules.yml:1", "a rule is a mapping"], id="no-mapping"),
        pytest.param("a: b", ["rules.yml:1", "a list of rules"], id="no-list"),
        pytest.param("", ["rules.yml:1", "a list of rules"], id="empty"),
        pytest.param("- {id: a\n- [", ["rules.yml:", "not valid YAML"], id="yaml"),
        pytest.param("\x00\x01", ["rules.yml", "not valid YAML"], id="binary"),
        pytest.param("[" * 50_000, ["rules.yml", "not valid YAML"], id="deep"),
        pytest.param("# " + "x" * 300_000, ["rules.yml", "larger than"], id="large"),
        pytest.param("- {id: a, pattern: b}\n" * 1200, ["rules.yml", "more than"], id="many"),
    ],
)
def test_a_bad_rule_file_is_named_with_its_line(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        pack_from_file(rule_file(tmp_path, text), name="user")
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_rule_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yml cannot be read"):
        pack_from_file(tmp_path / "none.yml", name="user")


def test_a_users_rule_is_used(tmp_path: Path) -> None:
    text = "- id: Corp.Token\n  message: Corp token\n  pattern: 'corp-[0-9]{6}\\Z'\n  severity: CRITICAL\n"
    scanner = load_scanner(rule_files=[rule_file(tmp_path, text)], keep_compiled=False, backend="re2")
    (hit,) = scanner.scan_bytes(b"x = corp-123456", path="app/x.bin")
    assert (hit.rule.id, hit.severity, hit.secret) == ("secret-user-corp-token", Severity.CRITICAL, b"corp-123456")


def test_aliases_and_rules_without_a_pattern(tmp_path: Path) -> None:
    text = "rules:\n- &a {id: a, pattern: abc}\n- *a\n- {id: entropy, alphabet: abc}\n"
    pack = pack_from_file(rule_file(tmp_path, text), name="user")
    assert [rule.id for rule in pack.rules] == ["secret-user-a"]
    assert pack.notes == ("rules.yml:4: rule without a pattern is not used",)
