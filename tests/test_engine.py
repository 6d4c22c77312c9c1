"""The engine's edge: records out, and only two kinds of error."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon import INFO, VERSION, Server, serve

from imgscan import engine as engine_module
from imgscan.engine import Engine
from imgscan.enginerecords import EngineInfo, read_info, read_time, short_tag
from imgscan.errors import EngineError, InputError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path) as running:
        yield running


@pytest.fixture
def engine(server: Server) -> Iterator[Engine]:
    with Engine.connect(server.host) as connected:
        yield connected


def test_connect_reads_the_version(engine: Engine) -> None:
    assert engine.info == EngineInfo(
        kind="docker",
        version="20.10.24",
        api_version="1.41",
        store="overlay2",
        cpus=2,
        platform="linux/amd64",
        root_dir="/var/lib/docker",
    )


@pytest.mark.parametrize(
    ("version", "info", "kind", "store"),
    [
        pytest.param({}, {}, "docker", "unknown", id="says-nothing"),
        pytest.param({"Components": [{"Name": "Podman Engine"}]}, {"Driver": "vfs"}, "podman", "vfs", id="podman"),
        pytest.param(
            {"Components": None},
            {"Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"], ["odd"]]},
            "docker",
            "containerd:overlayfs",
            id="containerd",
        ),
    ],
)
def test_kinds_of_engines(version: dict[str, Any], info: dict[str, Any], kind: str, store: str) -> None:
    found = read_info(version, info)
    assert (found.kind, found.store) == (kind, store)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no container engine answers") as caught:
        Engine.connect(f"unix://{tmp_path}/gone.sock")
    assert "no such file" in caught.value.cause
    assert caught.value.next_step


def test_every_place_that_was_tried_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("imgscan.endpoint._sockets", lambda environment, home: [(tmp_path / "x.sock", "Docker")] * 2)
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/p.sock")
    with pytest.raises(EngineError) as caught:
        Engine.connect()
    assert "x.sock (not there)" in caught.value.cause
    assert "p.sock (not there)" in caught.value.cause


def test_a_server_that_is_no_engine(server: Server) -> None:
    server.says("GET /version", {"message": "nope"}, status=500)
    with pytest.raises(EngineError):
        Engine.connect(server.host)


def test_bad_hosts_are_told(tmp_path: Path) -> None:
    for host in ("bogus://x", "tcp://", "unix://" + "x" * 300, "tcp://127.0.0.1:1"):
        with pytest.raises(EngineError):
            Engine.connect(host)


def test_images(server: Server, engine: Engine) -> None:
    server.says(
        "GET /images/json",
        [
            {"Id": "sha256:1", "ParentId": "sha256:0", "RepoTags": ["imgscan-a:1", "x:1"]},
            {"Id": "sha256:2", "RepoTags": ["<none>:<none>"]},
            {"Id": "sha256:3", "RepoTags": None},
            {"Id": "sha256:4", "RepoTags": ["localhost/imgscan-a:2", "docker.io/library/imgscan-a:3"]},
        ],
    )
    assert engine.image_ids() == {"sha256:1", "sha256:2", "sha256:3", "sha256:4"}
    assert engine.tags("imgscan-a:") == {
        "imgscan-a:1": "sha256:1",
        "localhost/imgscan-a:2": "sha256:4",
        "docker.io/library/imgscan-a:3": "sha256:4",
    }
    assert [(image.parent, image.tags) for image in engine.images()][:2] == [
        ("sha256:0", ("imgscan-a:1", "x:1")),
        ("", ()),
    ]


def test_an_image_that_is_not_there_is_the_user_s_mistake(engine: Engine) -> None:
    with pytest.raises(InputError, match="no image gone:1"):
        engine.inspect_image("gone:1")
    with pytest.raises(InputError, match=r"no image \\x1b\[31m"):
        engine.history("\x1b[31m")


@pytest.mark.parametrize(("status", "removed"), [(200, True), (404, False), (409, False)])
def test_remove_image(server: Server, engine: Engine, status: int, removed: bool) -> None:
    server.says("DELETE /images/x:1", [] if status == 200 else {"message": "no"}, status=status)
    assert engine.remove_image("x:1") is removed


def test_remove_image_that_the_engine_cannot(server: Server, engine: Engine) -> None:
    server.says("DELETE /images/x:1", {"message": "disk on fire"}, status=500)
    with pytest.raises(EngineError, match="removing x:1") as caught:
        engine.remove_image("x:1")
    assert caught.value.cause == "disk on fire"


@pytest.mark.parametrize("status", [204, 404, 409])
def test_remove_container(server: Server, engine: Engine, status: int) -> None:
    server.says("DELETE /containers/abc", {"message": "x"}, status=status)
    engine.remove_container("abc")
    assert server.requests[-1] == "DELETE /containers/abc"


def test_cache_records_are_asked_for_again_when_the_engine_is_busy(server: Server, engine: Engine) -> None:
    answers: list[tuple[Any, int]] = [
        ({"message": "a disk usage operation is already running"}, 500),
        ({"BuildCache": [{"ID": "a1", "Type": "regular", "Size": 5, "CreatedAt": "2026-01-02T03:04:05.5Z"}]}, 200),
    ]
    server.answers["GET /system/df"] = lambda handler: handler.say(*answers.pop(0))
    (record,) = engine.cache_records()
    assert (record.id, record.kind, record.size_bytes, record.in_use) == ("a1", "regular", 5, False)
    assert record.created_s == 1767323045.5


def test_no_build_cache(server: Server, engine: Engine) -> None:
    server.says("GET /system/df", {"BuildCache": None})
    assert engine.cache_records() == ()


def test_only_records_that_are_named_are_pruned(server: Server, engine: Engine) -> None:
    seen: list[dict[str, str]] = []

    def prune(handler: Any) -> None:
        seen.append(handler.query)
        handler.say({"SpaceReclaimed": 7})

    server.answers["POST /build/prune"] = prune
    assert engine.prune_cache_records(["abcdefgh123", "abcdefgh456"]) == 7
    assert seen == [{"all": "1", "filters": '{"id": ["^(abcdefgh123|abcdefgh456)$"]}'}]
    assert engine.prune_cache_records([]) == 0
    assert len(seen) == 1
    assert engine.prune_cache_records([f"abcdefgh{n}" for n in range(500)]) == 7 * 3
    assert len(seen) == 4
    for record_id in ("", ".*", "a|b", "abcdefgh1.*"):
        with pytest.raises(ValueError, match="not the id"):
            engine.prune_cache_records(["abcdefgh123", record_id])
    assert len(seen) == 4


# The SDK leaves the socket of a connection that fails to the garbage collector, which says so.
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda engine: engine.inspect_image("x"), id="inspect"),
        pytest.param(lambda engine: engine.tags(), id="tags"),
        pytest.param(lambda engine: engine.container_ids(), id="containers"),
        pytest.param(lambda engine: engine.remove_image("x"), id="remove"),
        pytest.param(lambda engine: engine.build(iter([b"x"]), {}), id="build"),
    ],
)
def test_an_engine_that_is_gone(tmp_path: Path, call: Callable[[Engine], object]) -> None:
    with serve(tmp_path) as server:
        engine = Engine.connect(server.host)
    engine.close()
    (tmp_path / "d.sock").unlink()
    with pytest.raises(EngineError, match="went away") as caught:
        call(engine)
    assert caught.value.next_step
    del caught
    gc.collect()


def test_cancelling_at_an_engine_that_is_gone_is_no_error(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        engine = Engine.connect(server.host)
    engine.close()
    engine.cancel_build("x")
    gc.collect()
    assert engine.info.kind == "docker"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T00:00:01.250000001Z", 1.250000001),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("0001-01-01", 0.0),
        ("", 0.0),
    ],
)
def test_read_time(text: str, seconds: float) -> None:
    assert read_time(text) == pytest.approx(seconds)


@pytest.mark.parametrize("tag", ["a:1", "localhost/a:1", "docker.io/library/a:1"])
def test_short_tag(tag: str) -> None:
    assert short_tag(tag) == "a:1"


def test_fixture_documents_are_read() -> None:
    assert read_info(VERSION, INFO).version == "20.10.24"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(ConnectionRefusedError(111, "Connection refused"), "connection refused", id="os-error"),
        pytest.param(
            ValueError("invalid literal for int() with base 16: b''"),
            "the connection was closed in the middle of its answer",
            id="cut-chunk",
        ),
    ],
)
def test_a_broken_connection_in_words(error: Exception, words: str) -> None:
    assert engine_module._connection_words(error) == words
