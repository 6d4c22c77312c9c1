"""One image in many forms: what engines save, what other tools make of it, and layouts written by hand.

Every form is made of one archive of `docker save` and holds the same layers and, where the tool leaves it alone, the same
configuration.
"""

from __future__ import annotations

import bz2
import gzip
import itertools
import json
import lzma
import os
import socket
import socketserver
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import imagemaker
import registries
from backports import zstd
from builds import save
from imagemaker import Compress, Made
from stacks import saved_layers
from tarmaker import member as tar_member

from imgscan.engine import Engine

SPLIT_BYTES = 300_000
"""Pieces of what is compressed in several members or frames: some begin inside a header, some inside a file."""


@dataclass(frozen=True, kw_only=True)
class Saved(Made):
    """An image as an engine saved it: its own configuration, its layers uncompressed."""

    raw: bytes = field(repr=False)

    @property
    def config(self) -> bytes:
        return self.raw


def read_saved(path: Path, name: str) -> Saved:
    """What `docker save` wrote, as parts."""
    with tarfile.open(path) as archive:
        (entry,) = json.loads(_content(archive, "manifest.json"))
        config = _content(archive, entry["Config"])
    layers = [gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer for layer in saved_layers(path)]
    return Saved(layers=layers, names=(name,), raw=config)


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def members_of_gzip(data: bytes) -> bytes:
    """gzip in several members, as estargz has it, without the table of contents."""
    return b"".join(gzip.compress(piece, mtime=0) for piece in _pieces(data))


def contents(data: bytes) -> bytes:
    """A layer with estargz's table of contents, which lies behind the end of the archive."""
    table = json.dumps({"version": 1, "entries": [{"name": "etc/", "type": "dir"}] * 100}).encode()
    return data + tar_member(b"stargz.index.json", table) + bytes(1024)


def with_layers(image: Saved, layers: Sequence[bytes]) -> Saved:
    """The image with other layers, which its configuration lists as a converter would write it."""
    document = json.loads(image.raw)
    document["rootfs"]["diff_ids"] = [f"sha256:{imagemaker.sha(layer)}" for layer in layers]
    return Saved(layers=layers, names=image.names, raw=imagemaker.dump(document))


def frames_of_zstd(data: bytes) -> bytes:
    """zstd frames with a skippable one behind them, as zstd:chunked writes them."""
    skippable = b"\x50\x2a\x4d\x18" + (16).to_bytes(4, "little") + bytes(range(16))
    return b"".join(zstd.compress(piece) for piece in _pieces(data)) + skippable


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), SPLIT_BYTES):
        yield data[start : start + SPLIT_BYTES]


COMPRESSIONS: Mapping[str, Compress] = {
    "plain": imagemaker.plain,
    "gzip": imagemaker.gzipped,
    "gzip-members": members_of_gzip,
    "zstd": zstd.compress,
    "zstd-frames": frames_of_zstd,
    "xz": lambda data: lzma.compress(data, preset=0),
    "bzip2": bz2.compress,
}


@dataclass(frozen=True, kw_only=True)
class Through:
    """An image to be asked of another engine than the test's own."""

    target: str
    docker_host: str


class Workshop:
    """Makes forms in a folder of the test's own and says what imgscan is to be given. `saved` is the archive, `name`
    the image in it."""

    def __init__(self, folder: Path, saved: Path, name: str) -> None:
        self.folder = folder
        self.env = without_logins(folder)
        self.saved = saved
        self.name = name
        self.image = read_saved(saved, name)
        self._podman: Podman | None = None
        self._registry: str | None = None
        self._opened = ExitStack()

    def close(self) -> None:
        """End what was started, remove what was loaded into other engines."""
        self._opened.close()

    def path(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, data: bytes) -> str:
        path = self.path(name)
        path.write_bytes(data)
        return str(path)

    def unpack(self, name: str, data: bytes) -> str:
        """An archive's members as files of a directory."""
        archive = self.path(f"{name}.unpacked.tar")
        archive.write_bytes(data)
        with tarfile.open(archive) as tar:
            tar.extractall(self.path(name), filter="data")
        return str(self.path(name))

    def skopeo(self, transport: str, name: str, *options: str, tag: str = "") -> str:
        """Copied by skopeo."""
        path = self.path(name)
        self._copy(f"{transport}:{path}{tag}", *options)
        return str(path)

    def _copy(self, destination: str, *options: str) -> None:
        copy = [registries.program("skopeo"), "copy", "--quiet", "--insecure-policy", *options]
        subprocess.run([*copy, f"docker-archive:{self.saved}", destination], check=True, env=self.env)

    def registry(self, name: str, *options: str) -> str:
        """Pushed by skopeo into a registry of the test's own."""
        if self._registry is None:
            folder = self.path("registry")
            folder.mkdir()
            self._registry = self._opened.enter_context(registries.running(folder))
        reference = f"{self._registry}/{name}:1"
        self._copy(f"docker://{reference}", "--dest-tls-verify=false", *options)
        return f"registry://{reference}"

    def podman_save(self, name: str, kind: str, *options: str) -> str:
        """Saved by Podman, of a store of the test's own."""
        path = self.path(name)
        self.podman.run("save", "--quiet", "--format", kind, *options, "--output", str(path), self.podman.image_id)
        return str(path)

    def through_podman(self) -> Through:
        """Asked of Podman's own service, by the API of Docker's engine."""
        host = self._opened.enter_context(self.podman.serve())
        return Through(target=self.podman.image_id, docker_host=host)

    def through_tcp(self, host: str) -> Through:
        """Asked of the same engine by a way that says nothing of where its store is."""
        return Through(target=self.name, docker_host=self._opened.enter_context(relay(host.removeprefix("unix://"))))

    def through(self, host: str) -> Through:
        """Loaded into another engine and asked there."""
        with Engine.connect(host) as other:
            if not other.tags(self.name):
                api: Any = other.api
                with self.saved.open("rb") as file:
                    api.load_image(file)
                self._opened.callback(forget, host, self.name)
        return Through(target=self.name, docker_host=host)

    def saved_by(self, host: str, name: str) -> str:
        """Loaded into another engine and saved there."""
        self.through(host)
        with Engine.connect(host) as other:
            return str(save(other, self.name, self.path(name)))

    @property
    def podman(self) -> Podman:
        if self._podman is None:
            # Podman takes 50 letters at most for the folder of what runs.
            folder = self._opened.enter_context(TemporaryDirectory(prefix="imgscan-", dir="/tmp"))
            self._podman = Podman(Path(folder), self.saved)
        return self._podman


def forget(host: str, name: str) -> None:
    """Remove an image from an engine."""
    with Engine.connect(host) as other:
        other.remove_image(name, force=True)


@contextmanager
def relay(path: str) -> Iterator[str]:
    """A TCP port of this machine that leads to a unix socket: its DOCKER_HOST."""

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as engine:
                engine.connect(path)
                back = threading.Thread(target=pump, args=(engine, self.request), daemon=True)
                back.start()
                pump(self.request, engine)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Everything from one socket to another, and the end of it."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def without_logins(folder: Path) -> dict[str, str]:
    """The environment without the user's logins to registries."""
    logins = folder / "auth.json"
    logins.write_text("{}")
    return {**os.environ, "REGISTRY_AUTH_FILE": str(logins)}


class Podman:
    """A Podman with a store of its own that holds one image."""

    def __init__(self, folder: Path, saved: Path) -> None:
        self.folder = folder
        self.env = without_logins(folder)
        self.command = [registries.program("podman"), "--root", str(folder / "root"), "--runroot", str(folder / "run")]
        self.command += ["--tmpdir", str(folder / "tmp"), "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]
        self.command += ["--events-backend", "none"]
        # Not `load`, which prefers an archive's OCI side: Podman 4.3 cannot save again what mixes the media types of OCI
        # and Docker, as the classic builder does on the containerd store.
        self.run("pull", "--quiet", f"docker-archive:{saved}")
        self.image_id = self.run("images", "--quiet", "--no-trunc").split()[0].removeprefix("sha256:")

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Podman's service: its DOCKER_HOST."""
        path = self.folder / "podman.sock"
        command = [*self.command, "system", "service", "--time", "0", f"unix://{path}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=self.env) as process:
            try:
                deadline = time.monotonic() + 30
                while not path.exists():
                    assert process.poll() is None, "podman system service did not start"
                    assert time.monotonic() < deadline, "podman system service does not answer"
                    time.sleep(0.05)
                yield f"unix://{path}"
            finally:
                process.terminate()

    def run(self, *arguments: str) -> str:
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, check=False, env=self.env)
        assert done.returncode == 0, done.stderr
        return done.stdout


def compressed(compress: Compress) -> Callable[[Workshop], str]:
    return lambda shop: shop.write("image.tar", compress(shop.saved.read_bytes()))


def layout(name: str) -> Callable[[Workshop], str]:
    return lambda shop: shop.write(f"{name}.tar", imagemaker.LAYOUTS[name](shop.image))


def oci(compress: Compress, *, as_directory: bool = False) -> Callable[[Workshop], str]:
    def make(shop: Workshop) -> str:
        data = imagemaker.oci(shop.image, compress=compress)
        return shop.unpack("layout", data) if as_directory else shop.write("oci.tar", data)

    return make


def estargz(shop: Workshop) -> str:
    image = with_layers(shop.image, [contents(layer) for layer in shop.image.layers])
    return shop.write("estargz.tar", imagemaker.oci(image, compress=members_of_gzip))


def mixed(shop: Workshop) -> str:
    """Layers compressed in different ways, equal ones alike."""
    ways = dict(zip(dict.fromkeys(shop.image.layers), itertools.cycle(COMPRESSIONS.values()), strict=False))
    return shop.write("mixed.tar", imagemaker.oci(shop.image, compress=lambda layer: ways[layer](layer)))


FILES: Mapping[str, Callable[[Workshop], str]] = {
    **{f"save-{name}": compressed(compress) for name, compress in COMPRESSIONS.items()},
    "save-unpacked": lambda shop: shop.unpack("unpacked", shop.saved.read_bytes()),
    **{f"layout-{name}": layout(name) for name in imagemaker.LAYOUTS},
    **{f"oci-{name}": oci(compress) for name, compress in COMPRESSIONS.items()},
    "oci-estargz": estargz,
    "oci-mixed": mixed,
    **{f"oci-directory-{name}": oci(COMPRESSIONS[name], as_directory=True) for name in ("plain", "gzip", "zstd")},
}
"""Written without a tool."""

TOOLS: Mapping[str, Callable[[Workshop], str]] = {
    "skopeo-oci": lambda shop: shop.skopeo("oci", "skopeo-oci", tag=":tag"),
    "skopeo-oci-zstd": lambda shop: shop.skopeo(
        "oci", "skopeo-oci-zstd", "--dest-compress", "--dest-compress-format=zstd", tag=":tag"
    ),
    "skopeo-oci-archive": lambda shop: shop.skopeo("oci-archive", "skopeo-oci.tar", tag=":tag"),
    "skopeo-docker-archive": lambda shop: shop.skopeo("docker-archive", "skopeo-docker.tar", tag=":app:1"),
    "skopeo-dir": lambda shop: shop.skopeo("dir", "skopeo-dir"),
    "skopeo-dir-compressed": lambda shop: shop.skopeo("dir", "skopeo-dir-gz", "--dest-compress"),
    "registry": lambda shop: shop.registry("plain"),
    "registry-oci-zstd": lambda shop: shop.registry(
        "oci-zstd", "--format=oci", "--dest-compress-format=zstd", "--dest-compress-level=3"
    ),
    "podman-docker-archive": lambda shop: shop.podman_save("podman-docker.tar", "docker-archive"),
    "podman-oci-archive": lambda shop: shop.podman_save("podman-oci.tar", "oci-archive"),
    "podman-oci-dir": lambda shop: shop.podman_save("podman-oci-dir", "oci-dir"),
    "podman-docker-dir": lambda shop: shop.podman_save("podman-docker-dir", "docker-dir"),
    "podman-docker-dir-compressed": lambda shop: shop.podman_save("podman-dir-gz", "docker-dir", "--compress"),
}
"""Written by skopeo and Podman, in a registry too."""

OTHER_ENGINES = {Path(urlsplit(host).path).parent.name: host for host in os.environ.get("IMGSCAN_ENGINES", "").split()}
"""Further engines (their DOCKER_HOSTs, on unix sockets) that the image is loaded into, by the folder of the socket."""


def loaded_into(host: str) -> Callable[[Workshop, str], Through]:
    return lambda shop, own: shop.through(host)


def saved_by(host: str, name: str) -> Callable[[Workshop, str], str]:
    return lambda shop, own: shop.saved_by(host, name)


ENGINES: Mapping[str, Callable[[Workshop, str], str | Through]] = {
    "tcp": lambda shop, own: shop.through_tcp(own),
    "podman": lambda shop, own: shop.through_podman(),
    **{name: loaded_into(host) for name, host in OTHER_ENGINES.items()},
    **{f"saved-by-{name}": saved_by(host, f"{name}.tar") for name, host in OTHER_ENGINES.items()},
}
"""Asked of an engine, or saved by another one, given the DOCKER_HOST of the test's own."""

CHANGED_DIFF_IDS = frozenset({"oci-estargz"})
WITHOUT_HEALTHCHECK = frozenset(
    {"skopeo-oci", "skopeo-oci-zstd", "skopeo-oci-archive", "registry-oci-zstd", "podman-oci-archive", "podman-oci-dir"}
)
