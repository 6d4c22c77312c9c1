"""The engine's export: against a daemon made of a few canned answers, and against the real one."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest
from builds import builds
from imagemaker import LAYOUTS, Made, containerd, legacy, sha, small_layer
from tarmaker import archive, member

from imgscan.engine import Engine
from imgscan.errors import EngineError, InputError
from imgscan.layers.blob import open_layer
from imgscan.layers.digests import check_digests
from imgscan.layers.filesystem import Stacked, stack
from imgscan.layers.listing import LayerListing, ReadingSearch, list_layer
from imgscan.model import Status
from imgscan.source import Image, ImageReader, open_image
from imgscan.source.engine import EngineReader, history_entries

IMAGE = Made(
    layers=(small_layer(b"passwd", b"root"), small_layer(b"hosts", b"localhost" * 9000)),
    settings={"Env": ["A=1"]},
    history=[{"created_by": "ADD x / "}, {"created_by": "CMD x", "empty_layer": True}, {"created_by": "COPY . ."}],
)
HISTORY = [
    {"CreatedBy": "COPY . .", "Size": 81000, "Comment": ""},
    {"CreatedBy": "CMD x", "Size": 0, "Comment": ""},
    {"CreatedBy": "ADD x / ", "Size": 4, "Comment": ""},
]


@dataclass
class Daemon:
    """What a daemon answers: `export` is the body of the save, sent in chunks and broken off after `send` bytes."""

    export: bytes = b""
    send: int | None = None
    status: int = 200
    image: Made = IMAGE
    gets: list[str] = field(default_factory=list)
    address: str = ""

    @property
    def record(self) -> dict[str, Any]:
        return {
            "Id": f"sha256:{sha(self.image.config)}",
            "Os": "linux",
            "Architecture": "amd64",
            "Config": dict(self.image.settings),
            "RootFS": {"Type": "layers", "Layers": [f"sha256:{sha(layer)}" for layer in self.image.layers]},
        }

    def answer(self, path: str) -> Any:
        version = {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10.24", "Os": "linux", "Arch": "amd64"}
        known: dict[str, Any] = {
            "/version": version,
            "/info": {"NCPU": 2, "Driver": "overlay2"},
            "/images/app:1/json": self.record,
            "/images/app:1/history": HISTORY,
            "/images/json": [{"Id": "sha256:1", "RepoTags": ["app:1", "apple:latest"]}],
        }
        return known.get(path)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0]).removeprefix("/v1.41")
        daemon = self.server.daemon
        if path.endswith("/get"):
            daemon.gets.append(path)
            self.send_export(daemon)
            return
        found = daemon.answer(path)
        self.send_json(404 if found is None else 200, {"message": "No such image"} if found is None else found)

    def send_json(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_export(self, daemon: Daemon) -> None:
        if daemon.status != 200:
            self.send_json(daemon.status, {"message": "disk full"})
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-tar")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        body = daemon.export[: daemon.send]
        for start in range(0, len(body), 5000):
            part = body[start : start + 5000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        if daemon.send is None:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


class Server(ThreadingHTTPServer):
    daemon: Daemon
    daemon_threads = True


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    server = Server(("127.0.0.1", 0), Handler)
    server.daemon = Daemon()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        server.daemon.address = f"tcp://127.0.0.1:{server.server_port}"
        yield server.daemon
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def engine(daemon: Daemon) -> Iterator[Engine]:
    with Engine.connect(daemon.address) as connected:
        yield connected


def read(reader: ImageReader) -> tuple[Image, dict[str, LayerListing]]:
    with closing(reader):
        found = {blob.name: list_layer(open_layer(blob.stream), ReadingSearch()) for blob in reader.blobs()}
        return reader.image(), found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_an_export(layout: str, daemon: Daemon, engine: Engine) -> None:
    daemon.export = LAYOUTS[layout](IMAGE)
    reader = open_image("app:1", engine=engine)
    image, listings = read(reader)
    assert (reader.kind, reader.skipped(), image.ref, image.platform) == ("image", (), "app:1", "linux/amd64")
    assert [listings[layer.blob].diff_id for layer in image.layers] == daemon.record["RootFS"]["Layers"]
    assert [layer.created_by for layer in image.layers] == ["ADD x / ", "COPY . ."]
    # By id: what a tag means may change between two requests.
    assert daemon.gets == [f"/images/sha256:{sha(IMAGE.config)}/get"]


def test_what_the_engine_says_is_there_before_the_first_byte(daemon: Daemon, engine: Engine) -> None:
    with closing(open_image("app:1", engine=engine)) as reader:
        image = reader.image()
        assert image.config.env == ("A=1",)
        assert [layer.created_by for layer in image.layers] == ["ADD x / ", "COPY . ."]
        assert [entry.empty_layer for entry in image.config.history] == [False, True, False]
        assert (reader.documents(), reader.skipped(), daemon.gets) == ((), (), [])


def test_an_image_that_is_not_there_names_similar_ones(engine: Engine) -> None:
    with pytest.raises(InputError) as caught:
        open_image("appl:1", engine=engine)
    assert "app:1" in caught.value.cause
    assert "docker pull appl:1" in caught.value.next_step


def test_an_image_of_another_platform_is_not_taken(engine: Engine) -> None:
    with closing(open_image("app:1", engine=engine, platform="linux/x86_64")) as reader:
        assert reader.image().platform == "linux/amd64"
    with pytest.raises(InputError, match="no app:1 for linux/arm64") as caught:
        open_image("app:1", engine=engine, platform="linux/arm64")
    assert "linux/amd64" in caught.value.cause
    assert "docker pull --platform linux/arm64 app:1" in caught.value.next_step


@pytest.mark.parametrize("send", [0, 100, 5000, 20_000, 80_000])
@pytest.mark.parametrize("layout", ["legacy", "containerd"])
def test_an_export_that_breaks_off_is_an_engine_error(layout: str, send: int, daemon: Daemon, engine: Engine) -> None:
    daemon.export, daemon.send = LAYOUTS[layout](IMAGE), min(send, len(LAYOUTS[layout](IMAGE)) - 2000)
    with pytest.raises(EngineError, match="reading the image app:1"):
        read(open_image("app:1", engine=engine))


@pytest.mark.parametrize(
    "export",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(archive(), id="empty-tar"),
        pytest.param(legacy(IMAGE)[:4096], id="ends-early-but-properly"),
        pytest.param(legacy(IMAGE)[:9000] + b'{"errorDetail": "disk full"}', id="error-behind-half-a-tar"),
        pytest.param(archive(member(b"a.tar", IMAGE.layers[0])), id="no-manifest"),
    ],
)
def test_an_export_that_is_incomplete_is_an_engine_error(export: bytes, daemon: Daemon, engine: Engine) -> None:
    daemon.export = export
    with pytest.raises(EngineError, match="broke off"):
        read(open_image("app:1", engine=engine))


def test_an_engine_that_refuses_is_quoted(daemon: Daemon, engine: Engine) -> None:
    daemon.status = 500
    with pytest.raises(EngineError) as caught:
        read(open_image("app:1", engine=engine))
    assert "disk full" in caught.value.cause


def test_other_layers_than_announced_are_told(daemon: Daemon, engine: Engine) -> None:
    daemon.export = containerd(Made(layers=(IMAGE.layers[0],)))
    reader = open_image("app:1", engine=engine)
    read(reader)
    assert "other layers" in reader.skipped()[-1].reason


def test_closing_half_way_breaks_off(daemon: Daemon, engine: Engine) -> None:
    daemon.export = legacy(IMAGE)
    reader = open_image("app:1", engine=engine)
    blobs = reader.blobs()
    next(blobs)
    reader.close()
    blobs.close()  # type: ignore[attr-defined]
    assert engine.inspect_image("app:1")["Os"] == "linux"


def test_an_image_without_layers_is_not_exported(daemon: Daemon, engine: Engine) -> None:
    daemon.image, daemon.status = Made(layers=(), settings={"Env": ["A=1"]}), 500
    image, listings = read(open_image("app:1", engine=engine))
    assert (image.layers, image.config.env, listings, daemon.gets) == ((), ("A=1",), {}, [])


@pytest.mark.parametrize(
    ("lines", "layers", "empty"),
    [
        pytest.param([("RUN a", 5), ("ENV b", 0), ("RUN c", 7)], 2, [False, True, False], id="by-size"),
        pytest.param([("RUN a", 5), ("ENV b", 0), ("RUN c", 0)], 2, [False, True, False], id="an-empty-layer"),
        pytest.param([("/bin/sh -c #(nop)  CMD x", 0), ("/bin/sh -c true", 0)], 1, [True, False], id="classic"),
        pytest.param([("", 9)], 1, [False], id="import"),
    ],
)
def test_empty_layers_of_the_engine_s_history(lines: list[tuple[str, int]], layers: int, empty: list[bool]) -> None:
    newest_first = [{"CreatedBy": text, "Size": size} for text, size in lines[::-1]]
    assert [entry["empty_layer"] for entry in history_entries(newest_first, layers)] == empty


STEPS = """\
RUN mkdir -p /d/e && dd if=/dev/zero of=/d/one bs=1000 count=70 && dd if=/dev/zero of=/d/e/two bs=1000 count=30
RUN dd if=/dev/zero of=/big bs=1000 count=200 && echo token > /hidden && dd if=/dev/zero of=/flip bs=1000 count=9
RUN rm -r /d
RUN chmod 600 /big
RUN rm /hidden
RUN mkdir /o && dd if=/dev/zero of=/o/old bs=1000 count=40 && dd if=/dev/zero of=/linked bs=1000 count=60
RUN rm -r /o && mkdir /o && echo new > /o/new
RUN ln /linked /second && rm /flip && mkdir /flip && echo inside > /flip/x
"""


def root_file_system() -> bytes:
    """A root file system of one static program."""
    busybox = shutil.which("busybox")
    assert busybox is not None, "apt-get install busybox-static"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "tmp", "dev", "proc", "sys", "etc"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        tar.add(busybox, "bin/busybox")
        for name in ("sh", "mkdir", "dd", "rm", "chmod", "ln"):
            info = tarfile.TarInfo(f"bin/{name}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[Engine, str]]:
    """An image of nine layers with the whiteouts that this engine's storage really writes."""
    name = f"imgscan-test-{uuid.uuid4().hex[:12]}"
    with Engine.connect() as engine:
        api: Any = engine.api
        try:
            api.import_image_from_data(root_file_system(), repository=f"{name}-base", tag="1")
            context = archive(member(b"Dockerfile", f"FROM {name}-base:1\n{STEPS}".encode()))
            said = list(
                api.build(
                    fileobj=io.BytesIO(context),
                    custom_context=True,
                    tag=f"{name}:1",
                    rm=True,
                    forcerm=True,
                    network_mode="none",
                    decode=True,
                )
            )
            assert not [line for line in said if "error" in line], said[-1]
            yield engine, f"{name}:1"
        finally:
            engine.remove_image(f"{name}:1", force=True)
            engine.remove_image(f"{name}-base:1", force=True)


def scan(reader: ImageReader) -> tuple[Image, Stacked]:
    image, listings = read(reader)
    return image, stack([listings[layer.blob] for layer in image.layers])


@pytest.mark.engine
def test_a_real_engine_s_image_to_the_byte(built: tuple[Engine, str]) -> None:
    engine, name = built
    reader = open_image(name, engine=engine)
    announced = reader.image()
    image, result = scan(reader)
    assert reader.skipped() == ()
    assert announced.config.diff_ids == image.config.diff_ids
    assert [layer.created_by for layer in announced.layers] == [layer.created_by for layer in image.layers]
    found = {
        (item.path, item.cause.value, item.bytes, item.files, item.shipped_by, item.shadowed_by)
        for item in result.waste
        if item.cause.value != "duplicate"
    }
    # A directory that was made anew is opaque for some storage drivers, others write a whiteout for each of its files.
    anew = {(b"o", "opaque", 40_000, 1, 6, 7), (b"o/old", "deleted", 40_000, 1, 6, 7)}
    assert len(found & anew) == 1
    assert found - anew == {
        (b"d", "deleted", 100_000, 2, 1, 3),
        (b"big", "metadata-only", 200_000, 1, 2, 4),
        (b"hidden", "deleted", 6, 1, 2, 5),
        (b"flip", "type-changed", 9_000, 1, 2, 8),
        # A link to a file of a lower layer copies it up.
        (b"linked", "metadata-only", 60_000, 1, 6, 8),
    }
    assert result.status_of(2, b"hidden") == (Status.DELETED, 5)
    assert result.status_of(6, b"o/old") == (Status.DELETED, 7)


@pytest.mark.engine
def test_a_real_engine_s_layers_are_what_it_says(built: tuple[Engine, str]) -> None:
    engine, name = built
    image, listings = read(open_image(name, engine=engine))
    wrong = [
        check_digests(listings[layer.blob], diff_id=layer.diff_id, digest=layer.digest, where=layer.blob)
        for layer in image.layers
    ]
    assert len(wrong) == 9
    assert not any(wrong)


@pytest.mark.engine
def test_a_real_save_is_read_alike_from_a_file(
    built: tuple[Engine, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    engine, name = built
    path = tmp_path_factory.mktemp("save") / "image.tar"
    with path.open("wb") as file:
        for chunk in engine.api.get_image(name):
            file.write(chunk)
    from_file, saved = scan(open_image(str(path)))
    from_engine, streamed = scan(open_image(name, engine=engine))
    assert from_file.config == from_engine.config
    assert saved.waste == streamed.waste
    assert saved.layer_bytes == streamed.layer_bytes


@pytest.mark.engine
def test_an_image_the_real_engine_has_not(built: tuple[Engine, str]) -> None:
    engine, name = built
    with pytest.raises(InputError) as caught:
        open_image(name.replace(":1", ":2"), engine=engine)
    assert name in caught.value.cause


@pytest.mark.engine
@pytest.mark.parametrize(
    "name", ["gone", "A.b/c", "a__b", "a--b", "localhost/x:Y", f"a@sha256:{'0' * 64}", "0" * 64, "A:5000/x"]
)
def test_names_that_the_real_engine_takes_are_taken(name: str, built: tuple[Engine, str]) -> None:
    engine, _ = built
    with pytest.raises(InputError, match="no image"):
        open_image(name, engine=engine)


@pytest.mark.engine
@pytest.mark.parametrize(
    "name", ["App", "a b", "app:", ":1", "-a", "a..b", "a___b", "é", "a@sha256:12", "a:" + "1" * 129, "h_h:5/a", "a:-1"]
)
def test_names_that_the_real_engine_refuses_are_refused(name: str, built: tuple[Engine, str]) -> None:
    engine, _ = built
    with pytest.raises(EngineError, match="failed while reading"):
        engine.inspect_image(name)
    with pytest.raises(InputError, match="no name of an image"):
        open_image(name, engine=engine)


@pytest.mark.engine
@pytest.mark.parametrize("builder", ["classic", "buildkit"])
@pytest.mark.parametrize("use_store", [True, False], ids=["store", "export"])
def test_a_real_image_without_layers(builder: str, use_store: bool) -> None:
    with Engine.connect() as engine, builds(engine) as made:
        reader = EngineReader(engine, made.build("FROM scratch\nENV A=1\n", builder=builder), use_store=use_store)
        image, listings = read(reader)
        assert (image.layers, listings, reader.skipped()) == ((), {}, ())
        assert "A=1" in image.config.env
