"""Layers as streams: resumed where the connection was cut, and never taken for whole when they are not."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webserver import Asked, Reply, Server, serving

from imgscan.errors import EngineError, ImgscanError, InputError
from imgscan.source.backoff import Effects
from imgscan.source.credentials import Login
from imgscan.source.reference import parse_reference
from imgscan.source.registryblob import PROGRESS_BYTES, BlobStream
from imgscan.source.registryclient import RegistryClient
from imgscan.source.registryhttp import Transport

DATA = random.Random(5).randbytes(3 * PROGRESS_BYTES + 1234)
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()


class Blob:
    """A registry with one blob, of which each answer gives `give` bytes at most before the connection closes."""

    def __init__(self, data: bytes = DATA, *, ranges: bool = True, give: int | None = None) -> None:
        self.data = data
        self.ranges = ranges
        self.give = give
        self.asked_from: list[int] = []

    def respond(self, asked: Asked) -> Reply:
        if asked.path == "/v2/":
            return Reply()
        match = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
        self.asked_from.append(int(match[1]) if match else 0)
        start = int(match[1]) if match and self.ranges else 0
        body = self.data[start:]
        sent = body if self.give is None else body[: self.give]
        headers = {"Content-Range": f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"} if start else {}
        return Reply(status=206 if start else 200, headers=headers, body=sent, length=len(body))


@contextmanager
def stream(
    respond: Callable[[Asked], Reply], *, digest: str = DIGEST, size: int = len(DATA), effects: Effects | None = None
) -> Iterator[tuple[BlobStream, list[str], Server]]:
    transport = Transport()
    notes: list[str] = []
    with serving(respond) as server:
        reference = parse_reference(f"{server.host}/app:1")
        quick = effects or Effects(sleep=lambda _: None)
        client = RegistryClient(reference, Login(), transport, insecure=False, effects=quick)
        opened = BlobStream(client, digest, size, where="the layer", note=notes.append)
        try:
            yield opened, notes, server
        finally:
            opened.close()
            transport.close()


def whole(opened: BlobStream, size: int = 1 << 18) -> bytes:
    return b"".join(iter(lambda: opened.read(size), b""))


def test_nothing_is_asked_before_the_first_read() -> None:
    blob = Blob()
    with stream(blob.respond) as (opened, notes, _):
        assert blob.asked_from == []
        assert whole(opened) == DATA
        assert opened.read(10) == b""
    assert (blob.asked_from, notes) == ([0], [])


@pytest.mark.parametrize("size", [1 << 10, 1 << 18, 1 << 24])
def test_reads_are_never_larger_than_asked(size: int) -> None:
    with stream(Blob().respond) as (opened, _, _):
        parts = list(iter(lambda: opened.read(size), b""))
    assert max(map(len, parts)) <= size
    assert b"".join(parts) == DATA


@pytest.mark.parametrize("ranges", [True, False], ids=["206", "200-instead"])
def test_a_cut_connection_is_resumed(ranges: bool) -> None:
    blob = Blob(give=PROGRESS_BYTES + 1000 if ranges else None, ranges=ranges)
    if not ranges:
        gifts = iter([PROGRESS_BYTES, 2 * PROGRESS_BYTES, None])
        answer = blob.respond

        def respond(asked: Asked) -> Reply:
            blob.give = next(gifts) if asked.path != "/v2/" else None
            return answer(asked)
    else:
        respond = blob.respond
    with stream(respond) as (opened, notes, _):
        assert whole(opened) == DATA
    assert blob.asked_from[:2] == [0, PROGRESS_BYTES + 1000 if ranges else PROGRESS_BYTES]
    assert len(blob.asked_from) == 3
    assert notes == []


def test_a_range_that_is_another_one_starts_over() -> None:
    blob = Blob(give=PROGRESS_BYTES)

    def respond(asked: Asked) -> Reply:
        reply = blob.respond(asked)
        if reply.status == 206:
            return Reply(status=206, body=b"x" * 100, headers={"Content-Range": f"bytes 0-99/{len(DATA)}"})
        if blob.asked_from.count(0) > 1:
            return Reply(body=DATA)
        return reply

    with stream(respond) as (opened, notes, _):
        assert whole(opened) == DATA
    assert blob.asked_from == [0, PROGRESS_BYTES, 0]
    assert notes == []


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(Reply(status=416), id="416"),
        pytest.param(Reply(status=206, body=b"x"), id="no-content-range"),
        pytest.param(Reply(status=206, body=b"x", headers={"Content-Range": "lines 1-2/3"}), id="other-unit"),
    ],
)
def test_a_server_without_ranges(bad: Reply) -> None:
    blob = Blob(give=PROGRESS_BYTES)

    def respond(asked: Asked) -> Reply:
        if "range" in asked.headers:
            return bad
        blob.give = None if blob.asked_from else PROGRESS_BYTES
        return blob.respond(asked)

    with stream(respond) as (opened, notes, _):
        assert whole(opened) == DATA
    assert notes == []


@pytest.mark.parametrize("give", [0, 1, 1000, PROGRESS_BYTES // 8])
def test_a_connection_that_is_cut_again_and_again_gives_up(give: int) -> None:
    """Also where each one brings a few bytes: a hostile server could go on like that for ever."""
    blob = Blob(give=give)
    with stream(blob.respond) as (opened, _, server), pytest.raises(EngineError) as caught:
        whole(opened)
    assert caught.value.exit_code == 3
    assert f"{server.host} could not be read while reading the layer" in caught.value.what
    assert "closed the connection" in caught.value.cause
    assert len(blob.asked_from) == 6


@pytest.mark.parametrize(
    ("sent", "stated", "size"),
    [
        pytest.param(DATA[:-10], None, len(DATA), id="shorter"),
        pytest.param(DATA + b"more", None, len(DATA), id="longer"),
        pytest.param(DATA + b"more", -1, len(DATA), id="longer-without-length"),
        pytest.param(b"", None, len(DATA), id="empty"),
        pytest.param(b"x", None, 0, id="more-than-nothing"),
    ],
)
def test_a_length_that_is_another_one_is_noted(sent: bytes, stated: int | None, size: int) -> None:
    respond = lambda asked: Reply(body=sent, length=stated)  # noqa: E731
    with stream(respond, size=size) as (opened, notes, _):
        assert whole(opened) == sent[:size]
    if size:
        (note,) = notes
        assert "bytes that the manifest says" in note


def test_a_body_without_length_that_ends_early_is_cut() -> None:
    with stream(lambda asked: Reply(body=DATA[:-10], length=-1)) as (opened, _, _), pytest.raises(EngineError):
        whole(opened)


def test_a_body_without_length_that_is_whole() -> None:
    with stream(lambda asked: Reply(body=DATA, length=-1)) as (opened, notes, _):
        assert whole(opened) == DATA
    assert notes == []


def test_an_endless_layer_ends_where_it_should() -> None:
    sent = itertools.count()
    body = (b"\0" * 65536 for _ in sent)
    with stream(lambda asked: Reply(body=body if asked.path != "/v2/" else b"")) as (opened, notes, _):
        assert len(whole(opened)) == len(DATA)
    assert len(notes) == 1


def test_an_empty_layer() -> None:
    with stream(Blob(b"").respond, size=0, digest="sha256:" + hashlib.sha256(b"").hexdigest()) as (opened, notes, _):
        assert whole(opened) == b""
    assert notes == []


@pytest.mark.parametrize(("data", "count"), [(DATA, 0), (DATA[:-1] + b"?", 1)], ids=["right", "wrong"])
def test_other_digests_than_sha256_are_checked_here(data: bytes, count: int) -> None:
    digest = "sha512:" + hashlib.sha512(DATA).hexdigest()
    with stream(Blob(data, give=PROGRESS_BYTES).respond, digest=digest) as (opened, notes, _):
        whole(opened)
    assert len(notes) == count


def test_a_blob_that_is_not_there() -> None:
    with stream(lambda asked: Reply(status=404)) as (opened, _, _):
        with pytest.raises(InputError, match="does not have the layer"):
            opened.read(10)
        assert opened.read(10) == b""


def test_a_layer_that_trickles_is_cut_and_given_up() -> None:
    seconds = itertools.count(step=40)
    effects = Effects(sleep=lambda _: None, clock=lambda: float(next(seconds)))
    respond = lambda asked: Reply(body=(bytes([n]) for n in range(200)), length=len(DATA))  # noqa: E731
    with stream(respond, effects=effects) as (opened, _, _), pytest.raises(EngineError) as caught:
        whole(opened, size=1)
    assert "bytes in 80 s" in caught.value.cause


def test_waiting_for_the_reader_is_no_trickle() -> None:
    """The clock runs while the scan works on what it has; only the time spent on the connection counts."""
    now = [0.0]
    with stream(Blob().respond, effects=Effects(sleep=lambda _: None, clock=lambda: now[0])) as (opened, notes, _):
        parts = []
        while part := opened.read(1000):
            parts.append(part)
            now[0] += 500.0
    assert b"".join(parts) == DATA
    assert notes == []


def test_a_token_that_expires_in_the_middle_of_a_layer() -> None:
    blob = Blob(give=PROGRESS_BYTES + 10)
    given: list[str] = []
    valid: set[str] = set()

    def respond(asked: Asked) -> Reply:
        if asked.path == "/token":
            given.append(f"t{len(given)}")
            valid.add(given[-1])
            return Reply(body=b'{"token": "%s"}' % given[-1].encode())
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if asked.path == "/v2/" or token not in valid:
            realm = f"http://{asked.headers['host']}/token"
            return Reply(status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})
        # Good for one answer only.
        valid.discard(token)
        return blob.respond(asked)

    with stream(respond) as (opened, notes, _):
        assert whole(opened) == DATA
    assert given == ["t0", "t1", "t2", "t3"]
    assert notes == []


@pytest.mark.parametrize(
    ("status", "asked", "least_s"),
    [(429, "7", 7.0), (503, "3", 3.0), (503, "", 0.0), (500, "", 0.0)],
    ids=["429", "503", "503-without-a-word", "500"],
)
def test_a_registry_that_is_busy_in_the_middle_of_a_layer(status: int, asked: str, least_s: float) -> None:
    """It is left in peace for as long as it says, and then asked for the rest alone."""
    blob = Blob(give=PROGRESS_BYTES)
    busy = itertools.cycle([False, True, True])
    slept: list[float] = []

    def respond(request: Asked) -> Reply:
        if request.path != "/v2/" and next(busy):
            return Reply(status=status, headers={"Retry-After": asked} if asked else {})
        return blob.respond(request)

    with stream(respond, effects=Effects(sleep=slept.append)) as (opened, notes, _):
        assert whole(opened) == DATA
    assert blob.asked_from == [0, PROGRESS_BYTES, 2 * PROGRESS_BYTES, 3 * PROGRESS_BYTES]
    assert notes == []
    # Each time after a cut, and after each of the two refusals.
    assert len(slept) == 9
    assert sum(pause >= max(least_s, 0.01) for pause in slept) >= 6


def test_a_registry_that_asks_for_too_much_patience() -> None:
    blob = Blob(give=PROGRESS_BYTES)

    def respond(request: Asked) -> Reply:
        if request.path != "/v2/" and blob.asked_from:
            return Reply(status=429, headers={"Retry-After": "3600"})
        return blob.respond(request)

    with stream(respond) as (opened, _, _), pytest.raises(EngineError) as caught:
        whole(opened)
    assert "3,600 s" in caught.value.next_step


def test_close_breaks_off() -> None:
    with stream(Blob().respond) as (opened, _, _):
        opened.read(10)
        opened.close()
        assert opened.read(10) == b""


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.booleans(), st.integers(1, 50))
def test_wherever_it_is_cut_it_is_the_same_or_an_error(cuts: list[int], ranges: bool, size: int) -> None:
    data = DATA[:60]
    left = list(cuts)
    blob = Blob(data, ranges=ranges)

    def respond(asked: Asked) -> Reply:
        if asked.path != "/v2/":
            blob.give = left.pop(0) if left else None
        return blob.respond(asked)

    with stream(respond, size=len(data)) as (opened, notes, _):
        try:
            got = whole(opened, size)
        except ImgscanError:
            assert len(cuts) >= 6
            return
    assert (got, notes) == (data, [])
