"""The matchers find the same in any text, at any window edge, in any number of processes; and hostile texts cost what
their length costs."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from imgscan.detect.secrets.confirm import MOST_MATCHES
from imgscan.detect.secrets.examples import assemble, examples_of, near_misses_of
from imgscan.detect.secrets.rules import own_pack
from imgscan.detect.secrets.scanner import OVERLAP, SecretHit, SecretScanner
from imgscan.detect.secrets.windows import WINDOW_BYTES
from imgscan.workers import FileJob, Workers

TEXTS = [text for rule in own_pack().rules for text in (*examples_of(rule), *near_misses_of(rule))]
PATHS = ("app/.env", "app/config.json", "app/tests/x.py", "usr/lib/x.so", "app/node_modules/x/i.js", "home/.npmrc")

Facts = tuple[str, int, int, str, str, str, str, str, bytes]


def facts(hit: SecretHit) -> Facts:
    """All of a hit."""
    return (
        hit.rule.id, hit.offset, hit.line, hit.severity, hit.confidence, hit.validity, hit.context, hit.mark, hit.secret,
    )  # fmt: skip


def mangled(text: bytes, how: int) -> bytes:
    """A text as other files hold it."""
    match how:
        case 1:
            return base64.b64encode(text)
        case 2:
            return text.decode("latin-1").encode("utf-16-le")
        case 3:
            return text.replace(b"\n", b"\\n")
        case 4:
            return text[: len(text) // 2] + text
        case 5:
            return b"# imgscan:ignore\n" + text
        case _:
            return text


pieces = st.one_of(
    st.builds(mangled, st.sampled_from(TEXTS), st.integers(0, 5)),
    st.binary(max_size=40),
    st.sampled_from([b"\n", b"\n\n", b" ", b'"', b"'", b"=", b": ", b"\0", b"://", b"@", b"password=", b"A" * 300]),
    st.text(max_size=20).map(str.encode),
)
documents = st.lists(pieces, max_size=12).map(b"".join)


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=documents, path=st.sampled_from(PATHS), literal=st.booleans())
@example(data=b"password=\0\0\x0b\0", path="app/.env", literal=False)
def test_both_matchers_find_the_same_in_any_text(
    scanner: SecretScanner, slow_scanner: SecretScanner, data: bytes, path: str, literal: bool
) -> None:
    told: list[list[str]] = [[], []]
    found = [
        [facts(hit) for hit in each.scan_bytes(data, path=path, literal=literal, note=notes.append)]
        for each, notes in zip((scanner, slow_scanner), told, strict=True)
    ]
    assert found[0] == found[1]
    assert told[0] == told[1]


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(documents=st.lists(documents, min_size=1, max_size=20), path=st.sampled_from(PATHS))
def test_any_number_of_processes_finds_the_same(
    searching: dict[str, Workers], documents: list[bytes], path: str
) -> None:
    jobs, at = [], 0
    for number, data in enumerate(documents):
        jobs.append(FileJob(path=f"{number}/{path}".encode(), size=len(data), start=at))
        at += len(data)
    found = {}
    for name, workers in searching.items():
        workers.write(0, 0, b"".join(documents))
        searched = workers.search_slot(0, jobs).result()
        held = [(number, [facts(hit) for hit in item.hits], item.notes) for number, item in searched.found]
        found[name] = searched.digests, held
    first, *others = found.values()
    assert all(other == first for other in others), list(found)


@pytest.fixture(scope="module")
def searching(scanner: SecretScanner, slow_scanner: SecretScanner) -> Iterator[dict[str, Workers]]:
    """Every matcher, alone and in two processes."""
    made = {
        f"{each.matcher_name} {count}": Workers(each, count)
        for each, count in itertools.product((scanner, slow_scanner), (0, 2))
    }
    yield made
    for workers in made.values():
        workers.close()


EDGES = tuple(sorted({WINDOW_BYTES - OVERLAP, WINDOW_BYTES, 2 * (WINDOW_BYTES - OVERLAP)}))


@pytest.mark.parametrize("edge", EDGES)
def test_every_planted_offset_around_every_window_edge_is_found(
    scanner: SecretScanner, slow_scanner: SecretScanner, token: bytes, edge: int
) -> None:
    """The token is moved byte by byte, so that the edge lies before, in and behind it, with either matcher."""
    filler = b"a line of a log\n"
    lines = filler * ((edge + OVERLAP) // len(filler) + 200)
    for each, step in ((scanner, 1), (slow_scanner, 7)):
        for at in range(edge - len(token) - 2, edge + 3, step):
            data = lines[:at] + b"\n" + token + b"\n" + lines[at:]
            found = [(hit.rule.id, hit.offset, hit.secret) for hit in each.scan_bytes(data, path="app/log")]
            assert found == [("secret-github-token", at + 1, token)], (each.matcher_name, at - edge)


@pytest.mark.parametrize("edge", EDGES)
def test_every_kind_of_secret_is_found_over_a_window_edge(scanner: SecretScanner, edge: int) -> None:
    """The edge in the middle of each rule's example: the same hits as in a file that fits a window."""
    filler = b"a line of a log\n" * (edge // 16 + 1)
    for rule in own_pack().rules:
        for text in examples_of(rule)[:1]:
            path = "app/large.bin"
            alone = [hit.secret for hit in scanner.scan_bytes(b"\n" + text + b"\n" + b"." * 99, path=path)]
            before = filler[: edge - len(text) // 2 - 1]
            found = scanner.scan_bytes(before + b"\n" + text + b"\n" + b"a line\n" * 20_000, path=path)
            assert [hit.secret for hit in found] == alone, rule.id


def tokens(count: int) -> bytes:
    """So many different tokens, whose checksums do not fit."""
    digests = (hashlib.sha256(b"%d" % number).hexdigest()[:36] for number in range(count))
    return b"".join(b"gh" + b"p_" + digest.encode() + b"\n" for digest in digests)


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "one-line": lambda size: b"a" * size,
    "one-line-of-words": lambda size: (b"const a=1;b.c(" * (size // 14 + 1))[:size],
    "one-line-of-prefixes": lambda size: (b"gh" + b"p_ AK" + b"IA sk-") * (size // 13),
    "one-line-of-openings": lambda size: (b"-----BEGIN RSA PRIVATE " + b"KEY-----") * (size // 31),
    "one-line-of-assignments": lambda size: b"password=" * (size // 9),
    "one-line-of-base64": lambda size: b"Z2hwX0" * (size // 6),
    "marks": lambda size: b"imgscan:ignore=a*b*c*d* " * (size // 24),
    "tokens": lambda size: tokens(size // 41),
    "tokens-in-one-line": lambda size: tokens(size // 41).replace(b"\n", b" "),
    "tokens-with-marks": lambda size: tokens(size // 58).replace(b"\n", b" imgscan:ignore \n"),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_text_of_four_times_the_length_costs_about_four_times_as_much(
    scanner: SecretScanner, slow_scanner: SecretScanner, make: Callable[[int], bytes]
) -> None:
    """5 MB beside 1.25 MB; the cap is far above what noise can do and far below a quadratic cost."""
    for each in (scanner, slow_scanner):
        took = []
        for size in (1_250_000, 5_000_000):
            data = make(size)
            each.scan_bytes(data[:1000], path="app/x.js")
            started = time.process_time()
            each.scan_bytes(data, path="app/x.js")
            took.append(time.process_time() - started)
        assert took[1] < max(12 * took[0], 5), each.matcher_name


def test_a_million_hits_take_the_room_of_a_thousand(scanner: SecretScanner) -> None:
    """Memory is measured on a tenth of them, since to trace it costs ten times the scan."""
    million = tokens(50_000) * 20
    notes: list[str] = []
    hits = scanner.scan_bytes(million, path="app/dump", note=notes.append)
    assert MOST_MATCHES <= len(hits) <= 40 * MOST_MATCHES
    assert any("secret-github-token" in note for note in notes)
    part = io.BytesIO(million[: len(million) // 10])
    tracemalloc.start()
    scanner.scan(part.read, path="app/dump", size=None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 << 20


def test_a_key_at_the_end_of_a_line_of_five_megabytes_is_found(
    scanner: SecretScanner, slow_scanner: SecretScanner
) -> None:
    key = assemble([{"pem": "EC PRIVATE KEY", "escaped": True}], "line")
    data = b'{"a":"' + b"b" * 5_000_000 + b'","key":"' + key + b'"}'
    for each in (scanner, slow_scanner):
        (hit,) = each.scan_bytes(data, path="app/bundle.min.js")
        assert (hit.rule.id, hit.secret, hit.line) == ("secret-private-key", key, 1)
