"""gzip inside base64: cloud-init's files, ConfigMaps and Helm's releases are opened, and a bomb costs little."""

from __future__ import annotations

import base64
import gzip
import io
import random
import re
import time
from collections.abc import Callable

import pytest
from secretmaker import token_of

from imgscan.detect.secrets.packed import PACKED_PATTERN, Allowance, unpacked_runs
from imgscan.detect.secrets.scanner import SecretHit, SecretScanner
from imgscan.detect.secrets.windows import WINDOW_BYTES

TOKENS = [token_of(f"packed {number}").encode() for number in range(2)]
TEXT = b"first line\n" + b"".join(b"TOKEN_%c=%b\n" % (65 + n, token) for n, token in enumerate(TOKENS))
NOISE = base64.b64encode(random.Random(5).randbytes(60_000))
"""Text that compresses little."""


def packed(text: bytes) -> bytes:
    return gzip.compress(text, mtime=0)


def named(text: bytes) -> bytes:
    """With the name of a file in the header, as `gzip` does it."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="app.env", mode="wb", fileobj=out) as file:
        file.write(text)
    return out.getvalue()


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def indented(data: bytes, width: int) -> bytes:
    text = b64(data)
    return b"".join(b"    " + text[at : at + width] + b"\n" for at in range(0, len(text), width))


def searched(scanner: SecretScanner, data: bytes, path: str = "app/user-data") -> tuple[list[SecretHit], list[str]]:
    notes: list[str] = []
    return scanner.scan_bytes(data, path=path, note=notes.append), notes


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "cloud-init": lambda text: b"write_files:\n- encoding: gz+b64\n  content: " + b64(packed(text)) + b"\n",
    "with-a-name": lambda text: b"blob=" + b64(named(text)) + b"\n",
    "url-safe": lambda text: b"blob=" + base64.urlsafe_b64encode(packed(text)).rstrip(b"=") + b"\n",
    "quoted": lambda text: b'{"binaryData": {"x.gz": "' + b64(packed(text)) + b'"}}',
    "wrapped": lambda text: base64.encodebytes(packed(text)),
    "wrapped-and-indented": lambda text: b"conf: !!binary |\n" + indented(packed(text), 64),
    "helm": lambda text: b"data:\n  release: " + b64(b64(packed(text))) + b"\n",
    "helm-with-a-name": lambda text: b"data:\n  release: " + b64(b64(named(text))) + b"\n",
    "both-wrapped": lambda text: base64.encodebytes(base64.encodebytes(packed(text))),
    "behind-one-byte": lambda text: b"x: " + b64(b"k" + b64(packed(text))),
    "behind-some-text": lambda text: b"x: " + b64(b"content: " + b64(packed(text)) + b"\n"),
    "in-the-middle": lambda text: b"x: " + b64(b"#cloud\n  content: '" + b64(packed(text)) + b"'\n"),
    "tar-in-it": lambda text: b"blob=" + b64(packed(bytes(512) + text + bytes(512))),
    "packed-in-packed": lambda text: b"x: " + b64(packed(b"content: " + b64(packed(text)) + b"\n")),
}


@pytest.mark.parametrize("around", [b"", NOISE], ids=["short", "long"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_tokens_in_gzip_in_base64(
    scanner: SecretScanner, slow_scanner: SecretScanner, form: Callable[[bytes], bytes], around: bytes
) -> None:
    data = b"one\n" + form(around + b"\n" + TEXT + around)
    for each in (scanner, slow_scanner):
        hits, notes = searched(each, data)
        assert sorted(hit.secret for hit in hits) == sorted(TOKENS)
        assert notes == []


def test_the_place_is_that_of_the_base64(scanner: SecretScanner) -> None:
    for text in (b64(packed(TEXT)), b64(b64(packed(TEXT)))):
        hits, _ = searched(scanner, b"one\ntwo: " + text + b"\n")
        assert [(hit.line, hit.offset) for hit in hits] == [(2, 9)] * 2


def test_what_base64_in_it_holds_is_found(scanner: SecretScanner) -> None:
    hits, _ = searched(scanner, b64(packed(b"data:\n  auth: " + b64(b'{"t": "' + TOKENS[0] + b'"}'))))
    assert [hit.secret for hit in hits] == [TOKENS[0]]


def test_passwords_in_it_where_the_file_holds_settings(scanner: SecretScanner) -> None:
    line = b"DB_PASSWORD=" + b"kV3x" + b"Q9fTz2LmR7w\n"
    found, _ = searched(scanner, b"content: " + b64(packed(line)), "app/settings.yaml")
    assert [hit.rule.id for hit in found] == ["secret-env-assignment"]


def test_what_is_packed_twice_is_opened_and_not_thrice(scanner: SecretScanner) -> None:
    data = b64(packed(b64(packed(TEXT))))
    assert len(searched(scanner, data)[0]) == 2
    assert not searched(scanner, b64(packed(data)))[0]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"H4sIA", id="mark-alone"),
        pytest.param(b"H4sIAAAA and so on", id="no-gzip"),
        pytest.param(b"path/H4sIAbout/x.js", id="word"),
        pytest.param(b64(packed(b"nothing\n" * 50)), id="harmless"),
        pytest.param(b64(packed(TEXT))[:16], id="header-alone"),
        pytest.param(b64(b"\x1f\x8b\x08\0" + bytes(500)), id="damaged"),
        pytest.param(b64(b"H4sIAnd so on"), id="word-in-base64"),
    ],
)
def test_what_only_looks_like_it(scanner: SecretScanner, data: bytes) -> None:
    assert searched(scanner, b"x: " + data + b"\n") == ([], [])


def test_what_is_cut_off_or_damaged_is_searched_as_far_as_it_is_sound(scanner: SecretScanner) -> None:
    text = b64(packed(TEXT + NOISE))
    assert len(searched(scanner, text[: len(text) // 2])[0]) == 2
    assert len(searched(scanner, text[:40_000] + b"AAAA" * 50 + text[40_200:])[0]) == 2


@pytest.mark.parametrize("size", [100_000, 800_000])
def test_long_ones_are_opened_whole(scanner: SecretScanner, size: int) -> None:
    """Other runs of base64 are not decoded beyond 24 KiB."""
    chance = random.Random(size)
    text = b64(packed(chance.randbytes(size * 9 // 16) + b"\n" + TEXT))
    twice = b64(text)
    for each in (text, twice):
        if len(each) < WINDOW_BYTES:
            assert searched(scanner, b"x: " + each) == searched(scanner, b"x: " + each + b"\n")
            assert len(searched(scanner, b"x: " + each)[0]) == 2


def test_the_end_beyond_a_window_is_told(scanner: SecretScanner) -> None:
    text = b64(packed(TEXT + random.Random(1).randbytes(300_000)))
    before = b"some words\n" * (WINDOW_BYTES // 11 - 10_000)
    hits, notes = searched(scanner, before + text + b"\n" + before)
    assert len(hits) == 2
    assert notes == ["gzip in base64 goes on for too long, the end of it was not unpacked"]


def test_each_is_found_once_wherever_windows_meet(scanner: SecretScanner) -> None:
    text = b"\n" + b64(packed(TEXT)) + b"\n"
    for at in range(WINDOW_BYTES - 70_000, WINDOW_BYTES + 200, 9_001):
        hits, notes = searched(scanner, b"w" * at + text + b"v" * 100_000)
        assert ([hit.offset for hit in hits], notes) == ([at + 1] * 2, [])


def test_a_bomb_is_bounded(scanner: SecretScanner) -> None:
    bomb = b64(packed(TEXT + bytes(64 << 20)))
    began = time.process_time()
    hits, notes = searched(scanner, b"x: " + bomb + b"\n")
    assert len(hits) == 2
    assert notes == ["gzip in base64 unpacks to more than 4.19 MB, the rest was not searched"]
    hits, notes = searched(scanner, (b"x: " + bomb[:8000] + b"\n") * 120)
    assert len(hits) == 2 * 4
    assert notes[-1] == "more than 16.8 MB unpack from gzip in base64 close together"
    assert time.process_time() - began < 5


@pytest.mark.parametrize("piece", [b"H4sIAAAAAAAA", b64(packed(b"")) + b" ", b"SDRzSUFB", b"H4sIA\n"])
def test_marks_without_end_cost_little(scanner: SecretScanner, piece: bytes) -> None:
    began = time.process_time()
    searched(scanner, piece * (WINDOW_BYTES // len(piece)))
    assert time.process_time() - began < 5


def test_the_allowance_is_shared() -> None:
    data, notes = (b64(packed(b"a" * 600)) + b"\n") * 3, list[str]()
    hits = [found.span() for found in re.finditer(PACKED_PATTERN, data)]
    runs = list(unpacked_runs(data, hits, Allowance(1000), ended=True, cut=notes.append))
    assert [len(run.data) for run in runs] == [600, 400]
    assert [note.partition(",")[0] for note in notes] == [
        "gzip in base64 unpacks to more than 400 B",
        "more than 16.8 MB unpack from gzip in base64 close together",
    ]
