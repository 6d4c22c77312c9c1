"""Predicates that tell secrets from what only looks like one. Pure; each reads as a sentence.

A filter named in a rule's record drops a match. What is demoted rather than dropped (tests, documentation, vendored
code) is decided by `place_of`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from typing import Final

from imgscan.detect.secrets.redact import shannon_bits
from imgscan.detect.secrets.validators import decode_base64, decode_json
from imgscan.rulebook import load_yaml, rules_dir

# Long words anywhere; words of four letters turn up in random base64, so only as words of their own.
_PLACEHOLDER_WORDS: Final = re.compile(
    rb"example|placeholder|change[_-]?me|change[_-]?this|changeit|replace[_-]?(?:me|this|with)|insert[_-]|redacted|"
    rb"your[_-]|[_-]your|my[_-]?(?:api|secret|token|password|access)[_-]?(?:key|token|secret|password)?$|not[_-]?a[_-]?real|"
    rb"secret[_-]?here|goes[_-]?here|token[_-]?here|key[_-]?here|0123456789|deadbeef|foobar|insecure|\*\*\*|\.\.\.|<[^>]{1,80}>|"
    rb"(?:^|[^a-z0-9])(?:dummy|fake|sample|todo|fixme|lorem|test|tests|testing)(?:[^a-z0-9]|$)",
    re.IGNORECASE,
)
_WHOLE_PLACEHOLDERS: Final = frozenset(
    b"changeme change-me change_me password passwd pass passphrase secret token apikey api_key api-key none null nil undefined "
    b"true false yes no on off test testing todo tbd redacted hidden masked string str text value dummy fake xxx xx x "
    b"default empty unset required optional user username foo bar baz foobar abc abc123 enabled disabled env auto basic bearer "
    b"secrets tokens credentials credential key keys self this private public localhost".split()
)
_WEAK_PASSWORDS: Final = frozenset(
    b"postgres admin root mysql mongo redis guest rabbitmq minio minioadmin 123456 12345678 123456789 1234 12345 qwerty letmein "
    b"welcome p4ssw0rd passw0rd p@ssw0rd pass123 password1 password123 admin123 root123 test123 secret123 supersecret "
    b"super-secret mysecretpassword mypassword dev development docker oracle elastic grafana keycloak sa "
    b"pw pwd pass password passwd secret test default".split()
)
_REFERENCE: Final = re.compile(
    rb"^\s*(?:\$\{?[A-Za-z_(!{]|\$\$?\(|%[A-Za-z_(]\w*[%)]|\{\{|\{%|<%|<[A-Za-z/][^>]*>$|@?@[A-Za-z_]+@@?$|#\{|~\{|`|!(?:vault|ref|sub|getatt|"
    rb"secret|env)\b|enc\[|vault:|op://|ssm:|arn:|secretsmanager:|keyvault|kms:|projects/[^/]+/secrets/|file:|"
    rb"process\.env|os\.(?:environ|getenv)|env[.\[(]|getenv\(|import\.meta|config[.\[(]|settings[.\[(]|secrets?[.\[(]|"
    rb"(?:var|local|data|module|each|self|this|args?|options?|params?|request|req|ctx|input|values)[.\[])",
    re.IGNORECASE,
)
_PATH: Final = re.compile(rb"^(?:/|\./|\.\./|~/|[A-Za-z]:[\\/])[A-Za-z0-9_.@ /\\-]*$")
_NUMBER: Final = re.compile(rb"^[+-]?[0-9][0-9.,_]*(?:ms|s|m|h|d|k|kb|mb|gb|[kmg]i?b?|%)?$", re.IGNORECASE)
_VERSION: Final = re.compile(rb"^[v^~<>=]{0,2}[0-9]+(?:\.[0-9A-Za-z]+){1,4}(?:[-+][0-9A-Za-z.]+)?$")
_RUN_LENGTH: Final = 6
_FEW_DISTINCT: Final = 4
_ORDERED: Final = b"abcdefghijklmnopqrstuvwxyz012345678901234567890"


class Where(StrEnum):
    """What kind of place a path is; everything but `own` is demoted, never skipped."""

    OWN = "own"
    TEST = "test"
    DOCS = "docs"
    VENDOR = "vendor"


_TEST_PATH: Final = re.compile(
    r"(?:^|/)(?:tests?|testing|testdata|test_data|__tests__|spec|specs|selftest|fixtures?|mocks?|__mocks__|e2e|testsuite|cypress)/|"
    r"(?:^|/)(?:test_[^/]*|[^/]*_test|[^/]*[.-](?:test|spec)|conftest)\.[a-z0-9]{1,5}$",
    re.IGNORECASE,
)
_DOCS_PATH: Final = re.compile(
    r"(?:^|/)(?:docs?|documentation|examples?|samples?|demos?|tutorials?|man|javadoc|info)/|"
    r"(?:^|/)(?:readme|changelog|changes|history|news|contributing)[^/]*$|\.(?:md|rst|adoc|txt\.gz|html?|ipynb\.md)$|"
    r"(?:^|/|\.)(?:env|npmrc|pgpass)[^/]*[.-](?:example|sample|template|dist|tpl)$|\.(?:example|sample|template|dist|tpl)$",
    re.IGNORECASE,
)
_VENDOR_PATH: Final = re.compile(
    r"(?:^|/)(?:node_modules|bower_components|site-packages|dist-packages|vendor|third_party|third-party|gems|go/pkg/mod|"
    r"\.cargo/registry|\.m2/repository|\.pnpm|jspm_packages)/|"
    r"^(?:usr/)?lib(?:32|64|x32)?/|^usr/(?:local/)?lib/(?:python|ruby|node|jvm|go|x86_64|aarch64|gcc|perl)|^usr/share/|"
    r"^usr/(?:local/)?s?bin/|^s?bin/|^usr/(?:local/)?(?:go|include)/|\.(?:map|so(?:\.[0-9.]+)?|a)$",
    re.IGNORECASE,
)


def place_of(path: str) -> Where:
    """What kind of place a path in an image or a project is."""
    path = path.lstrip("/").replace("\\", "/")
    for where, pattern in ((Where.TEST, _TEST_PATH), (Where.DOCS, _DOCS_PATH), (Where.VENDOR, _VENDOR_PATH)):
        if pattern.search(path) is not None:
            return where
    return Where.OWN


def is_placeholder(value: bytes) -> bool:
    """True for text that stands where a secret would: `changeme`, `<token>`, `${TOKEN}`, `xxxxxxxx`, `abcdefgh12345678`."""
    stripped = value.strip(b" \t\r\n\"'")
    lowered = stripped.lower()
    return (
        not stripped
        or lowered in _WHOLE_PLACEHOLDERS
        or is_reference(stripped)
        or _PLACEHOLDER_WORDS.search(lowered) is not None
        or is_repetitive(lowered)
        or is_sequential(lowered)
    )


def is_reference(value: bytes) -> bool:
    """True for text that names where the secret comes from: a variable, a template, a vault path, an expression."""
    return _REFERENCE.search(value) is not None


def is_repetitive(value: bytes) -> bool:
    """True when few distinct bytes make up a value of eight and more, or one is repeated six times and more in a row."""
    if len(value) < 8:
        return False
    if len(set(value)) <= max(_FEW_DISTINCT, len(value) // 16) and len(value) <= 256:
        return True
    return any(
        value[i : i + _RUN_LENGTH] == value[i : i + 1] * _RUN_LENGTH
        for i in range(min(len(value), 256) - _RUN_LENGTH + 1)
    )


def is_sequential(value: bytes) -> bool:
    """True when the value counts up: eight and more consecutive letters or digits that make up half of it."""
    lowered, best, run = value.lower(), 1, 1
    for left, right in zip(lowered[:256], lowered[1:256], strict=False):
        run = run + 1 if right == left + 1 and bytes((left, right)) in _ORDERED else 1
        best = max(best, run)
    return best >= 8 and best * 2 >= min(len(value), 256)


def is_weak_password(value: bytes) -> bool:
    """True for a password from the top of every list: no secret to leak, but one that anybody tries first."""
    return value.strip().lower() in _WEAK_PASSWORDS


def is_path(value: bytes) -> bool:
    """True for a file path, where the secret lies elsewhere."""
    return _PATH.match(value) is not None


def is_number(value: bytes) -> bool:
    """True for a number, a size, a duration or a version."""
    return _NUMBER.match(value) is not None or _VERSION.match(value) is not None


def is_hex(value: bytes) -> bool:
    """True when every byte is a hexadecimal digit: digests and commit ids are."""
    return re.fullmatch(rb"[0-9a-fA-F]+", value) is not None


def is_one_word(value: bytes) -> bool:
    """True for letters of one case, maybe joined: an identifier or a word of a language, not a random token."""
    return re.fullmatch(rb"[A-Za-z]?[a-z]+(?:[ _.-][A-Za-z]?[a-z]+)*|[A-Z]+(?:[_.-][A-Z]+)*", value) is not None


def lacks_digits(value: bytes) -> bool:
    """True when there is no digit: random tokens of 20 and more characters of base 62 nearly always have one."""
    return not any(0x30 <= c <= 0x39 for c in value)


def lacks_mixed_case(value: bytes) -> bool:
    """True when upper or lower case letters are missing."""
    return value == value.lower() or value == value.upper()


def is_public(value: bytes) -> bool:
    """True for a key that was published on purpose: documentation examples, keys of test suites."""
    return hashlib.sha256(value.strip()).hexdigest() in _public_digests()


@cache
def _public_digests() -> Mapping[str, str]:
    """Digests of published keys and where they were published, from `rules/public_keys.yml`."""
    path = rules_dir() / "public_keys.yml"
    return {record["sha256"]: record["what"] for record in load_yaml(path)["public"]}


def lacks_key_body(value: bytes) -> bool:
    """True for a PEM block without a key in it."""
    from imgscan.detect.secrets.pem import lacks_key_body as pem_lacks_key_body

    return pem_lacks_key_body(value)


def is_not_jwt(value: bytes) -> bool:
    """True when three dotted parts are no JSON Web Token."""
    return not isinstance(decode_json(decode_base64(value.split(b".")[0])), dict)


def is_not_user_password(value: bytes) -> bool:
    """True when base64 holds no `user:password`, or one of which the password is a placeholder."""
    raw = decode_base64(value)
    if b"." in value or b"_" in value or b"-" in value:
        return False
    if raw is None or b":" not in raw or not all(0x20 <= c < 0x7F for c in raw):
        return True
    password = raw.partition(b":")[2]
    return not password or is_placeholder(password) or is_weak_password(password)


def is_not_discord(value: bytes) -> bool:
    """True when the first part is no base64 of a number: any dotted text of the right lengths."""
    raw = decode_base64(value.split(b".")[0])
    return raw is None or not raw.isdigit()


def is_identifier(value: bytes) -> bool:
    """True for a dotted or underscored name of a program: `this.auth`, `config.auth_token`, `authHeader`."""
    return re.fullmatch(rb"[A-Za-z_]+(?:[._][A-Za-z_]+)*", value) is not None and lacks_digits(value)


def has_too_little_entropy(value: bytes, least: float | None) -> bool:
    """True when the value has fewer bits per byte than a rule asks for."""
    return least is not None and shannon_bits(value) < least


FILTERS: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "placeholder": is_placeholder,
    "public": is_public,
    "reference": is_reference,
    "repetitive": is_repetitive,
    "path": is_path,
    "number": is_number,
    "hex": is_hex,
    "one-word": is_one_word,
    "no-digits": lacks_digits,
    "one-case": lacks_mixed_case,
    "weak": is_weak_password,
    "identifier": is_identifier,
    "no-key-body": lacks_key_body,
    "not-jwt": is_not_jwt,
    "not-user-password": is_not_user_password,
    "not-discord": is_not_discord,
}
