"""Predicates of values, names, places and URIs: tables."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets import filters
from imgscan.detect.secrets.assignments import (
    Written,
    is_sensitive_name,
    judge_value,
    literal_of,
)
from imgscan.detect.secrets.places import Where, place_of
from imgscan.detect.secrets.uris import judge_uri, uri_context
from imgscan.model import Severity

RANDOM = "q7Zp2Lk9Xw4Vt8Rb"


HEX40, HEX64 = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c", "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2


@pytest.mark.parametrize(
    ("before", "value", "expected"),
    [
        pytest.param('"shasum":"', HEX40, True, id="npm"),
        pytest.param('\\"gitHead\\": \\"', HEX40, True, id="json-in-json"),
        pytest.param("sha256 = '", HEX64, True, id="sha256"),
        pytest.param("md5sum: ", HEX40[:32], True, id="md5"),
        pytest.param('"_resolvedCommit": "', HEX40, True, id="last-word"),
        pytest.param(":checksum => '", HEX64, True, id="ruby"),
        pytest.param('ETag: "', HEX40.upper(), True, id="upper"),
        pytest.param('"github_token":"', HEX40, False, id="token"),
        pytest.param('"token_hash":"', HEX40, False, id="hash-of-a-token"),
        pytest.param('"commit_access_key":"', HEX40, False, id="key-of-a-commit"),
        pytest.param('"secret_sha1":"', HEX40, False, id="secret"),
        pytest.param('"shasum" is "', HEX40, False, id="not-assigned"),
        pytest.param('"shasum":"', HEX40[:35], False, id="no-length-of-a-digest"),
        pytest.param('"shasum":"', "z" + HEX40[1:], False, id="not-hexadecimal"),
        pytest.param("", HEX40, False, id="alone"),
    ],
)
def test_digests_by_their_names(before: str, value: str, expected: bool) -> None:
    data = f"github {before}{value}'".encode()
    start = data.index(value.encode())
    assert filters.is_named_digest(data, start, start + len(value)) is expected


@pytest.mark.parametrize(
    "value",
    [
        "changeme", "CHANGE_ME", "<your-token>", "${TOKEN}", "$TOKEN", "$(cat /run/secrets/x)", "{{ token }}", "%TOKEN%",
        "xxxxxxxxxxxxxxxx", "****************", "your-api-key-goes-here", "AKIA" + "IOSFODNN7EXAMPLE", "null", "",
        "abcdefghijklmnop", "1234567890123456", "aaaaaaaabbbbbbbb", "process.env.TOKEN", "os.environ['X']",
        "my-dummy-token", "ENC[AES256_GCM,data:x]", "op://vault/item/field", "arn:aws:secretsmanager:eu:1:secret:x",
        "!vault", "this.token", "not-a-real-key", "0123456789abcdef0123",
    ],
)  # fmt: skip
def test_placeholders(value: str) -> None:
    assert filters.is_placeholder(value.encode())


@pytest.mark.parametrize(
    "value",
    [
        RANDOM,
        "tr0ub4dor&3",
        "correct-horse-battery-staple",
        "p4ssw0rd!x",
        "faketoria9Lq",
        "Todorov7718xK",
        "$ecr3t!pass",
    ],
)
def test_no_placeholders(value: str) -> None:
    assert not filters.is_placeholder(value.encode())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("prose", "specified.", True),
        ("prose", "\\u65F6\\u91CD\\u3002", True),
        ("prose", "n\\u00E3o", True),
        ("prose", "\u8a2d\u5b9a\u6216GROQ", True),
        ("prose", "\u0437\u0430\u0434\u0430\u043d", True),
        ("prose", "\u8a2d\u5b9a9", False),
        ("prose", "Gr\u00fc\u00dfe", False),
        ("prose", "NAME:SECRET", True),
        ("prose", "YOUR_API_KEY", True),
        ("prose", "API_TOKEN,", True),
        ("prose", "NAME:SECRET2", False),
        ("language", "TuesdayJanuaryOctober19531259765625number", True),
        ("language", "q7Zp2Lk9Xw4Vt8RbC3mNq7Zp2Lk9Xw4Vt8Rb", False),
        ("not-user-password", base64.b64encode(b"some username:some password").decode(), True),
        ("not-user-password", base64.b64encode(b"ci:Xw4Vt8RbC3mN").decode(), False),
        ("prose", "specified", False),
        ("prose", "hunter2.", False),
        ("prose", "Xk9\\u00E3o", False),
        ("email", "john.doe@mydomain.com", True),
        ("email", "p@ssw0rd!", False),
        ("constant", "GL_UNSIGNED_INT_5_9_9_9_REV", True),
        ("constant", "ABCDEF123", False),
        ("constant", "Ab_Cd9", False),
        ("number", "-7385719264819203847L", True),
        ("number", "12n", True),
        ("number", "12x9", False),
    ],
)
def test_what_is_no_secret_by_its_form(name: str, value: str, expected: bool) -> None:
    assert filters.FILTERS[name](value.encode()) is expected


@given(st.binary(max_size=600))
def test_filters_take_any_bytes(value: bytes) -> None:
    for name, predicate in filters.FILTERS.items():
        assert predicate(value) in (True, False), name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("DB_PASSWORD", True, id="password"),
        pytest.param("dbPassword", True, id="camel"),
        pytest.param("spring.datasource.password", True, id="dotted"),
        pytest.param("API_KEY", True, id="api-key"),
        pytest.param("apiKey2", True, id="numbered"),
        pytest.param("STRIPE_SECRET", True, id="secret"),
        pytest.param("ENCRYPTION_KEY", True, id="encryption-key"),
        pytest.param("MYSQL_PWD", True, id="pwd"),
        pytest.param("mysqlpassword", True, id="one-word"),
        pytest.param("APPCLIENTSECRET", True, id="one-word-in-capitals"),
        pytest.param("NextPageToken", False, id="of-paging"),
        pytest.param("CLIENT_TOKEN", True, id="of-a-client"),
        pytest.param("nexttoken", False, id="one-word-of-paging"),
        pytest.param("smtp_pass", True, id="pass"),
        pytest.param("rdsPgBkpPwd", True, id="short-words"),
        pytest.param("AZ_KV_SPN_QX_PWD", True, id="short-words-in-capitals"),
        pytest.param("LCaPwdNZbQIB", False, id="random-letters"),
        pytest.param("Rx9VPmYPw7mCToken4q", False, id="random-letters-and-a-whole-word"),
        pytest.param("passNumber", False, id="number-of-passes"),
        pytest.param("passport", False, id="passport"),
        pytest.param("PWD", False, id="working-directory"),
        pytest.param("GPG_KEY", False, id="gpg"),
        pytest.param("PUBLIC_KEY", False, id="public"),
        pytest.param("POSTGRES_PASSWORD_FILE", False, id="file"),
        pytest.param("TOKENIZERS_PARALLELISM", False, id="tokenizers"),
        pytest.param("TOKEN_TTL", False, id="ttl"),
        pytest.param("SECRET_NAME", False, id="name"),
        pytest.param("PRIMARY_KEY", False, id="database-key"),
        pytest.param("MONKEY", False, id="monkey"),
        pytest.param("COMPASS", False, id="compass"),
        pytest.param("PATH", False, id="path"),
        pytest.param("", False, id="empty"),
        pytest.param("_", False, id="underscore"),
    ],
)
def test_names_that_promise_a_secret(name: str, expected: bool) -> None:
    assert is_sensitive_name(name) is expected


@pytest.mark.parametrize(
    ("value", "code", "severity"),
    [
        pytest.param("tr0ub4dor77", False, Severity.MEDIUM, id="password"),
        pytest.param(RANDOM, True, Severity.MEDIUM, id="random"),
        pytest.param("postgres", False, Severity.LOW, id="weak"),
        pytest.param("postgres", True, None, id="weak-in-code"),
        pytest.param("correct horse battery", False, Severity.MEDIUM, id="phrase"),
        pytest.param("correct horse battery", True, None, id="phrase-in-code"),
        pytest.param("get_password", True, None, id="name-in-code"),
        pytest.param("8080", False, None, id="number"),
        pytest.param("abc", False, None, id="short"),
        pytest.param("/run/secrets/db", False, None, id="path"),
        pytest.param("https://vault.corp.io", False, None, id="address"),
        pytest.param("db-password", False, None, id="its-own-name"),
        pytest.param("x" * 5000, False, None, id="huge"),
        pytest.param("[%key:component::app::password%]", False, None, id="translated-elsewhere"),
        pytest.param("[% config.password %]", False, None, id="template-toolkit"),
        pytest.param("iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAYAAAAf8/9hAAAABmJLR0Q", False, None, id="picture"),
        pytest.param(
            base64.b64encode(b"https://cdn.corp.internal/files/720p-2").decode(), False, None, id="address-encoded"
        ),
        pytest.param("iVBORw0KGgoA7", False, Severity.MEDIUM, id="too-short-for-a-picture"),
        pytest.param("0xf04543fbf20daee9b0357db966428ef2a4ae0f5a", False, None, id="account-of-ethereum"),
        pytest.param("onepassword-sdk~=0.3", True, None, id="package-with-its-version"),
        pytest.param("uvicorn[standard]>=0.29.0", True, None, id="package-with-extras"),
        pytest.param("chr14:24683142-24701591:-", True, None, id="place-in-a-genome"),
        pytest.param("{self.encryption_key.decode()}", False, None, id="filled-in"),
        pytest.param("numpy<2.1,>=1.26", True, None, id="package-below-a-version"),
        pytest.param("troubad0r<3", True, Severity.MEDIUM, id="a-heart"),
        pytest.param("hunter<2Fr8", True, Severity.MEDIUM, id="no-package"),
    ],
)
def test_values_of_sensitive_names(value: str, code: bool, severity: Severity | None) -> None:
    verdict = judge_value("DB_PASSWORD", value.encode(), Written.PLAIN if code else Written.LITERAL)
    assert (verdict[0] if verdict else None) is severity


@pytest.mark.parametrize(
    ("value", "expected"),
    [("${A:-b}", "b"), ('"${A-b c}"', "b c"), ("${A}", "${A}"), ("x", "x"), ("${A:-${B}}", "${A:-${B}}")],
)
def test_defaults_are_literals(value: str, expected: str) -> None:
    assert literal_of(value.encode()).decode() == expected


@pytest.mark.parametrize(
    ("path", "where"),
    [
        pytest.param("app/main.py", Where.OWN, id="own"),
        pytest.param("/usr/src/app/.env", Where.OWN, id="usr-src"),
        pytest.param("opt/app/lib/x.rb", Where.OWN, id="own-lib"),
        pytest.param("srv/tests/x.py", Where.TEST, id="tests"),
        pytest.param("srv/x.test.ts", Where.TEST, id="test-file"),
        pytest.param("srv/latest/x.py", Where.OWN, id="latest-is-no-test"),
        pytest.param("srv/docs/x.txt", Where.DOCS, id="docs"),
        pytest.param("srv/README.md", Where.DOCS, id="readme"),
        pytest.param("srv/.env.example", Where.DOCS, id="example"),
        pytest.param("srv/rsa_example_key.der", Where.DOCS, id="example-by-name"),
        pytest.param("srv/iam-2010-05-08.examples.json", Where.DOCS, id="examples-by-name"),
        pytest.param("srv/lib/wallet.d.ts", Where.DOCS, id="declarations"),
        pytest.param("srv/lib/wallet.ts", Where.OWN, id="program"),
        pytest.param("srv/test.mjs", Where.TEST, id="test-alone"),
        pytest.param("srv/fake_private_key.cc", Where.TEST, id="fake"),
        pytest.param("srv/testkit/crypto/keys.py", Where.TEST, id="testkit"),
        pytest.param("srv/fixtures.py", Where.TEST, id="fixtures"),
        pytest.param("srv/fakery.py", Where.OWN, id="a-word-like-fake"),
        pytest.param("srv/latest.mjs", Where.OWN, id="a-word-like-test"),
        pytest.param("srv/test.env", Where.OWN, id="settings-for-tests"),
        pytest.param("srv/dummy_rsa", Where.TEST, id="dummy"),
        pytest.param("srv/examples.pem", Where.OWN, id="a-word-like-example"),
        pytest.param("usr/lib/python3.11/x.py", Where.VENDOR, id="python"),
        pytest.param("app/node_modules/x/y.js", Where.VENDOR, id="node-modules"),
        pytest.param("root/.cache/pip/http-v2/1/a/b.body!/httpx/_urls.py", Where.VENDOR, id="cache-of-pip"),
        pytest.param("home/app/.npm/_cacache/content-v2/sha512/1f/2e", Where.VENDOR, id="cache-of-npm"),
        pytest.param("opt/miniconda3/pkgs/x/lib/y.json", Where.VENDOR, id="cache-of-conda"),
        pytest.param("root/.gradle/gradle.properties", Where.OWN, id="settings-of-gradle"),
        pytest.param("root/.composer/auth.json", Where.OWN, id="login-of-composer"),
        pytest.param("usr/lib/x86_64-linux-gnu/libgnutls.so.30.34.3", Where.LIBRARY, id="library"),
        pytest.param("app/native.so", Where.OWN, id="own-library"),
        pytest.param("", Where.OWN, id="empty"),
    ],
)
def test_places(path: str, where: Where) -> None:
    assert place_of(path) is where


@pytest.mark.parametrize(
    ("uri", "severity"),
    [
        pytest.param(f"postgres://app:{RANDOM}@db.corp.io", Severity.HIGH, id="real"),
        pytest.param("postgres://app:tr0ub4@db.corp.io", Severity.HIGH, id="short"),
        pytest.param("mysql://root:whalehello@db", Severity.MEDIUM, id="word-at-another-service"),
        pytest.param(f"mysql://root:{RANDOM}@db", Severity.HIGH, id="random-at-another-service"),
        pytest.param("postgres://app:app@db", Severity.LOW, id="same-as-user"),
        pytest.param("postgres://app:postgres@db.corp.io", Severity.LOW, id="weak-at-a-real-host"),
        pytest.param("amqp://guest:guest@localhost", None, id="weak-and-local"),
        pytest.param(f"redis://:{RANDOM}@localhost", Severity.MEDIUM, id="random-and-local"),
        pytest.param("redis://:tr0ub4@127.0.0.1", Severity.LOW, id="short-and-local"),
        pytest.param("https://user:password@host", None, id="specimen"),
        pytest.param(f"https://deploy:{RANDOM}@example.com", Severity.LOW, id="random-at-an-example-host"),
        pytest.param("https://deploy:tr0ub4@example.com", None, id="short-at-an-example-host"),
        pytest.param("https://deploy:whalehello@example.com", None, id="word-at-an-example-host"),
        pytest.param("http://joe:tr0ub4@www.bogus.net", None, id="short-at-a-made-up-host"),
        pytest.param("postgres://app:${PASS}@db.corp.io", None, id="reference"),
        pytest.param("https://user:%s@db.corp.io", None, id="format"),
        pytest.param("https://user:secret@db.corp.io", None, id="specimen-at-a-real-host"),
        pytest.param("https://x", None, id="no-credentials"),
        pytest.param(f"postgres%3A%2F%2Fapp%3a{RANDOM}%40db.corp.io", Severity.HIGH, id="in-a-query"),
        pytest.param("https%3A%2F%2Fuser%3Apassword%40host", None, id="specimen-in-a-query"),
        pytest.param(rf"postgres:\/\/app:{RANDOM}@db.corp.io", Severity.HIGH, id="slashes-of-php"),
        pytest.param(rf"postgres\://app:{RANDOM}@db.corp.io", Severity.HIGH, id="colon-of-properties"),
        pytest.param("github://owner:some-repository@main", None, id="names-for-fsspec"),
        pytest.param("https://till:mill@my.proxy", None, id="specimen-of-a-proxy"),
        pytest.param("dotenv://:key_1234@dotenvx.com", None, id="numbered-key"),
        pytest.param("https://foo.com:123,foo:bar@bar.com", None, id="specimen-of-several-hosts"),
        pytest.param(f"mongodb://a.corp.io:1,app:{RANDOM}@b.corp.io", Severity.HIGH, id="several-hosts"),
        pytest.param("HTTPS://jo%40mail.org:a%20secret@m", Severity.LOW, id="word-behind-a-blank"),
        pytest.param("oci://app:v1.2.3@sha256", None, id="tag-and-digest"),
        pytest.param("mongodb+srv://admin:xk9-till@cluster0.example.mongodb.net", Severity.LOW, id="specimen-label"),
        pytest.param("s3n://ACCESS_KEY:SECRET_KEY@bucket", None, id="constants"),
        pytest.param("s3n://app:SECRET_KEY@bucket", Severity.MEDIUM, id="a-constant-of-somebody"),
    ],
)
def test_uris(uri: str, severity: Severity | None) -> None:
    verdict = judge_uri(uri.encode())
    assert (verdict[0] if verdict else None) is severity


def test_a_uri_is_shown_without_user_and_password() -> None:
    assert uri_context(b"postgres://app:tr0ub4dor@db.corp.io") == "postgres://•••:•••@db.corp.io"
    assert uri_context(b"mysql%3A%2F%2Fapp%3Atr0ub4dor%40db.corp.io") == "mysql://•••:•••@db.corp.io"
    assert uri_context(b"nonsense") == "•••://•••"
