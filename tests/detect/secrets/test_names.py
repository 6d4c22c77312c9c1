"""Secrets in names: found, told of the right entry, never put together from two."""

from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from secretmaker import token_of

from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.names import NameSearch
from imgscan.detect.secrets.scanner import SecretScanner

TOKEN, OTHER = token_of("name").encode(), token_of("other").encode()
Names = list[tuple[bytes, tuple[bytes | None, ...], bool]]


def found(scanner: SecretScanner, entries: Names) -> list[tuple[bytes, bytes]]:
    notes: list[str] = []
    names = NameSearch(scanner, notes.append)
    for path, further, is_directory in entries:
        names.add(path, *further, is_directory=is_directory)
    names.finish()
    assert notes == []
    return [(path, hit.secret) for path, hit in names.hits]


def test_names_targets_and_attributes(scanner: SecretScanner) -> None:
    entries: Names = [
        (b"a/" + TOKEN + b".txt", (), False),
        (b"b/link", (b"/run/" + OTHER, None), False),
        (b"c/\xff\n" + TOKEN, (), False),
        (b"d", (None, b"mime\0\ntoken=" + OTHER), False),
        (b"e/plain", (b"target",), False),
    ]
    assert found(scanner, entries) == [
        (entries[0][0], TOKEN),
        (entries[1][0], OTHER),
        (entries[2][0], TOKEN),
        (entries[3][0], OTHER),
    ]


def test_a_folder_is_told_once_not_with_each_of_its_files(scanner: SecretScanner) -> None:
    folder = b"srv/" + TOKEN
    below: Names = [(folder + b"/%d" % number, (), False) for number in range(50)]
    assert found(scanner, [(folder, (), True), *below]) == [(folder, TOKEN)]
    assert found(scanner, below) == [(folder + b"/0", TOKEN)], "an archive need not list its folders"


def test_a_secret_is_not_put_together_from_two_names(scanner: SecretScanner) -> None:
    half = len(TOKEN) // 2
    assert found(scanner, [(TOKEN[:half], (), False), (TOKEN[half:], (), False), (b"x", (TOKEN[:half],), False)]) == []


def test_names_beyond_one_buffer(scanner: SecretScanner) -> None:
    entries: Names = [(b"%06d" % number + b"x" * 90, (), False) for number in range(9_000)]
    entries[7_777] = (b"y/" + TOKEN, (), False)
    assert found(scanner, entries) == [(b"y/" + TOKEN, TOKEN)]


class Keeping:
    """A scanner that keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    def scan_bytes(self, data: bytes, *, path: str, note: object) -> list[SecretHit]:
        self.data += data
        return []


def texts(entries: list[tuple[bytes, bool]]) -> list[bytes]:
    """What of each name the one before it did not have."""
    known, found = b"", []
    for path, is_directory in entries:
        found.append(path.removeprefix(known))
        known = path + b"/" if is_directory else path[: path.rfind(b"/") + 1]
    return found


PARTS = st.sampled_from([b"", b".", b"a", b"b", b"ab"])
PATHS = st.lists(PARTS, max_size=4).map(b"/".join)


@given(st.lists(st.tuples(PATHS, st.booleans()), min_size=1, max_size=12))
def test_of_a_name_what_is_new(entries: list[tuple[bytes, bool]]) -> None:
    scanner = Keeping()
    names = NameSearch(cast("SecretScanner", scanner), print)
    for path, is_directory in entries:
        names.add(path, is_directory=is_directory)
    names.finish()
    assert scanner.data == b"\0\n".join(texts(entries))
