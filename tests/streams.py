"""Streams of builders: recorded from real engines (tests/build/streams), and written by an encoder of our own.

The recordings are of builds of `DOCKERFILE` by Docker 20.10.24 (BuildKit, classic) and Podman 4.3.1: cold, unchanged,
with main.py touched, and of Dockerfiles that fail. Each line is the seconds since the start and the record.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from imgscan.build.lines import BuildSettings
from imgscan.build.steps import StepEvent, StreamParser
from imgscan.build.stream import read_stream

STREAMS = Path(__file__).parent / "build" / "streams"
SETTINGS = BuildSettings(build_args={})
DOCKERFILE = """ARG BASE=imgscan-fixture-busybox:1
FROM ${BASE} AS deps
WORKDIR /app
COPY lock.txt ./
RUN sleep 0.3; cp lock.txt deps.txt; echo installed deps
FROM deps AS build
ARG SHA=none
COPY . .
RUN sleep 0.2; cat main.py > out.txt
FROM ${BASE}
ENV A=b
COPY --from=build /app/out.txt /out.txt
CMD ["cat", "/out.txt"]
"""


def recorded(name: str) -> list[tuple[float, dict[str, Any]]]:
    """The records of a recording with their arrival times."""
    lines = (STREAMS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [(seconds, record) for seconds, record in map(json.loads, lines)]


def replay(name: str, events: list[StepEvent] | None = None) -> StreamParser:
    """The parser of a recording after its end; `events` collects what it told on the way."""
    records = recorded(name)
    times = iter([*(seconds for seconds, _ in records), records[-1][0]])
    return read_stream(
        (record for _, record in records),
        expected=name.partition("-")[0],
        clock=lambda: next(times),
        on_event=(events if events is not None else []).append,
    )


def varint(value: int) -> bytes:
    """A number in the protocol buffers' encoding."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(fields: Iterable[tuple[int, int | str | bytes]]) -> bytes:
    """A message of numbers and strings."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def vertex(
    digest: str,
    name: str,
    *,
    inputs: Iterable[str] = (),
    cached: bool = False,
    start: float | None = None,
    end: float | None = None,
    error: str = "",
) -> bytes:
    """moby.buildkit.v1.Vertex."""
    fields: list[tuple[int, int | str | bytes]] = [(1, digest), *((2, item) for item in inputs), (3, name)]
    if cached:
        fields.append((4, 1))
    fields += [(number, timestamp(value)) for number, value in ((5, start), (6, end)) if value is not None]
    if error:
        fields.append((7, error))
    return message(fields)


def timestamp(seconds: float) -> bytes:
    """google.protobuf.Timestamp."""
    return message([(1, int(seconds)), (2, round((seconds - int(seconds)) * 1e9))])


def log(digest: str, text: str) -> bytes:
    """moby.buildkit.v1.VertexLog."""
    return message([(1, digest), (3, 1), (4, text)])


def trace(
    *, vertices: Iterable[bytes] = (), logs: Iterable[bytes] = (), warnings: Iterable[bytes] = (), extra: bytes = b""
) -> dict[str, Any]:
    """A record with a moby.buildkit.v1.StatusResponse; `extra` are raw bytes behind it."""
    fields = [*((1, item) for item in vertices), *((3, item) for item in logs), *((4, item) for item in warnings)]
    return {"id": "moby.buildkit.trace", "aux": base64.b64encode(message(fields) + extra).decode()}
