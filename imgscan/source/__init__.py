"""Where an image comes from (engine, archive, layout, registry) -> an `ImageReader` over configuration and layers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from imgscan.errors import InputError
from imgscan.escape import plain
from imgscan.source.platforms import Platform, parse_platform
from imgscan.source.records import HistoryEntry, Image, ImageConfig, ImageReader, Layer, LayerBlob

if TYPE_CHECKING:
    from imgscan.engine import Engine

_LAYOUT_FILES = ("oci-layout", "index.json", "manifest.json")
_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2", "/")
_DOCKERFILE = "Dockerfile"
_TRANSPORTS = ("docker-archive", "oci-archive", "oci-dir", "oci", "dir")
"""How dive, skopeo, syft and Podman say what kind of archive follows."""

__all__ = [
    "HistoryEntry",
    "Image",
    "ImageConfig",
    "ImageReader",
    "Layer",
    "LayerBlob",
    "is_layout",
    "local_file",
    "looks_like_a_path",
    "open_image",
]


def open_image(
    target: str,
    *,
    engine: Engine | None = None,
    platform: str | None = None,
    insecure_hosts: Iterable[str] = (),
    bytes_per_s: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> ImageReader:
    """Open what the user named.

    `-` is standard input; `FILE` or `FILE:NAME:TAG` an archive (docker save or OCI, plain or compressed); `DIR` or
    `DIR:NAME` an OCI layout, or what skopeo and Podman write as `dir:`; `registry://HOST/REPOSITORY[:TAG]` an image in
    a registry, where `insecure_hosts` may do without TLS and from which no more than `bytes_per_s` are read (0: as
    much as comes); anything else an image of `engine`, which is connected to when None. `platform` says which image
    where there are several; `say` is told what is being waited for.
    Raises InputError for what is not there or no image, EngineError when engine or registry do not answer.
    """
    wanted = parse_platform(platform) if platform is not None else None
    if not target:
        raise InputError("no image given", next_step="name an image of the engine or an archive file")
    if target == "-" or target.startswith("-:"):
        from imgscan.source.archive import open_stdin

        return open_stdin(target[2:] or None, wanted)
    if target.startswith("registry://"):
        from imgscan.source.backoff import Effects
        from imgscan.source.registry import open_registry_image

        return open_registry_image(
            target,
            platform=wanted,
            insecure_hosts=insecure_hosts,
            effects=Effects(say=say),
            bytes_per_s=bytes_per_s,
        )
    found = local_file(target)
    if found is not None:
        _refuse_project(found[0])
        from imgscan.source.archive import open_archive

        return open_archive(*found, wanted)
    if looks_like_a_path(target):
        raise InputError(f"no such file: {plain(target)}", next_step=_without_transport(target))
    return _open_named(target, engine, wanted)


def _open_named(target: str, engine: Engine | None, wanted: Platform | None) -> ImageReader:
    """An image of the engine. Where there is none, what lies in the folder under the same name may have been meant."""
    from imgscan.source.engine import open_engine_image

    try:
        return open_engine_image(target, engine, wanted)
    except InputError as error:
        path = Path(target)
        lies = ""
        if os.path.lexists(path):
            kind, wanting = ("folder", "holds no image") if path.is_dir() else ("file", "is no archive")
            lies = f"the {kind} of that name here {wanting}"
        raise InputError(
            error.what,
            cause="; ".join(filter(None, (error.cause, lies))),
            next_step=_without_transport(target) or _project_step(path) or error.next_step,
        ) from error


def _project_step(path: Path) -> str:
    """What to run for a folder that an image is built from; empty for anything else."""
    try:
        is_project = (path / _DOCKERFILE).is_file()
    except (OSError, ValueError):
        return ""
    return f"{_command('build-report', path)} builds the project's image and scans that" if is_project else ""


def _refuse_project(path: Path) -> None:
    """Raise InputError for a folder that an image is built from, and that holds none."""
    step = "" if is_layout(path) else _project_step(path)
    if step:
        raise InputError(f"{plain(str(path))} holds no image, but what one is built from", next_step=step)


def _command(name: str, path: Path | str) -> str:
    from shlex import quote

    return f"imgscan {name} {plain(quote(str(path)))}"


def _without_transport(target: str) -> str:
    """What to run for `docker-archive:FILE` and its like, as other tools name an archive."""
    transport, colon, rest = target.partition(":")
    rest = rest.removeprefix("//")
    named = colon and transport in _TRANSPORTS and os.path.lexists(rest)
    return f"{_command('scan', rest)} (kinds of archives are told by what they hold)" if named else ""


def local_file(target: str) -> tuple[Path, str | None] | None:
    """The file or layout a target names, with what follows it as the selector. A selector is only looked for behind
    what is clearly a path: `app:1` is an image, whatever lies in the folder."""
    if _means_a_file(Path(target), explicit=looks_like_a_path(target)):
        return Path(target), None
    for end, character in enumerate(target):
        name = target[:end]
        if character == ":" and looks_like_a_path(name) and _means_a_file(Path(name), explicit=True):
            return Path(name), target[end + 1 :] or None
    return None


def _means_a_file(path: Path, *, explicit: bool) -> bool:
    """Whether a name means something on disk. A plain word may be an image too: only an archive or a layout counts."""
    from imgscan.layers.codec import sniff
    from imgscan.layers.tarheader import BLOCK_BYTES, is_header

    try:
        if path.is_dir():
            return explicit or is_layout(path)
        if explicit or not path.is_file():
            return path.exists()
        with path.open("rb") as file:
            head = file.read(BLOCK_BYTES)
    except (OSError, ValueError):
        return False
    return is_header(head) or sniff(head) is not None


def is_layout(path: Path) -> bool:
    """Whether a folder is an OCI layout, or what skopeo and Podman write as `dir:`."""
    try:
        return any((path / name).is_file() for name in _LAYOUT_FILES)
    except OSError:
        return False


def looks_like_a_path(target: str) -> bool:
    """Whether a target is spelled as a path, so that it means no image's name."""
    return target in (".", "..") or target.startswith(("/", "./", "../")) or target.endswith(_ENDINGS)
