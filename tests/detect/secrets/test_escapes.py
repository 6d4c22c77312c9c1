"""Private keys and AWS secrets behind escapes are as bad as those that stand plainly, and nothing else becomes one."""

from __future__ import annotations

import html
import json
import quopri
import time
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.detect.secrets.escapes import readings, unescaped, without_prefix
from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.pem import check_private_key, key_digest_text
from imgscan.detect.secrets.redact import redact
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.model import Severity, Validity

LABELS = ("RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY")


def key_of(label: str, seed: int = 1) -> bytes:
    """A key with all the characters that may be escaped."""
    found = (assemble([{"pem": label}], f"escaped {seed + n}").strip() + b"\n" for n in range(200))
    return next(key for key in found if b"+" in key and b"/" in key)


KEYS = {label: key_of(label) for label in LABELS}


def quoted(text: bytes, safe: str = "") -> bytes:
    return urllib.parse.quote(text, safe=safe).encode()


def before_each(prefix: Callable[[int], bytes]) -> Callable[[bytes], bytes]:
    return lambda key: b"".join(prefix(n) + line + b"\n" for n, line in enumerate(key.splitlines()))


def in_json(text: bytes) -> bytes:
    return json.dumps({"key": text.decode()}).encode()


def in_program(before: bytes, after: bytes) -> Callable[[bytes], bytes]:
    """Each line in a literal of its own, with code around it."""
    return lambda key: b"".join(before + line + after for line in key.splitlines())


def coloured(key: bytes) -> bytes:
    return b"".join(b"\x1b[32m" + line + b"\x1b[0m\n" for line in key.splitlines())


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "percent": lambda key: b"GET /?k=" + quoted(key) + b"&x=1 HTTP/1.1\n",
    "percent-lower-case": lambda key: b"k=" + quoted(key).replace(b"%0A", b"%0a").replace(b"%2B", b"%2b") + b"&x=1",
    "percent-twice": lambda key: b"k=" + quoted(quoted(key)) + b"&x=1",
    "percent-of-encodeURI": lambda key: b"data:text/plain," + quoted(key, safe="+/=-") + b"\n",
    "form": lambda key: urllib.parse.urlencode({"key": key, "go": "1"}).encode(),
    "form-with-crlf": lambda key: urllib.parse.urlencode({"key": key.replace(b"\n", b"\r\n"), "go": "1"}).encode(),
    "gson": lambda key: in_json(key).replace(b"=", rb"\u003d").replace(b"+", rb"\u002b"),
    "gson-upper-case": lambda key: in_json(key).replace(b"=", rb"\u003D").replace(b"+", rb"\u002B"),
    "json-in-gson": lambda key: in_json(in_json(key)).replace(b"=", rb"\u003d").replace(b"+", rb"\\u002b"),
    "javascript": lambda key: b"k='" + key.replace(b"\n", rb"\x0a").replace(b"=", rb"\x3d") + b"'",
    "xml": lambda key: (
        b'<c k="' + key.replace(b"\n", b"&#10;").replace(b"=", b"&#61;").replace(b"+", b"&#43;") + b'"/>'
    ),
    "xml-hexadecimal": lambda key: b'<c k="' + key.replace(b"\n", b"&#xA;").replace(b"/", b"&#x2F;") + b'"/>',
    "xml-crlf": lambda key: b'<c k="' + key.replace(b"\n", b"&#13;&#10;").replace(b"=", b"&#x3d;") + b'"/>',
    "html-names": lambda key: b"<pre>" + key.replace(b"=", b"&equals;").replace(b"+", b"&plus;") + b"</pre>",
    "html-highlighted": lambda key: b"<pre>" + b"".join(b'<i class="s">%b</i>\n' % each for each in key.splitlines()),
    "html-breaks": lambda key: html.escape(key.decode()).replace("\n", "<br/>").encode(),
    "properties": lambda key: b"key=" + key.replace(b"=", rb"\=").replace(b":", rb"\:").replace(b"\n", rb"\n") + b"\n",
    "quoted-printable": lambda key: b"\r\n" + quopri.encodestring(key).replace(b"\n", b"\r\n"),
    "soft-line-ends": lambda key: quopri.encodestring(
        key.splitlines()[0] + b"\n" + b"".join(key.splitlines()[1:-1]) + b"\n" + key.splitlines()[-1] + b"\n"
    ),
    "builder": in_program(b'key.append("', rb'\n");' + b"\n"),
    "added-up": in_program(b'key += "', rb'\n";' + b"\n"),
    "php": in_program(b"    '", b"' . PHP_EOL .\n"),
    "visual-basic": in_program(b'"', b'" & vbCrLf & _\n'),
    "sql": in_program(b"'", b"' || CHR(10) ||\n"),
    "calls": in_program(b'(Seq("', rb'\n")) + '),
    "array": in_program(b'  "', b'",\n'),
    "log": before_each(lambda n: b"2024-05-01T10:00:%02dZ app[12]: " % n),
    "log-of-a-container": before_each(lambda n: b"2024-05-01T10:00:00.%dZ stdout F " % (n * 7919)),
    "line-numbers": before_each(lambda n: b"%4d  " % (n + 7)),
    "line-numbers-of-grep": before_each(lambda n: b"app/id_rsa:%d:" % (n + 95)),
    "name-of-grep": before_each(lambda n: b"app/id_rsa:"),
    "diff": before_each(lambda n: b"+"),
    "diff-that-removes": before_each(lambda n: b"-"),
    "diff-in-json": lambda key: in_json(before_each(lambda n: b"+")(key)),
    "log-in-json": lambda key: in_json(before_each(lambda n: b"10:00:%02d | " % n)(key)),
    "colours": coloured,
    "colours-in-json": lambda key: in_json(coloured(key)),
}


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_behind_it(
    scanner: SecretScanner, slow_scanner: SecretScanner, form: Callable[[bytes], bytes], label: str
) -> None:
    key = KEYS[label]
    plain = check_private_key(key)
    text = b"one\n" + form(key)
    for each in (scanner, slow_scanner):
        (hit,) = [hit for hit in each.scan_bytes(text, path="app/x.log") if hit.rule.id == "secret-private-key"]
        assert (hit.validity, hit.severity, hit.public) == (Validity.VALID, Severity.CRITICAL, plain.public)
        assert hit.context.endswith(f"-----BEGIN {label}-----…")
        assert key_digest_text(hit.secret) == key_digest_text(key)
        # What is told to be the secret is what stands there, all of it.
        assert text[hit.offset :].startswith(hit.secret)
        assert hit.secret.endswith(b"KEY-----")


@pytest.mark.parametrize(
    "form", [FORMS["percent"], FORMS["gson"], FORMS["xml"], FORMS["log"]], ids=["percent", "gson", "xml", "log"]
)
def test_an_encrypted_key_behind_it(scanner: SecretScanner, form: Callable[[bytes], bytes]) -> None:
    key = assemble([{"pem": "RSA PRIVATE KEY", "encrypted": True}], "escaped and encrypted").strip() + b"\n"
    (hit,) = scanner.scan_bytes(form(key), path="app/x.log")
    assert (hit.detail, hit.severity) == ("encrypted", Severity.MEDIUM)


BEGIN, END = b"-----BEGIN RSA PRIVATE " + b"KEY-----", b"-----END RSA PRIVATE " + b"KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BEGIN + b"%0A...%0A" + END, id="ellipsis"),
        pytest.param(BEGIN.replace(b" ", b"+") + b"%0Ayour+key+goes+here%0A" + END.replace(b" ", b"+"), id="words"),
        pytest.param(BEGIN + b"\nnow what is in it\nthen the end\n" + END, id="prose"),
        pytest.param(BEGIN + b"\n10:00 a\n10:01 b\n10:02 " + END, id="log-of-little"),
        pytest.param(BEGIN + b"\n  12  func(a, b)\n  13  return c\n  14  " + END, id="source"),
        pytest.param(b'match("' + BEGIN + b"[A-Za-z0-9+/=\\\\s\\u003d]+" + END + b'")', id="regular-expression"),
        pytest.param(BEGIN + b"\n+\n+\n+" + END, id="empty-diff"),
        pytest.param(BEGIN + b"&#10;&#10;" + END, id="empty-xml"),
        pytest.param(
            b'key = "' + BEGIN + rb'\n" + wrap(getPrivateKeyInBase64Encoded(withoutHeaders), 64) + "\n' + END + b'"',
            id="code",
        ),
        pytest.param(b'"' + BEGIN + b'" "MIIEMyKeyIsNotHereAtAllButSomewhereElse" + x "' + END + b'"', id="odd-quotes"),
    ],
)
def test_what_is_no_key(scanner: SecretScanner, text: bytes) -> None:
    assert not scanner.scan_bytes(text, path="app/x.log")


@pytest.mark.parametrize(
    "filler",
    [
        b"%0A",
        rb"\u003d",
        b"&#10;",
        b"=\n",
        b"\n10:00 ",
        b"\n" + b"1 " * 90,
        b"\\" * 9,
        b"\x1b[0m",
        b"<a>",
        b"<a ",
        b"%25",
    ],
)
def test_nothing_takes_long(scanner: SecretScanner, filler: bytes) -> None:
    body = filler * (30_000 // len(filler))
    began = time.process_time()
    for _ in range(20):
        scanner.scan_bytes((BEGIN + body + END) * 2, path="app/x.log")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", b""),
        (b"plain = text: 100%", b"plain = text: 100%"),
        (b"a%3Db%253dc%25253Dd", b"a=b=c=d"),
        (rb"a\u003db\\u002fc\x2Bd", b"a=b/c+d"),
        (b"a&#61;b&#x3D;c&#061;d&equals;", b"a=b=c=d="),
        (rb"a\=b\:c\/d\n", rb"a=b:c/d\n"),
    ],
)
def test_escapes(text: bytes, expected: bytes) -> None:
    assert unescaped(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\n+ab\n+cd\n+", b"\nab\ncd"),
        (b"\n 9  ab\n10  cd\n11  ", b"\nab\ncd"),
        (b"\nab\ncd\n", None),
        (b"\n  ab\n  cd\n  ", None),
        (b"\n1ab\n2cd\n3", None),
        (b"\nx: ab\ny: cd\nx: ", None),
        (b"+", None),
    ],
)
def test_prefixes(text: bytes, expected: bytes | None) -> None:
    assert without_prefix(text) == expected


@given(st.binary(max_size=200))
def test_any_text_is_read(text: bytes) -> None:
    assert all(isinstance(each, bytes) for each in readings(text))


def test_a_keys_kind_is_shown_however_it_is_written() -> None:
    assert redact(quoted(BEGIN) + b"%0A") == "-----BEGIN RSA PRIVATE KEY-----…"
    assert redact(BEGIN.replace(b" ", b"+") + b"%0A") == "-----BEGIN RSA PRIVATE KEY-----…"


AWS_SECRET = next(
    key
    for n in range(200)
    for key in (assemble([{"random": "base64", "length": 40}], f"aws {n}"),)
    if key.count(b"/") == 1 and key.count(b"+") == 1 and key[:1].isalnum() and key[-1:].isalnum()
)
AWS_NAME = b"AWS_SECRET_" + b"ACCESS_KEY"
BEHIND = [
    pytest.param(b"GET /?c=" + AWS_NAME + b"%%3D%b%%0A&x=1", id="percent"),
    pytest.param(b"GET /?c=" + AWS_NAME + b"%%253D%b%%250A&x=1", id="percent-twice"),
    pytest.param(b"q=%%7B%%22secretAccess" + b"Key%%22%%3A%%22%b%%22%%7D", id="json-in-address"),
    pytest.param(b"q=%%7B%%22secretAccess" + b"Key%%22%%3A%%20%%22%b%%22%%7D", id="json-with-a-blank"),
    pytest.param(rb'{"settings":"' + AWS_NAME + rb'\u003d%b\n"}', id="gson"),
    pytest.param(rb'{"x":"{\\"secretAccess' + rb'Key\\":\\"%b\\"}"}', id="json-in-json"),
    pytest.param(rb'{"x":"{\"secretAccess' + rb'Key\": \"%b\"}"}', id="json-in-json-with-a-blank"),
    pytest.param(rb"body={\x22secretAccess" + rb"Key\x22:\x22%b\x22}", id="nginx"),
    pytest.param(rb'd="{\u0022secretAccess' + rb'Key\u0022: \u0022%b\u0022}"', id="html-in-json"),
    pytest.param(AWS_NAME + b"=3D%b=\r\n", id="quoted-printable"),
    pytest.param(AWS_NAME + b"=3D%b\r\n", id="quoted-printable-at-the-end"),
    pytest.param(b'<c x="' + AWS_NAME + b'&#61;%b&#10;"/>', id="xml"),
    pytest.param(b"<p>secretAccess" + b"Key&quot;:&quot;%b&quot;</p>", id="html"),
    pytest.param(b"<i>" + AWS_NAME + b'</i><b class="o">=</b><i class="s">%b</i>', id="highlighted"),
    pytest.param(b"\x1b[32m" + AWS_NAME + b"\x1b[0m=\x1b[1;33m%b\x1b[0m\n", id="colours"),
    pytest.param(b"app.body=" + AWS_NAME + rb"\=%b\n", id="properties"),
]


@pytest.mark.parametrize("form", BEHIND)
def test_an_aws_secret_behind_an_escape(form: bytes, scanner: SecretScanner, slow_scanner: SecretScanner) -> None:
    for each in (scanner, slow_scanner):
        found = each.scan_bytes(b"one " + form % AWS_SECRET + b" two", path="app/x.log")
        assert [hit.secret for hit in found if hit.rule.id == "secret-aws-secret-key"] == [AWS_SECRET]


@pytest.mark.parametrize(
    ("form", "written"),
    [
        (b"c=" + AWS_NAME + b"%%3D%b&x=1", {b"/": b"%2F", b"+": b"%2B"}),
        (b"c=" + AWS_NAME + b"%%3d%b&x=1", {b"/": b"%2f", b"+": b"%2b"}),
        (b"c=" + AWS_NAME + b"%%253D%b&x=1", {b"/": b"%252F", b"+": b"%252B"}),
        (b'{"secretAccess' + b'Key":"%b"}', {b"/": rb"\/"}),
        (b'{"secretAccess' + b'Key": "%b"}', {b"+": rb"\u002b"}),
        (b'{"x":"' + AWS_NAME + rb'\u003d%b"}', {b"+": rb"\u002b"}),
        (b'<c x="' + AWS_NAME + b'&#61;%b"/>', {b"/": b"&#47;", b"+": b"&#x2B;"}),
    ],
    ids=["percent", "lower-case", "twice", "php", "go", "gson", "xml"],
)
def test_an_aws_secret_with_escapes_in_it(form: bytes, written: dict[bytes, bytes], scanner: SecretScanner) -> None:
    """It is told as it stands, so that whoever shows the line can take it out."""
    secret = AWS_SECRET
    for sign, escape in written.items():
        secret = secret.replace(sign, escape)
    found = scanner.scan_bytes(form % secret, path="app/x.log")
    assert [hit.secret for hit in found if hit.rule.id == "secret-aws-secret-key"] == [secret]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(AWS_NAME + b"%3D" + b"0123456789abcdef" * 2 + b"01234567", id="digest"),
        pytest.param(AWS_NAME + b"%3D" + AWS_SECRET + b"Ab", id="too-long"),
        pytest.param(AWS_NAME + b"%3D" + AWS_SECRET[:38], id="too-short"),
        pytest.param(AWS_NAME + rb"\u003d" + AWS_SECRET[:35], id="too-short-for-json"),
        pytest.param(AWS_NAME + b"%3DwJalrXUtnFEMI%2FK7MDENG%2F" + b"bPxRfiCYEXAMPLEKEY", id="of-the-manual"),
        pytest.param(b"secret%3D" + AWS_SECRET, id="of-no-service"),
    ],
)
def test_what_is_no_aws_secret(text: bytes, scanner: SecretScanner) -> None:
    found = scanner.scan_bytes(text + b"&x=1", path="app/x.log")
    assert not [hit for hit in found if hit.rule.id == "secret-aws-secret-key"]
