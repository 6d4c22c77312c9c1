"""The benchmark's image: a size in GB -> a node service with its packages, built on a real engine, and the same image
after an edit of one source file.

Everything in it is the same on every run: packages by lock file, the rest from seeds. Above the size of one
node_modules come more of them, as the packages of a monorepo have, whose files differ from the first one's by a comment
at their end: no two layers share content, whatever is compared.
"""

from __future__ import annotations

import json
import random
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

from benchmarks.packages import BenchError, PackageFile, share_for
from benchmarks.planted import Planted

if TYPE_CHECKING:
    import docker

LABEL: Final = "imgscan.bench"
NAME: Final = "imgscan-bench"
BASES: Final = {"node": "imgscan-base/node:24", "debian": "imgscan-base/debian:slim"}
"""Local stand-ins of the public images (sample_images/bases); the smaller one for images under SMALL_BYTES."""
SMALL_BYTES: Final = 400_000_000
GB: Final = 1_000_000_000
ADDON_BYTES: Final = 24_000_000
BUNDLE_BYTES: Final = 12_000_000
ARCHIVE_BYTES: Final = 6_000_000
SOURCES: Final = 300
EDITED: Final = "src/module000.ts"
CHUNK_BYTES: Final = 1 << 20
SILENCE_S: Final = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What goes into an image: its base, and which share (0 to 1) of the packages each node_modules has."""

    base: str
    shares: tuple[float, ...]


def size_name(size_gb: float) -> str:
    """The tag of an image of this size: 1 -> 1g, 0.25 -> 0.25g."""
    return f"{size_gb:g}g"


def plan(size_gb: float, files: tuple[PackageFile, ...], base_bytes: Mapping[str, int]) -> Plan:
    """How to come to `size_gb` (10^9 bytes) of file content. `base_bytes` are the sizes of BASES by their short name.

    Raises BenchError for a size that the base alone exceeds.
    """
    wanted = round(size_gb * GB)
    base = "debian" if wanted < SMALL_BYTES else "node"
    left = wanted - base_bytes[base] - _own_bytes()
    if left <= 0:
        raise BenchError(f"{size_gb:g} GB is less than the base image and the application's own files need")
    whole = sum(file.size_bytes for file in files)
    copies, rest = divmod(left, whole)
    return Plan(base=BASES[base], shares=(*(1.0 for _ in range(copies)), share_for(files, rest)))


def _own_bytes() -> int:
    # The sources come twice: as they are, and as the step that stands for a compiler copies them.
    return ADDON_BYTES + BUNDLE_BYTES + ARCHIVE_BYTES + 2 * sum(len(source(i, edited=False)) for i in range(SOURCES))


def dockerfile(image: Plan) -> str:
    """The instructions: base, manifests, packages, things that nobody reviews, one of them removed, sources last."""
    copies = [f"COPY packages/{i} ./packages/{i}" for i in range(1, len(image.shares))]
    lines = [
        f"FROM {image.base}",
        "ENV NODE_ENV=production",
        "WORKDIR /app",
        "COPY package.json package-lock.json ./",
        "COPY node_modules ./node_modules",
        *copies,
        "COPY vendor ./vendor",
        "COPY public ./public",
        "COPY .env.build fixtures.bin ./",
        "RUN rm .env.build fixtures.bin",
        "COPY config ./config",
        "COPY src ./src",
        "RUN cp -r src dist",
        'CMD ["node", "dist/module000.js"]',
    ]
    return "\n".join(lines) + "\n"


def source(number: int, *, edited: bool) -> bytes:
    """A module of the application: some kilobytes of code without meaning; `edited` adds a line to the first one."""
    rng = random.Random(f"source/{number}")  # noqa: S311  # the same text every time
    words = ("order", "invoice", "tenant", "session", "queue", "payload", "cursor", "ledger", "webhook", "retry")
    lines = [f"import {{ {a}, {b} }} from './module{rng.randrange(SOURCES):03}';" for a, b in _pairs(rng, words, 4)]
    for i in range(60):
        a, b = rng.sample(words, 2)
        lines.append(f"export const {a}{i} = ({b}: string): string => `{a}/${{{b}}}/{rng.randrange(10**6)}`;")
    if edited and number == 0:
        lines.append("export const edited = true;")
    return ("\n".join(lines) + "\n").encode()


def _pairs(rng: random.Random, words: tuple[str, ...], count: int) -> list[tuple[str, str]]:
    return [(a, b) for a, b in (rng.sample(words, 2) for _ in range(count))]


def context(
    image: Plan, root: Path, files: tuple[PackageFile, ...], secrets: tuple[Planted, ...], *, edited: bool
) -> Iterator[bytes]:
    """The build context as a tar archive, in pieces: nothing of it is written to disk."""
    waiting: list[bytes] = []
    size = 0
    for piece in _members(image, root, files, secrets, edited=edited):
        waiting.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting) + bytes(2 * tarfile.BLOCKSIZE)


def _members(
    image: Plan, root: Path, files: tuple[PackageFile, ...], secrets: tuple[Planted, ...], *, edited: bool
) -> Iterator[bytes]:
    for name, data in _own_files(image, root, files, secrets, edited=edited):
        yield _member(name, data)
    for number, share in enumerate(image.shares):
        folder = "node_modules" if number == 0 else f"packages/{number}/node_modules"
        for file in files:
            if file.share < share:
                yield _package_member(f"{folder}/{file.path}", root, file, number)


def _member(name: str, data: bytes, link: str | None = None) -> bytes:
    """One file (or symbolic link) of a tar archive, padded."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    if link is not None:
        info.type, info.linkname = tarfile.SYMTYPE, link
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def _package_member(name: str, root: Path, file: PackageFile, number: int) -> bytes:
    if file.target is not None:
        return _member(name, b"", file.target)
    data = (root / file.path).read_bytes()
    return _member(name, data + f"\n// copy {number} of {file.path}\n".encode() if number else data)


def _own_files(
    image: Plan, root: Path, files: tuple[PackageFile, ...], secrets: tuple[Planted, ...], *, edited: bool
) -> Iterator[tuple[str, bytes]]:
    """Everything but the packages. Whatever is made of random bytes is as incompressible as the real thing."""
    token = {item.name: item.token for item in secrets}
    yield "Dockerfile", dockerfile(image).encode()
    for name in ("package.json", "package-lock.json"):
        yield name, (root.parent / name).read_bytes()
    addon = random.Random("addon").randbytes(ADDON_BYTES)  # noqa: S311
    yield "vendor/addon.node", _planted_in(b"\x7fELF" + addon[4:], b"\0" + token["binary"].encode() + b"\0")
    yield "public/bundle.js", _planted_in(_bundle(root, files), f';a.token="{token["large"]}";'.encode())
    yield ".env.build", f"REGISTRY=ghcr.example\nGITHUB_TOKEN={token['deleted']}\n".encode()
    yield "fixtures.bin", random.Random("fixtures").randbytes(ARCHIVE_BYTES)  # noqa: S311
    production: dict[str, Any] = {"port": 3001, "releases": {"token": token["visible"]}, "log": "info"}
    yield "config/production.json", json.dumps(production, indent=2).encode()
    for number in range(SOURCES):
        yield f"src/module{number:03}.ts", source(number, edited=edited)


def _bundle(root: Path, files: tuple[PackageFile, ...]) -> bytes:
    """Real minified code, one line of it: what a bundler makes."""
    parts, have = [], 0
    for file in files:
        if file.path.endswith(".min.js") and have < BUNDLE_BYTES:
            data = (root / file.path).read_bytes().replace(b"\n", b" ")
            parts.append(data)
            have += len(data)
    return (b"".join(parts) * (BUNDLE_BYTES // max(have, 1) + 1))[:BUNDLE_BYTES]


def _planted_in(data: bytes, secret: bytes) -> bytes:
    """`secret` over the middle of `data`."""
    middle = len(data) // 2
    return data[:middle] + secret + data[middle + len(secret) :]


def base_sizes(client: docker.DockerClient) -> dict[str, int]:
    """What the layers of BASES take unpacked (the engine's `Size` counts them compressed in its containerd store).

    Raises BenchError for one that is not there.
    """
    import docker.errors

    sizes = {}
    for name, image in BASES.items():
        try:
            sizes[name] = sum(int(step["Size"]) for step in client.images.get(image).history())
        except docker.errors.ImageNotFound:
            raise BenchError(f"the engine has no {image}; make it with: sample_images/bases/make.sh {name}") from None
    return sizes


def build(client: docker.DockerClient, tag: str, content: Iterator[bytes]) -> str:
    """Build with the engine's own builder, without network, and give the image's id. Raises BenchError."""
    import docker.errors

    _free_tag(client, tag)
    answer = client.api.build(
        fileobj=cast("IO[bytes]", content),  # an iterator is sent in chunks
        custom_context=True,
        tag=tag,
        rm=True,
        forcerm=True,
        decode=True,
        network_mode="none",
        labels={LABEL: "1"},
        timeout=SILENCE_S,
    )
    for message in answer:
        if "error" in message:
            raise BenchError(f"building {tag} failed: {message['error']}")
    try:
        return str(client.images.get(tag).id)
    except docker.errors.ImageNotFound:
        raise BenchError(f"building {tag} gave no image, and no error") from None


def _free_tag(client: docker.DockerClient, tag: str) -> None:
    """Make sure that nothing of anybody else's has the name."""
    import docker.errors

    try:
        found = client.images.get(tag)
    except docker.errors.ImageNotFound:
        return
    if LABEL not in (found.labels or {}):
        raise BenchError(f"an image {tag} is there that the benchmark has not made; give another --name")


def is_there(client: docker.DockerClient, tag: str) -> bool:
    """True when the engine has an image of this name."""
    import docker.errors

    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        return False
    return True


def remove(client: docker.DockerClient, tag: str) -> None:
    """Remove the image of this name, and the layers that only it has; one that is gone already is fine."""
    import docker.errors

    try:
        client.images.remove(tag)
    except docker.errors.ImageNotFound:
        return
