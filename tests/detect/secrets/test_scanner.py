"""A document of any size and encoding: found wherever it stands, placed right, demoted by place, never shown."""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from secretmaker import token_of

from imgscan.detect.secrets import blocksearch
from imgscan.detect.secrets.confirm import MOST_MATCHES
from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.matcher import Matcher, load_matcher
from imgscan.detect.secrets.rules import LONGEST_MATCH, own_pack
from imgscan.detect.secrets.scanner import SecretScanner, load_scanner
from imgscan.detect.secrets.windows import WINDOW_BYTES
from imgscan.model import Confidence, Severity, Validity


def ids(scanner: SecretScanner, data: bytes, path: str = "app/data") -> list[str]:
    return [hit.rule.id for hit in scanner.scan_bytes(data, path=path)]


def fake_token(seed: str) -> bytes:
    """A GitHub token whose checksum does not fit."""
    return assemble(["gh", "p_", {"random": "base62", "length": 36}], seed)


def password(seed: str = "p", length: int = 18) -> str:
    return assemble([{"random": "base62", "length": length}], seed).decode()


@pytest.mark.parametrize(
    "offset",
    [
        0,
        1,
        WINDOW_BYTES - LONGEST_MATCH - 41,
        WINDOW_BYTES - LONGEST_MATCH - 20,
        WINDOW_BYTES - LONGEST_MATCH - 1,
        WINDOW_BYTES - LONGEST_MATCH,
        WINDOW_BYTES - LONGEST_MATCH + 1,
        WINDOW_BYTES - 41,
        WINDOW_BYTES - 20,
        WINDOW_BYTES - 1,
        WINDOW_BYTES,
        WINDOW_BYTES + 1,
        3 * WINDOW_BYTES - 20,
    ],
)
def test_a_token_is_found_once_at_any_border(scanner: SecretScanner, token: bytes, offset: int) -> None:
    before = (b"x" * 63 + b"\n") * (offset // 64) + b" " * (offset % 64)
    hits = scanner.scan_bytes(before + token + b"\n" + b"y\n" * 200_000, path="big")
    assert [(hit.rule.id, hit.offset, hit.line) for hit in hits] == [
        ("secret-github-token", offset, offset // 64 + 1),
    ]


@pytest.mark.parametrize("offset", [0, WINDOW_BYTES - LONGEST_MATCH - 700, WINDOW_BYTES - 900, WINDOW_BYTES - 5])
def test_a_key_is_found_whole_at_any_border(scanner: SecretScanner, offset: int) -> None:
    key = assemble([{"pem": "RSA PRIVATE KEY"}], "border")
    (hit,) = scanner.scan_bytes(b"." * offset + b"\n" + key + b"\n" + b"." * 99_999, path="big.bin")
    assert (hit.rule.id, hit.validity, hit.secret) == ("secret-private-key", Validity.VALID, key)


@settings(max_examples=40, deadline=None)
@given(before=st.binary(max_size=300), after=st.binary(max_size=300))
def test_a_token_between_any_bytes_is_found(scanner: SecretScanner, token: bytes, before: bytes, after: bytes) -> None:
    assert "secret-github-token" in ids(scanner, before + b"\n" + token + b"\n" + after)


def test_reads_of_any_size_give_the_same(scanner: SecretScanner, token: bytes) -> None:
    data = b"a\n" * 900_000 + token + b"\n" + fake_token("x")
    source = io.BytesIO(data)
    dribbled = scanner.scan(lambda n: source.read(min(n, 7_001)), path="big", size=None)
    assert [hit.offset for hit in dribbled] == [hit.offset for hit in scanner.scan_bytes(data, path="big")]
    assert len(dribbled) == 2


@pytest.mark.parametrize("kind", ["text", "gzip"])
def test_a_placed_document_gives_the_same(scanner: SecretScanner, token: bytes, kind: str) -> None:
    text = token + b"\na" * 900_000 + b"\n" + token + b"\n" + b"b\n" * 700_000 + fake_token("x")
    data = gzip.compress(text) if kind == "gzip" else text

    def read_at(offset: int, size: int) -> bytes:
        return data[offset : offset + size]

    placed = scanner.scan_placed(read_at, path="big", size=len(data))
    assert placed == scanner.scan_bytes(data, path="big")
    assert [hit.line for hit in placed] == [1, 900_002, 1_600_003]


def test_the_text_of_a_match_holds_no_secret(scanner: SecretScanner, token: bytes) -> None:
    found = scanner.blocks.everywhere.find(b"\n" + token + b"\n", frozenset(), lambda _: None).matches
    assert any(match.secret == token for match in found)
    assert all(token.decode() not in repr(match) for match in found)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_read(scanner: SecretScanner, token: bytes, encoding: str) -> None:
    text = "\r\n".join(["first", "second", f"token={token.decode()}"])
    (hit,) = scanner.scan_bytes(text.encode(encoding), path="settings.ini")
    assert (hit.rule.id, hit.line, hit.validity) == ("secret-github-token", 3, Validity.VALID)
    assert text.encode(encoding)[hit.offset : hit.offset + 3].strip(b"\0\xfe\xff")[:1] == b"g"


@pytest.mark.parametrize("shift", range(3))
def test_known_tokens_are_found_inside_base64(scanner: SecretScanner, token: bytes, shift: int) -> None:
    encoded = base64.b64encode(b"k" * shift + b'"token": "' + token + b'"')
    (hit,) = scanner.scan_bytes(b"apiVersion: v1\ndata:\n  token: " + encoded + b"\n", path="secret.yaml")
    assert (hit.rule.id, hit.secret, hit.line) == ("secret-github-token", token, 3)


def test_a_registry_password_in_a_kubernetes_secret(scanner: SecretScanner) -> None:
    auth = base64.b64encode(f"ci:{password()}".encode()).decode()
    inner = json.dumps({"auths": {"registry.internal": {"auth": auth}}})
    encoded = base64.b64encode(inner.encode()).decode()
    assert ids(scanner, f"data:\n  .dockerconfigjson: {encoded}\n".encode()) == ["secret-docker-config-auth"]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\n    "], ids=["lf", "crlf", "indented"])
@pytest.mark.parametrize("width", [60, 64, 72, 76])
@pytest.mark.parametrize("before", [0, 1, 50, 55, 56, 57, 110, 1000])
def test_tokens_in_wrapped_base64(
    scanner: SecretScanner, token: bytes, before: int, width: int, line_end: bytes
) -> None:
    """Whatever part of the token is on the next line, as long as its beginning is on one."""
    encoded = base64.b64encode(b"k" * before + b'"token": "' + token + b'"' + b"z" * 300)
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    text = b"part: x\n\n" + line_end.join(lines) + b"\n\nend"
    hits = scanner.scan_bytes(text, path="mail.eml")
    first = (before + 10) * 4 // 3 // width
    whole = len(base64.b64encode(b"k" * before + b'"token": "' + token[:4])) // width == first
    assert [hit.secret for hit in hits] == [token] or not whole
    for hit in hits:
        assert hit.line == 3 + first
        assert text[hit.offset : hit.offset + 2] == encoded[(before + 10) * 4 // 3 :][:2]


def test_every_secret_of_one_run_of_base64_is_told(scanner: SecretScanner) -> None:
    tokens = [token_of(str(number)).encode() for number in range(5)]
    encoded = base64.b64encode(b"".join(b'{"t": "' + token + b'"}' for token in tokens))
    hits = scanner.scan_bytes(b"data: " + encoded + b"\n", path="a.yaml")
    assert [hit.secret for hit in hits] == tokens
    assert [hit.offset for hit in hits] == sorted({hit.offset for hit in hits})


def test_a_key_in_base64(scanner: SecretScanner) -> None:
    key = assemble([{"pem": "EC PRIVATE KEY"}], "b64")
    (hit,) = scanner.scan_bytes(b"tls.key: " + base64.b64encode(key), path="k8s.yaml")
    assert (hit.rule.id, hit.validity) == ("secret-private-key", Validity.VALID)


def test_a_failed_checksum_makes_less_sure(scanner: SecretScanner) -> None:
    (hit,) = scanner.scan_bytes(fake_token("demoted"), path="app/config.py")
    assert (hit.severity, hit.confidence, hit.validity) == (Severity.CRITICAL, Confidence.LOW, Validity.INVALID)


@pytest.mark.parametrize("before", ["e.g.: ", "(for example, '", "For instance `"])
def test_what_is_said_to_be_a_specimen_is_less(scanner: SecretScanner, before: str) -> None:
    (hit,) = scanner.scan_bytes(before.encode() + fake_token("specimen"), path="app/client.py")
    assert (hit.severity, hit.confidence) == (Severity.MEDIUM, Confidence.LOW)


@pytest.mark.parametrize("path", ["app/.env", "app/tests/x.py", "usr/lib/python3/dist-packages/x.py", "usr/bin/x"])
def test_a_checksum_that_fits_beats_any_place(scanner: SecretScanner, token: bytes, path: str) -> None:
    (hit,) = scanner.scan_bytes(b"\x7fELF\0\0" + token + b"\0", path=path)
    assert (hit.severity, hit.confidence, hit.proven) == (Severity.CRITICAL, Confidence.HIGH, True)


def test_the_same_text_is_one_hit(scanner: SecretScanner, token: bytes) -> None:
    text = b"github_api_key = '" + token + b"'\nAPI_KEY=\"" + token + b'"\n'
    assert ids(scanner, text, "app/.env") == ["secret-github-token"] * 2


def test_a_key_pair_is_two_hits(scanner: SecretScanner) -> None:
    pair = assemble(
        ["AK", "IA", "R", {"random": "base32", "length": 15}, "\n", {"random": "base62", "length": 40}], "k"
    )
    assert ids(scanner, pair) == ["secret-aws-access-key", "secret-aws-secret-key"]


def test_neighbours_may_share_a_separator(scanner: SecretScanner) -> None:
    keys = b" ".join(assemble(["oy", "2", {"random": "base36", "length": 43}], str(i)) for i in range(5))
    assert len(ids(scanner, keys)) == 5


def test_nothing_of_a_secret_is_ever_shown(
    scanner: SecretScanner, token: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    word = password()
    text = b"A=" + token + f"\nDATABASE_URL=postgres://app:{word}@db.corp.io/x\nDB_PASSWORD={word}\n".encode()
    hits = scanner.scan_bytes(text, path="app/.env")
    assert len(hits) == 3
    shown = "".join(f"{hit!r} {hit.context} {hit.detail}" for hit in hits) + caplog.text
    for secret in (token.decode(), word):
        assert not any(secret[i : i + 5] in shown for i in range(len(secret) - 5))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("DB_PASSWORD", "tr0ub4dor&3", ["secret-env-assignment"], id="password"),
        pytest.param("SESSION_SECRET", password("s", 32), ["secret-env-assignment"], id="random"),
        pytest.param("DB_PASSWORD", "${DB_PASSWORD:-tr0ub4dor}", ["secret-env-assignment"], id="default"),
        pytest.param("DB_PASSWORD", "${DB_PASSWORD}", [], id="reference"),
        pytest.param("DB_PASSWORD", "changeme", [], id="placeholder"),
        pytest.param("DB_PASSWORD", "", [], id="empty"),
        pytest.param("DB_PASSWORD_FILE", "/run/secrets/db", [], id="file"),
        pytest.param("GPG_KEY", "E3FF2839C048B25C084DEBE9B26995E310250568", [], id="public-key-id"),
        pytest.param("PATH", "/usr/local/bin:/usr/bin", [], id="path"),
        pytest.param("TOKENIZERS_PARALLELISM", "false", [], id="no-token"),
        pytest.param(
            "DD_API_KEY",
            assemble([{"random": "hex", "length": 32}], "dd").decode(),
            ["secret-datadog-key"],
            id="by-name",
        ),
        pytest.param("DATABASE_URL", f"postgres://u:{password()}@db.corp.io/x", ["secret-uri-credentials"], id="uri"),
        pytest.param("MOTTO", "a token of love = nothing", [], id="prose"),
    ],
)
def test_assignments(scanner: SecretScanner, name: str, value: str, expected: list[str]) -> None:
    hits = scanner.scan_assignment(name, value, path=f"ENV {name}")
    assert [hit.rule.id for hit in hits] == expected


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        pytest.param(
            "bin/app", b"https://api.corp.internal\0API_URL\0tarball:\0\0@nested\0", [], id="strings-behind-each-other"
        ),
        pytest.param(
            "locales/en.json",
            b'{"Password": "Password",\n "At_least_8_characters": "at least 8 characters"}',
            [],
            id="the-next-name",
        ),
        pytest.param(
            "app/config.py",
            b'KEYS = {\n "cf-small": "OPENROUTER_API_KEY",\n "free-or-qwen3-235b": "OPENROUTER_API_KEY",\n}',
            [],
            id="the-next-name-of-a-table",
        ),
        pytest.param(
            "app/login.json",
            b'[{"name": "password",\n "value": "Xw4Vt8RbC3mN"}]',
            ["secret-env-assignment"],
            id="a-pair",
        ),
    ],
)
def test_what_lies_beside_each_other(scanner: SecretScanner, path: str, text: bytes, expected: list[str]) -> None:
    assert [hit.rule.id for hit in scanner.scan_bytes(text, path=path)] == expected


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        pytest.param("app/a.js", f'fetch("https://h.corp.io/x?a=1&api_key={password()}")', True, id="second"),
        pytest.param("app/a.py", f"URL = 'https://h.corp.io/x?api_key={password()}&a=1'", True, id="first"),
        pytest.param("app/a.js", f"x = e&&api_key={password()};", False, id="and"),
        pytest.param("app/a.js", f"x = e?api_key={password()}:1;", False, id="either-or"),
        pytest.param("app/a.go", f'u := "https://h.corp.io/x?api_key=" + {password()}', False, id="put-together"),
        pytest.param("app/a.py", f"f'https://h.corp.io/x?api_key={{{password()}}}'", False, id="filled-in"),
        pytest.param("app/a.py", "'https://h.corp.io/x?api_key=YOUR_API_KEY'", False, id="placeholder"),
    ],
)
def test_a_key_in_an_address_of_a_program(scanner: SecretScanner, path: str, text: str, *, expected: bool) -> None:
    assert bool(scanner.scan_bytes(f"{text}\n".encode(), path=path)) is expected


def test_an_assignment_shows_its_name(scanner: SecretScanner) -> None:
    (hit,) = scanner.scan_assignment("DB_PASSWORD", "tr0ub4dor&3", path="ENV DB_PASSWORD")
    assert hit.context == "DB_PASSWORD=••• (8 to 11 characters)"
    assert (hit.offset, hit.line, hit.secret) == (0, 1, b"tr0ub4dor&3")


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        pytest.param("app/.env", Severity.MEDIUM, id="env"),
        pytest.param("app/.env.production", Severity.MEDIUM, id="env-of-a-stage"),
        pytest.param("app/application.properties", Severity.LOW, id="config"),
        pytest.param("app/photo.jpg", None, id="not-config"),
        pytest.param("app/node_modules/x/config.json", None, id="vendored"),
    ],
)
def test_assignments_in_files_by_place(scanner: SecretScanner, path: str, severity: Severity | None) -> None:
    hits = scanner.scan_bytes(b"a=1\ndb.password=tr0ub4dor77x\n", path=path)
    assert [hit.severity for hit in hits] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("code", "found"),
    [
        pytest.param(b"password = 'tr0ub4dor77x'", True, id="literal"),
        pytest.param(b"password = tr0ub4dor77x", False, id="variable"),
        pytest.param(b"password = get_password()", False, id="call"),
        pytest.param(b"token = request.headers['x']", False, id="expression"),
        pytest.param(b"password = 'password'", False, id="the-word"),
        pytest.param(b"password = 'please enter it'", False, id="prose"),
    ],
)
def test_in_programs_only_quoted_literals_count(scanner: SecretScanner, code: bytes, found: bool) -> None:
    assert ("secret-env-assignment" in ids(scanner, code, "app/settings.py")) is found


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        pytest.param("", "", True, id="alone"),
        pytest.param("key=", "", True, id="assigned"),
        pytest.param("https://api.corp.internal/v1/users/", "/objects", True, id="in-an-address"),
        pytest.param(
            "kHu/O3G9xYrv7Lu0TV1c3D67jpTSJufGefHkBx98IBMA/7Pp+", "/lQn5fTRw+5AhTG7is8//jy6O8Zg5f", False, id="base64"
        ),
        pytest.param("kHu/O3G9xYrv7Lu0TV1c3D67jpTSJufGefHkBx98IBMA/7Pp+", "", False, id="end-of-base64"),
        pytest.param("a+", "+b", True, id="between-signs"),
    ],
)
def test_letters_inside_base64_are_no_token(scanner: SecretScanner, before: str, after: str, found: bool) -> None:
    token = assemble(["LT", "AI", "5t", {"random": "base62", "length": 18}], "inside").decode()
    assert ("secret-alibaba-key" in ids(scanner, f"{before}{token}{after}\n".encode(), "app/x.txt")) is found


def test_the_name_of_a_password_in_its_place_is_a_hint(scanner: SecretScanner) -> None:
    (hit,) = scanner.scan_bytes(b"mysql_connect('localhost', 'mysql_user', 'mysql_password');\n", path="app/x.php")
    assert hit.severity is Severity.LOW


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: b"AKIA" * 600_000, id="prefix-repeated"),
        pytest.param(lambda: b"-----BEGIN RSA PRIVATE " + b"KEY-----\n" * 200_000, id="headers"),
        pytest.param(lambda: (b"-----BEGIN RSA PRIVATE " + b"KEY-----\n") * 40_000, id="headers-without-end"),
        pytest.param(lambda: b"eyJhbGciOiJIUzI1NiJ9." * 80_000, id="jwt-parts"),
        pytest.param(lambda: b"://" * 500_000, id="uris"),
        pytest.param(lambda: b"a://a:a@" * 200_000, id="uris-with-users"),
        pytest.param(lambda: b"password=" * 110_000, id="assignments"),
        pytest.param(lambda: b"Z2hwX0" * 200_000, id="base64-prefixes"),
        pytest.param(lambda: b"Z2hwX0 " * 150_000, id="base64-prefixes-apart"),
        pytest.param(lambda: b"word eyJh Z2hwXw some_words/and/paths\n" * 25_000, id="base64-prefixes-in-text"),
        pytest.param(lambda: b"\0a" * 800_000, id="utf16"),
        pytest.param(lambda: b"{" * 1_500_000, id="braces"),
        pytest.param(lambda: b'"type":"service_account"{' * 60_000, id="service-accounts"),
        pytest.param(lambda: b"secret.*" + b"'" * 1_500_000, id="quotes"),
    ],
)
def test_hostile_files_are_read_in_bounded_time(
    scanner: SecretScanner, slow_scanner: SecretScanner, make: object
) -> None:
    assert callable(make)
    data = make()
    for each in (scanner, slow_scanner):
        started = time.process_time()
        each.scan_bytes(data, path="app/config.json")
        assert time.process_time() - started < 15


def test_a_file_full_of_secrets_is_cut_off_with_a_note(scanner: SecretScanner) -> None:
    lines = b"\n".join(fake_token(str(i)) for i in range(MOST_MATCHES + 500))
    notes: list[str] = []
    hits = scanner.scan(io.BytesIO(lines).read, path="dump", size=len(lines), note=notes.append)
    assert len(hits) >= MOST_MATCHES
    assert len(notes) == 1
    assert "secret-github-token" in notes[0]


def test_packs_are_named(scanner: SecretScanner) -> None:
    assert scanner.pack_names[0] == f"imgscan ({len(own_pack().rules)} rules)"
    assert scanner.notes == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("glpat-" + "Ab3dEfGhIjKlMnOpQrSt", ("info", "low"), id="counted"),
        pytest.param("glpat-" + "Kx7mQp2vRt9wZc4nBy6L", ("critical", "high"), id="random"),
        pytest.param("glpat-" + "your-token-here12345", None, id="says-so"),
        pytest.param("API_TOKEN=" + "abcdefgh12345678", None, id="no-form-of-its-own"),
    ],
)
def test_a_token_that_counts_up_is_a_hint(scanner: SecretScanner, text: str, told: tuple[str, str] | None) -> None:
    hits = scanner.scan_bytes(f"see {text} there".encode(), path="notes.txt")
    assert [(hit.severity.value, hit.confidence.value) for hit in hits] == ([told] if told else [])
    assert [hit.detail for hit in hits if "counts up" in hit.detail] == (
        ["it counts up, as made-up examples do"] if told == ("info", "low") else []
    )


def test_matchers_are_made_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three sets of rules: none is done before all have begun."""
    begun = threading.Barrier(3, timeout=60)

    def slowly(*args: Any, **options: Any) -> Matcher:
        if threading.current_thread() is not threading.main_thread():
            begun.wait()
        return load_matcher(*args, **options)

    monkeypatch.setattr(blocksearch, "load_matcher", slowly)
    load_scanner(trufflehog3=False).prepare()
    assert not begun.broken


def test_what_fails_beside_the_others_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_options: Any) -> Matcher:
        raise MemoryError("no room for an automaton")

    monkeypatch.setattr(blocksearch, "load_matcher", fail)
    with pytest.raises(MemoryError, match="no room"):
        load_scanner(trufflehog3=False).prepare()


@pytest.mark.parametrize(
    ("path", "lines", "size", "found"),
    [
        pytest.param("app/start", 1, None, 1, id="short"),
        pytest.param("app/start", 9000, None, 0, id="more-than-a-script"),
        pytest.param("app/start", 1, 9 << 20, 0, id="known-to-be-more"),
        pytest.param("root/.bash_history", 9000, None, 1, id="there-for-what-was-typed"),
        pytest.param("etc/app/start", 9000, None, 1, id="configuration-by-its-folder"),
    ],
)
def test_what_has_no_ending_and_no_known_size(
    scanner: SecretScanner, path: str, lines: int, size: int | None, found: int
) -> None:
    """As what a compressed file unpacks to: assignments count in a script, not in a dump."""
    data = b"echo all is well\n" * lines + b"password=q7Zp2Lk9Xw4Vt8Rb\n"
    assert len(scanner.scan(io.BytesIO(data).read, path=path, size=size)) == found


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("root/.pgpass", ["secret-pgpass"], id="home"),
        pytest.param("app/node_modules/x/.pgpass", ["secret-pgpass"], id="wherever-it-lies"),
        pytest.param("root/.pgpass.txt", [], id="of-another-name"),
    ],
)
def test_rules_for_files_of_a_name(scanner: SecretScanner, path: str, found: list[str]) -> None:
    hits = scanner.scan_bytes(b"db.corp.io:5432:app:till:q7Zp2Lk9Xw4Vt8Rb\n", path=path)
    assert [hit.rule.id for hit in hits] == found


def test_a_rule_for_a_name_keeps_out_of_others(scanner: SecretScanner) -> None:
    """One that stays among those for all configuration, since such files grow large."""
    state = b'{"outputs": {"till_token": {"value": "q7Zp2Lk9Xw4Vt8Rb"}}, "admin_password": "Harbour-Wall-77"}'
    ids = {hit.rule.id for hit in scanner.scan_bytes(state, path="app/terraform.tfstate")}
    assert "secret-terraform-state" in ids
    assert "secret-terraform-state" not in {hit.rule.id for hit in scanner.scan_bytes(state, path="app/state.json")}
