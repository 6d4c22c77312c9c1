"""The build request on its own connection: refusals, breaks, cancelling."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon import Handler, Server, serve

from imgscan.build.wire import RefusedBuild, decode_line
from imgscan.engine import Engine
from imgscan.errors import EngineError

PARAMS = {"t": "imgscan-x:1", "buildid": "b1"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path) as running:
        yield running


@pytest.fixture
def engine(server: Server) -> Iterator[Engine]:
    with Engine.connect(server.host) as connected:
        yield connected


def pieces(count: int = 3, size: int = 10) -> Iterator[bytes]:
    return iter([b"x" * size] * count)


def test_the_body_arrives_and_records_come_back(server: Server, engine: Engine) -> None:
    got: list[object] = []

    def build(handler: Handler) -> None:
        got.extend([handler.read_body(), handler.query, handler.headers["Content-Type"], handler.headers["X-More"]])
        handler.start_stream()
        handler.chunk(b'{"stream":"a"}\r\n{"str')
        handler.chunk(b'eam":"b"}{"stream":"c"}\n')
        handler.chunk(b'{"stream":"d"}')
        handler.chunk(b"")

    server.answers["POST /build"] = build
    records = list(engine.build(iter([b"ab", b"", b"c" * 600_000]), PARAMS, {"X-More": "1"}))
    assert [record["stream"] for record in records] == ["a", "b", "c", "d"]
    assert got == [b"ab" + b"c" * 600_000, PARAMS, "application/x-tar", "1"]
    assert "POST /build/cancel" not in server.requests


def test_a_refusal_is_told_in_the_engine_s_words_even_before_the_body_is_read(server: Server, engine: Engine) -> None:
    def build(handler: Handler) -> None:
        handler.say({"message": "exporter could not be found"}, status=400)
        handler.close_connection = True

    server.answers["POST /build"] = build
    with pytest.raises(RefusedBuild, match="HTTP 400") as caught:
        engine.build(pieces(200, 1_000_000), PARAMS)
    assert caught.value.cause == "exporter could not be found"


def test_a_refusal_that_is_no_json(server: Server, engine: Engine) -> None:
    def build(handler: Handler) -> None:
        handler.read_body()
        handler.send_response(502)
        handler.send_header("Content-Length", "3")
        handler.end_headers()
        handler.wfile.write(b"bad")

    server.answers["POST /build"] = build
    with pytest.raises(RefusedBuild) as caught:
        engine.build(pieces(), PARAMS)
    assert caught.value.cause == "bad"


@pytest.mark.parametrize(
    "ending", [b"", b"5", b"ff\r\n{", b"zz\r\n"], ids=["nothing", "half-a-size", "half-a-chunk", "no-size"]
)
def test_an_engine_that_goes_away_half_way(server: Server, engine: Engine, ending: bytes) -> None:
    def build(handler: Handler) -> None:
        handler.read_body()
        handler.start_stream()
        handler.chunk(b'{"stream":"a"}\n')
        handler.wfile.write(ending)
        handler.close_connection = True

    server.answers["POST /build"] = build
    stream = engine.build(pieces(), PARAMS)
    assert next(stream) == {"stream": "a"}
    with pytest.raises(EngineError, match="went away while building"):
        next(stream)


def test_an_engine_that_goes_away_before_it_answers(server: Server, engine: Engine) -> None:
    def build(handler: Handler) -> None:
        handler.read_body()
        handler.close_connection = True

    server.answers["POST /build"] = build
    with pytest.raises(EngineError, match="went away"):
        engine.build(pieces(), PARAMS)


def hang(handler: Handler) -> None:
    """A build that says one thing and then runs until the client goes away."""
    handler.read_body()
    handler.start_stream()
    handler.chunk(b'{"stream":"a"}\n')
    handler.rfile.read(1)
    handler.server.requests.append("the client went away")


def wait_for(server: Server, request: str) -> bool:
    deadline = time.monotonic() + 5
    while request not in server.requests and time.monotonic() < deadline:
        time.sleep(0.01)
    return request in server.requests


def test_closing_cancels(server: Server, engine: Engine) -> None:
    server.answers["POST /build"] = hang
    server.says("POST /build/cancel", None)
    stream = engine.build(pieces(), PARAMS)
    next(stream)
    stream.close()
    stream.close()
    assert wait_for(server, "the client went away")
    assert server.requests.count("POST /build/cancel") == 1
    assert list(stream) == []


def test_closing_from_another_thread_ends_the_reading(server: Server, engine: Engine) -> None:
    server.answers["POST /build"] = hang
    stream = engine.build(pieces(), PARAMS)
    next(stream)
    threading.Timer(0.1, stream.close).start()
    assert list(stream) == []


def test_an_interrupt_while_sending_closes_the_connection(server: Server, engine: Engine) -> None:
    def build(handler: Handler) -> None:
        handler.rfile.read()
        handler.server.requests.append("the client went away")

    def body() -> Iterator[bytes]:
        yield b"x" * 400_000
        raise KeyboardInterrupt

    server.answers["POST /build"] = build
    with pytest.raises(KeyboardInterrupt):
        engine.build(body(), PARAMS)
    assert wait_for(server, "the client went away")


@pytest.mark.parametrize(
    ("line", "records"),
    [
        pytest.param(b'{"a":1}', [{"a": 1}], id="one"),
        pytest.param(b' {"a":1} {"b":2}\r', [{"a": 1}, {"b": 2}], id="two-in-a-line"),
        pytest.param(b"", [], id="empty"),
        pytest.param(b"[1] 2", [], id="not-objects"),
        pytest.param(b'{"a":1}oops', [{"a": 1}, {"id": "imgscan.undecodable", "text": "oops"}], id="broken-end"),
        pytest.param(b"\xff", [{"id": "imgscan.undecodable", "text": "\ufffd"}], id="not-utf-8"),
        pytest.param(b"[" * 100_000, None, id="deep"),
    ],
)
def test_decode_line(line: bytes, records: list[object] | None) -> None:
    decoded = list(decode_line(line))
    if records is None:
        assert [record["id"] for record in decoded] == ["imgscan.undecodable"]
    else:
        assert decoded == records
