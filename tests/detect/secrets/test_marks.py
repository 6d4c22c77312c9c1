"""Comments that ask to ignore a secret: which count, where they have to stand, and that no window edge hides one."""

from __future__ import annotations

import base64

import pytest

from imgscan.detect.secrets.marks import REACH, mark_at_line, mark_beside
from imgscan.detect.secrets.rules import LONGEST_MATCH
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.detect.secrets.windows import WINDOW_BYTES

RULE = "secret-github-token"
OWN = "imgscan:ignore"


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        pytest.param("T=SECRET # imgscan:ignore", OWN, id="own"),
        pytest.param("T=SECRET # imgscan:ignore a fixture of the tests", OWN, id="with-reason"),
        pytest.param("T=SECRET # IMGSCAN:IGNORE", OWN, id="any-case"),
        pytest.param("/* imgscan:ignore */ T=SECRET", OWN, id="before-it"),
        pytest.param(f"T=SECRET # imgscan:ignore={RULE}", OWN, id="this-rule"),
        pytest.param(f"T=SECRET # imgscan:ignore=secret-jwt,{RULE} both", OWN, id="this-rule-too"),
        pytest.param("T=SECRET # imgscan:ignore=secret-git*", OWN, id="rules-like-this"),
        pytest.param("T=SECRET # imgscan:ignore=secret-jwt", "", id="another-rule"),
        pytest.param("T=SECRET # imgscan:ignore=secret-jwt imgscan:ignore", OWN, id="the-second-is-for-all"),
        pytest.param("T=SECRET # imgscan:ignore=", "", id="for-no-rule"),
        pytest.param(f"T=SECRET # imgscan: ignore[{RULE}] a test key", OWN, id="listed"),
        pytest.param(f"T=SECRET # imgscan: ignore[secret-jwt, {RULE}] -- été", OWN, id="listed-with-others"),
        pytest.param("T=SECRET # imgscan: ignore[secret-jwt] a test key", "", id="listed-for-another-rule"),
        pytest.param("T=SECRET # imgscan: ignore[secret-git*] a test key", "", id="listed-by-a-pattern"),
        pytest.param(f"T=SECRET # imgscan: ignore[{RULE}]", "", id="listed-without-a-reason"),
        pytest.param(f"T=SECRET # imgscan:ignore [{RULE}] a test key", "", id="a-bracket-apart"),
        pytest.param("T=SECRET # imgscan:ignored", "", id="another-word"),
        pytest.param("T=SECRET # not-imgscan:ignore", "", id="the-end-of-another-word"),
        pytest.param("T=SECRET http://x/imgscan:ignore", "", id="in-an-address"),
        pytest.param("T=SECRET // gitleaks:allow", "gitleaks:allow", id="gitleaks"),
        pytest.param("T=SECRET # betterleaks:allow", "betterleaks:allow", id="betterleaks"),
        pytest.param("T=SECRET # trufflehog:ignore", "trufflehog:ignore", id="trufflehog"),
        pytest.param("T=SECRET # kingfisher:ignore", "kingfisher:ignore", id="kingfisher"),
        pytest.param("T=SECRET # pragma: allowlist secret", "pragma: allowlist secret", id="detect-secrets"),
        pytest.param("T=SECRET # pragma:whitelist secret", "pragma: allowlist secret", id="detect-secrets-of-old"),
        pytest.param("T=SECRET # pragma: allowlist nextline secret", "", id="nextline-is-not-this-line"),
        pytest.param("# pragma: allowlist nextline secret\nT=SECRET", "pragma: allowlist secret", id="nextline"),
        pytest.param("T=SECRET # nosec", "", id="nosec-is-about-other-things"),
        pytest.param("# imgscan:ignore\nT=SECRET", OWN, id="line-above"),
        pytest.param("  <!-- imgscan:ignore why -->\r\n T=SECRET", OWN, id="line-above-html"),
        pytest.param("-- gitleaks:allow\nT=SECRET", "gitleaks:allow", id="line-above-sql"),
        pytest.param("A=other # imgscan:ignore\nT=SECRET", "", id="line-above-is-about-its-own"),
        pytest.param("# old: xyz imgscan:ignore\nT=SECRET", "", id="line-above-begins-otherwise"),
        pytest.param("imgscan:ignore\nT=SECRET", "", id="line-above-is-no-comment"),
        pytest.param("# imgscan:ignore\n\nT=SECRET", "", id="two-lines-above"),
        pytest.param("T=SECRET\n# imgscan:ignore", "", id="line-below"),
        pytest.param("T=SECRET " + "x" * REACH + " # imgscan:ignore", "", id="far-away-on-the-line"),
        pytest.param("#" + "x" * 2 * REACH + "# imgscan:ignore\nT=SECRET", "", id="end-of-a-long-line-above"),
        pytest.param("SECRET", "", id="nothing"),
    ],
)
def test_mark_beside_a_secret(text: str, mark: str) -> None:
    data = text.encode()
    start = data.index(b"SECRET")
    assert mark_beside(data, start, start + 6, RULE) == mark
    if len(text) < REACH:
        assert mark_at_line(text, text[: text.index("SECRET")].count("\n") + 1, RULE) == mark


@pytest.mark.parametrize("line", [0, 1, 5])
def test_a_line_that_is_not_there_has_no_mark(line: int) -> None:
    assert mark_at_line("", line, RULE) == ""


def test_a_key_is_marked_at_either_end(scanner: SecretScanner) -> None:
    body = "\n".join(base64.b64encode(bytes(range(1, 255))).decode()[at : at + 64] for at in range(0, 320, 64))
    key = "-----BEGIN RSA PRIVATE " + f"KEY-----\n{body}\n-----END RSA PRIVATE " + "KEY-----"
    for text in (f"# imgscan:ignore\n{key}\n", f"{key} # imgscan:ignore\n"):
        (hit,) = scanner.scan_bytes(text.encode(), path="app/key.pem")
        assert hit.mark == OWN
    (hit,) = scanner.scan_bytes(f"{key}\n# imgscan:ignore\n".encode(), path="app/key.pem")
    assert hit.mark == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_every_encoding(scanner: SecretScanner, token: bytes, encoding: str) -> None:
    text = f"# gitleaks:allow\ntoken={token.decode()}\n".encode(encoding)
    (hit,) = scanner.scan_bytes(text, path="settings.ini")
    assert hit.mark == "gitleaks:allow"


def test_a_secret_in_base64_is_marked_beside_the_base64(scanner: SecretScanner, token: bytes) -> None:
    encoded = base64.b64encode(b"token=" + token).decode()
    (hit,) = scanner.scan_bytes(f"data:\n  t: {encoded} # imgscan:ignore\n".encode(), path="k8s.yaml")
    assert hit.mark == OWN


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_mark_is_seen_across_every_window_edge(scanner: SecretScanner, token: bytes, encoding: str) -> None:
    """The secret is moved byte by byte over the place where a window's own part ends, its mark right and left of it."""
    above = ("# imgscan:ignore " + "x" * 300 + f"\nt={token.decode()}\n").encode(encoding)
    behind = (f"t={token.decode()} " + " " * 300 + "# imgscan:ignore\n").encode(encoding)
    width = 1 if encoding == "utf-8" else 2
    filler = "a line of a log, nothing else\n".encode(encoding)
    for edge in (WINDOW_BYTES - LONGEST_MATCH - 2 * REACH, WINDOW_BYTES):
        for text in (above, behind):
            for shift in range(0, len(text) + 8 * width, 16 * width + width):
                at = (edge - len(text) + shift) // width * width
                before = (filler * (at // len(filler) + 1))[: at - width] + "\n".encode(encoding)
                (hit,) = scanner.scan_bytes(before + text + filler * 4000, path="app/x.txt")
                assert hit.mark == OWN, (edge, shift)
