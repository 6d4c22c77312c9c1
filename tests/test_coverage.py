"""What was not read is told: every entry counted, as many listed as fit."""

from __future__ import annotations

import io
import tracemalloc
from contextlib import closing

from fakes import report
from secretmaker import token_of
from tarmaker import archive, member

from imgscan.coverage import MOST_LISTED, MOST_SKIPPED, LeftOut, count_left_out, is_whole, join_coverage, limit_skipped
from imgscan.detect.secrets.scanner import load_scanner
from imgscan.layers.blob import open_layer
from imgscan.layers.listing import list_layer
from imgscan.layersearch import LayerSearch
from imgscan.model import Coverage, NotRead, Skipped
from imgscan.progress import silent
from imgscan.report import Style, render
from imgscan.workers import Workers


def unread(count: int, *, size: int = 3) -> LeftOut:
    left_out = LeftOut()
    left_out.extend(NotRead(where=f"layer /{number}", bytes=size, reason="damaged") for number in range(count))
    return left_out


def test_a_million_entries_are_counted_and_take_no_room() -> None:
    coverage = unread(1_000_000).coverage(size_bytes=0, entries=1_000_000)
    tracemalloc.start()
    unread(20 * MOST_LISTED)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(coverage.not_read) == MOST_LISTED
    assert len(coverage.not_read) + coverage.not_listed == 1_000_000
    assert coverage.not_listed_bytes == 3 * (1_000_000 - MOST_LISTED)
    assert peak < 1 << 20


def test_parts_are_joined_to_the_last_entry() -> None:
    parts = [unread(count).coverage(size_bytes=10, entries=count) for count in (0, 3, 999, 5000)]
    joined = join_coverage(parts)
    assert (joined.bytes, joined.entries) == (40, 6002)
    assert len(joined.not_read) == MOST_LISTED
    assert count_left_out((), joined) == 6002
    assert sum(item.bytes for item in joined.not_read) + joined.not_listed_bytes == 3 * 6002


def test_whether_anything_was_left_out() -> None:
    assert is_whole(None)
    assert is_whole(Coverage(bytes=1, entries=1))
    assert not is_whole(Coverage(bytes=1, entries=1, not_listed=1))
    assert not is_whole(unread(1).coverage(size_bytes=0, entries=1))


def test_skipped_things_are_limited_and_counted() -> None:
    skipped = [Skipped(where="x", reason="y", count=2) for _ in range(MOST_LISTED + 7)]
    limited = limit_skipped(skipped)
    assert len(limited) == MOST_LISTED + 1
    assert count_left_out(limited, None) == 2 * (MOST_LISTED + 7)
    assert limit_skipped(skipped[:3]) == tuple(skipped[:3])


def test_a_layer_of_broken_entries_is_listed_in_part() -> None:
    tar = archive(*(member(b"d/.wh..") for _ in range(5_000)))
    listing = list_layer(open_layer(io.BytesIO(tar)))
    assert len(listing.skipped) == MOST_SKIPPED + 1
    assert count_left_out(listing.skipped, None) == 5_000


def test_what_a_layer_does_not_have_of_a_file_is_not_counted_as_read() -> None:
    """Cut off in a small file and in one that is searched on its own: path, missing bytes and reason are told."""
    scanner = load_scanner()
    small = archive(member(b"a", b"x" * 5_000), member(b"b", b"y" * 9_000))[:8_192]
    large = (member(b"a", b"x" * 5_000) + member(b"b", b"y" * (1 << 20)))[: 1 << 20]
    for tar, processes in ((small, 0), (small, 2), (large, 0), (large, 2)):
        with closing(Workers(scanner, processes)) as workers:
            search = LayerSearch(workers, scanner, silent(), where="layer")
            listing = list_layer(open_layer(io.BytesIO(tar)), search)
        (item,) = search.not_read.items
        assert (item.where, item.reason) == ("/b", "the layer ends, or is damaged, before the end of the file")
        assert item.bytes == listing.size_bytes - search.read_bytes
        assert 0 < item.bytes < listing.size_bytes


def test_limits_of_the_search_are_told() -> None:
    scanner = load_scanner()
    token = token_of("many").encode()
    specimens = b"".join(b"postgres://user:password%d@localhost/x\n" % number for number in range(6_000))
    documents = {
        "texts of its shape": specimens,
        "beginnings of tokens": b"Z2hwXzA " * 6_000,
        "stretches of base64": (b"Z2hwXzA " * 4_000 + b" " * 4_000) * 3,
        "more than 1000 hits": b"".join(token_of(str(number)).encode() + b"\n" for number in range(1_200)),
    }
    for told, data in documents.items():
        notes: list[str] = []
        scanner.scan_bytes(data + token, path="app/data", note=notes.append)
        assert [note for note in notes if told in note], (told, notes)
        assert len(notes) == len(set(notes)) < 10
    notes = []
    scanner.scan_bytes(specimens[:20_000] + token, path="app/data", note=notes.append)
    assert notes == []


def test_texts_say_how_many_there_are() -> None:
    coverage = unread(5_000, size=1_000).coverage(size_bytes=7, entries=6_000)
    shown = report(coverage=coverage, skipped=(Skipped(where="layer", reason="x", count=3),))
    for style in (Style(), Style(verbose=True)):
        text = render(shown, "table", style)
        assert "5003 things could not be looked at" in text
        assert "not read or not wholly: 5000, 5.00 MB (the first 1000 listed)" in text
        assert "… and 4" in text
    text = render(shown, "markdown")
    assert "5003 not looked at" in text
    assert "4953 more." in text
