"""Images that share layers: real files of this Python's packages in layers, layers in chains, chains in a registry."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sysconfig
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.fleetregistry import MANIFEST_TYPE, Pusher, digest_of
from benchmarks.planted import token_for

_CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_BASES: Final = 5
"""One layer in so many is a base; the other ones come on top of it."""
_LEAKS: Final = 7
"""One layer in so many has a token in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFile:
    """A layer in a file, compressed. `size_bytes` is how much text is in it."""

    path: Path
    diff_id: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Images by name (REPOSITORY:TAG) and their layers, base first."""

    names: tuple[str, ...]
    chains: Mapping[str, tuple[LayerFile, ...]]


def seeded(seed: int) -> Random:
    """The same images every time."""
    return Random(seed)  # noqa: S311  # nothing of it is a secret


def make_layers(count: int, size_bytes: int, random: Random, folder: Path) -> list[LayerFile]:
    """So many distinct layers of about so much text each."""
    files = sorted(path for path in Path(sysconfig.get_path("purelib")).rglob("*") if path.suffix in _TEXTS)
    return [_make_layer(number, size_bytes, files, random, folder) for number in range(count)]


_TEXTS: Final = frozenset({".py", ".pyi", ".js", ".json", ".md", ".txt", ".css", ".html"})


def make_fleet(prefix: str, images: int, layers: Sequence[LayerFile], random: Random) -> Fleet:
    """Images of one base and one to four more layers each, all layers used, no two images alike."""
    bases, tops = layers[: max(len(layers) // _BASES, 1)], layers[max(len(layers) // _BASES, 1) :]
    chains: dict[str, tuple[LayerFile, ...]] = {}
    seen: set[tuple[str, ...]] = set()
    while len(chains) < images:
        number = len(chains)
        top = tops[number % len(tops)]
        others = random.sample([layer for layer in tops if layer is not top], random.randint(0, 3))
        chain = (random.choice(bases), *others, top)
        key = tuple(layer.digest for layer in chain)
        if key not in seen:
            seen.add(key)
            chains[f"{prefix}/team{number % 7}/app{number // 4}:{number % 4 + 1}"] = chain
    return Fleet(names=tuple(chains), chains=chains)


def push_image(pusher: Pusher, name: str, chain: Sequence[LayerFile]) -> None:
    """An image under its name."""
    repository, _, tag = name.partition(":")
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/usr/bin"], "Labels": {"name": name}},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in chain]},
            "history": [{"created_by": f"COPY part-{layer.diff_id[7:15]} /srv"} for layer in chain],
        }
    ).encode()
    pusher.blob(repository, digest_of(config), config)
    for layer in chain:
        pusher.blob(repository, layer.digest, layer.path.read_bytes(), of=_home(layer, repository))
        _HOMES.setdefault(layer.digest, repository)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": _CONFIG_TYPE, "digest": digest_of(config), "size": len(config)},
        "layers": [
            {"mediaType": _LAYER_TYPE, "digest": layer.digest, "size": layer.path.stat().st_size} for layer in chain
        ],
    }
    pusher.manifest(repository, tag, json.dumps(manifest).encode())


_HOMES: Final[dict[str, str]] = {}


def _home(layer: LayerFile, repository: str) -> str:
    """A repository that has the layer already."""
    found = _HOMES.get(layer.digest, "")
    return found if found != repository else ""


def _make_layer(number: int, size_bytes: int, files: Sequence[Path], random: Random, folder: Path) -> LayerFile:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, data in _contents(number, size_bytes, files, random):
            item = tarfile.TarInfo(path)
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))
    data = raw.getvalue()
    packed = gzip.compress(data, 1, mtime=0)
    file = folder / f"{hashlib.sha256(packed).hexdigest()}.tar.gz"
    file.write_bytes(packed)
    return LayerFile(path=file, diff_id=digest_of(data), digest=digest_of(packed), size_bytes=size_bytes)


def _contents(number: int, size_bytes: int, files: Sequence[Path], random: Random) -> Iterator[tuple[str, bytes]]:
    """Files up to a size, no two layers with the same ones at the same place; a token in some layers."""
    yield f"srv/{number}/id", random.randbytes(16).hex().encode()
    if number % _LEAKS == 0:
        yield f"srv/{number}/settings.py", f"TOKEN = '{token_for(f'fleet {number}')}'\n".encode()
    left = size_bytes
    while left > 0:
        path = random.choice(files)
        data = path.read_bytes()[:left]
        yield f"srv/{number}/{left}/{path.name}"[:99], data
        left -= max(len(data), 1)
