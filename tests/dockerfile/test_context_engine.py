"""The archive and the scopes against a real engine: what arrives in an image is what the context says."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from imgscan.dockerfile.context import RESERVED_DOCKERFILE, BuildContext, classic_context, context_tar, read_context
from imgscan.dockerfile.parse import expand, parse, stage_scope
from imgscan.endpoint import find_endpoints

pytestmark = pytest.mark.engine
BUILDKIT, CLASSIC = "2", "1"


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        for endpoint in find_endpoints(None, os.environ, Path.home()):
            path = endpoint.host.removeprefix("unix://")
            if Path(path).exists():
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.connect(path)
                return
        pytest.fail("no engine listens on a socket of this machine")


def call(method: str, path: str, body: Any = None, kind: str = "application/json") -> bytes:
    connection = _Connection("localhost")
    streamed = body is not None and not isinstance(body, str)
    headers = {"Content-Type": kind} | ({"Transfer-Encoding": "chunked"} if streamed else {})
    connection.request(method, path, body=body, headers=headers, encode_chunked=streamed)
    try:
        response = connection.getresponse()
        data = response.read()
        assert response.status < 400, data
        return data
    finally:
        connection.close()


@pytest.fixture
def tag() -> Iterator[str]:
    name = f"imgscan-test-{uuid.uuid4().hex}:x"
    yield name
    if name in str(call("GET", "/images/json?" + urlencode({"filters": json.dumps({"reference": [name]})}))):
        call("DELETE", f"/images/{name}?force=1")


def build(context: BuildContext, tag: str, version: str, extra: dict[str, bytes] | None = None, **query: str) -> str:
    """Build it; gives the engine's words."""
    parameters = {"t": tag, "dockerfile": context.dockerfile, "version": version, **query}
    answer = call("POST", f"/build?{urlencode(parameters)}", context_tar(context, extra), "application/x-tar")
    return answer.decode()


def files_of(tag: str) -> dict[bytes, tarfile.TarInfo]:
    """Everything below /x in the image."""
    container = json.loads(call("POST", "/containers/create", json.dumps({"Image": tag, "Cmd": ["none"]})))["Id"]
    try:
        data = call("GET", f"/containers/{container}/export")
    finally:
        call("DELETE", f"/containers/{container}")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {os.fsencode(member.name): member for member in archive}
    return {name.removeprefix(b"x/"): member for name, member in members.items() if name.startswith(b"x/")}


def write(root: Path, name: bytes, content: bytes = b"") -> None:
    path = Path(os.fsdecode(os.fsencode(root) + b"/" + name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content or name)


NAMES = [
    b"new\nline",
    b"bad\xff\xfe",
    "ünï".encode(),
    b"x" * 100,
    b"y" * 101,
    b"z" * 255,
    b"d" * 120 + b"/" + b"e" * 255,
    b" b ",
]


@pytest.mark.parametrize("version", [pytest.param(BUILDKIT, id="buildkit"), pytest.param(CLASSIC, id="classic")])
def test_every_name_and_kind_arrives(tmp_path: Path, tag: str, version: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /x/\n")
    (tmp_path / ".dockerignore").write_text("*.log\n")
    for name in NAMES:
        write(tmp_path, name)
    write(tmp_path, b"a.log")
    write(tmp_path, b"run")
    (tmp_path / "run").chmod(0o751)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("./no/../" + "t" * 150)
    os.link(tmp_path / "run", tmp_path / "hard")
    os.utime(tmp_path / "run", (0, 1_500_000_000))
    context = read_context(tmp_path)
    assert '"error"' not in build(context, tag, version)
    found = files_of(tag)
    assert set(found) == {os.fsencode(file.path) for file in context.files}
    assert found[b"link"].linkname == "./no/../" + "t" * 150
    assert (oct(found[b"run"].mode & 0o777), found[b"run"].mtime) == ("0o751", 1_500_000_000)
    assert found[b"z" * 255].size == 255
    assert {(member.uid, member.gid) for member in found.values()} == {(0, 0)}


def test_ignored_dockerfile_with_buildkit(tmp_path: Path, tag: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /x/\n")
    (tmp_path / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    write(tmp_path, b"a")
    assert '"error"' not in build(read_context(tmp_path), tag, BUILDKIT)
    assert set(files_of(tag)) == {b"a", RESERVED_DOCKERFILE.encode()}


def test_ignored_dockerfile_cannot_be_copied_by_its_name(tmp_path: Path, tag: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /x/\n")
    (tmp_path / ".dockerignore").write_text("Dockerfile\n")
    assert "Dockerfile" in build(read_context(tmp_path), tag, BUILDKIT).split('"error"')[1]


@pytest.mark.parametrize("ignore", [b"sub\n.dockerignore\n", b"sub\n"])
def test_ignored_dockerfile_with_the_classic_builder(tmp_path: Path, tag: str, ignore: bytes) -> None:
    write(tmp_path, b"sub/Docker[f]ile", b"FROM scratch\nCOPY . /x/\n")
    write(tmp_path, b"a")
    write(tmp_path, b".dockerignore", ignore)
    context, extra = classic_context(read_context(tmp_path, tmp_path / "sub/Docker[f]ile"))
    assert '"error"' not in build(context, tag, CLASSIC, extra)
    files = {name for name, member in files_of(tag).items() if not member.isdir()}
    assert files == {b"a"} | ({b".dockerignore"} if b".dockerignore" not in ignore else set())


def test_dockerfile_outside(tmp_path: Path, tag: str) -> None:
    write(tmp_path, b"context/a")
    write(tmp_path, b"my.Dockerfile", b"FROM scratch\nCOPY a /x/\n")
    context = read_context(tmp_path / "context", tmp_path / "my.Dockerfile")
    assert '"error"' not in build(context, tag, BUILDKIT)
    assert set(files_of(tag)) == {b"a"}


def test_context_with_long_names_only(tmp_path: Path, tag: str) -> None:
    folder = b"n" * 150
    write(tmp_path, folder + b"/Dockerfile", b"FROM scratch\nCOPY . /x/\n")
    context = read_context(tmp_path, tmp_path / os.fsdecode(folder) / "Dockerfile")
    assert '"error"' not in build(context, tag, BUILDKIT)
    assert set(files_of(tag)) == {folder, folder + b"/Dockerfile"}


def test_replaced_and_added_members(tmp_path: Path, tag: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY a b/c /x/\n")
    write(tmp_path, b"a", b"old")
    assert '"error"' not in build(read_context(tmp_path), tag, BUILDKIT, {"a": b"newer", "b/c": b"added"})
    assert {name: member.size for name, member in files_of(tag).items()} == {b"a": 5, b"c": 5}


SCOPES = """\
ARG GLOBAL=global
ARG ONLY_GLOBAL=1
FROM scratch AS parent
ARG FROM_PARENT=p
ENV ENV_OF_PARENT=$FROM_PARENT
ARG UNSET
FROM parent
ARG GLOBAL
ARG GIVEN=default
ENV GIVEN_TOO=env
ARG GIVEN_TOO
ARG LATER=1
ENV LATER=2
ENV AGAIN=1
ARG AGAIN=2
ENV SAME=1
ENV SAME=2 SEES=$SAME
ENV QUOTED='$SAME' ESCAPED=\\$SAME IN_QUOTES="$SAME \\"x\\" \\n" LEGACY=none
ENV LEGACY a  "b c"  $SAME
ARG TARGETOS
"""
WORDS = [
    "GLOBAL",
    "ONLY_GLOBAL",
    "FROM_PARENT",
    "ENV_OF_PARENT",
    "UNSET",
    "GIVEN",
    "GIVEN_TOO",
    "LATER",
    "AGAIN",
    "SAME",
]
WORDS = [
    f"${{{name}:-unset}}"
    for name in [*WORDS, "SEES", "QUOTED", "ESCAPED", "IN_QUOTES", "LEGACY", "TARGETOS", "BUILDOS"]
]
WORDS += [
    "$SAME$GLOBAL",
    "a${NONE:-${SAME}}b",
    "'$SAME'",
    '"$SAME"',
    "\\$SAME",
    "$SAME_",
    "${NONE:+x}${SAME:+y}",
    "$1x",
    "$$SAME",
    "a\\ b",
]


def test_scopes_are_those_of_a_build(tmp_path: Path, tag: str) -> None:
    text = SCOPES + "".join(f"LABEL l{number}={word}\n" for number, word in enumerate(WORDS))
    (tmp_path / "Dockerfile").write_text(text)
    build_args = {"GIVEN": "given $x", "GIVEN_TOO": "given", "NONE_DECLARES_THIS": "1"}
    answer = build(read_context(tmp_path), tag, BUILDKIT, buildargs=json.dumps(build_args))
    assert '"error"' not in answer
    labels = json.loads(call("GET", f"/images/{tag}/json"))["Config"]["Labels"]
    parsed = parse(text)
    scope = stage_scope(parsed, parsed.stages[-1], build_args)
    assert {word: expand(word, scope) for word in WORDS} == {word: labels[f"l{n}"] for n, word in enumerate(WORDS)}
