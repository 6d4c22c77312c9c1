"""Where an image comes from (engine, archive, layout, registry) -> an `ImageReader` over configuration and layers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from imgscan.errors import EngineError, InputError
from imgscan.escape import plain
from imgscan.source.platforms import Platform, parse_platform
from imgscan.source.records import HistoryEntry, Image, ImageConfig, ImageReader, Layer, LayerBlob

if TYPE_CHECKING:
    from imgscan.engine import Engine

_LISTS = ("index.json", "manifest.json")
_STDIN = ("-:", "stdin://")
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
    note: Callable[[str], None] = lambda _: None,
) -> ImageReader:
    """Open what the user named.

    `-` is standard input, `-:NAME` (or `stdin://NAME`) one image of what comes there; `FILE` or `FILE:NAME:TAG` an
    archive (docker save or OCI, plain or compressed); `DIR` or `DIR:NAME` an OCI layout, or what skopeo and Podman
    write as `dir:`; `registry://HOST/REPOSITORY[:TAG]` an image in a registry, where `insecure_hosts` may do without
    TLS and from which no more than `bytes_per_s` are read (0: as much as comes), `docker://…` is the same, as skopeo
    spells it; anything else, and what follows `docker-daemon:`, an image of `engine`, which is connected to when None.
    What may be both is the engine's: whoever may put a file into a folder could have it looked at in place of an image;
    `./FILE` is the file.
    `platform` says which image where there are several; `say` is told what is being waited for, `note` what was taken
    where a name means more than one thing.
    Raises InputError for what is not there or no image, EngineError when engine or registry do not answer.
    """
    wanted = parse_platform(platform) if platform is not None else None
    target = _without_skopeo(target)
    if not target:
        raise InputError("no image given", next_step="name an image of the engine or an archive file")
    if target == "-" or target.startswith(_STDIN):
        from imgscan.source.archive import open_stdin

        return open_stdin(target.partition(":")[2].removeprefix("//") or None, wanted)
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
        ambiguous = found[1] is None and not looks_like_a_path(target)
        named = _open_both(target, engine, wanted, note) if ambiguous else None
        if named is not None:
            return named
        _refuse_project(found[0])
        from imgscan.source.archive import open_archive

        return open_archive(*found, wanted)
    if looks_like_a_path(target):
        raise InputError(f"no such file: {plain(target)}", next_step=_without_transport(target))
    return _open_named(target, engine, wanted)


def _open_both(
    target: str, engine: Engine | None, wanted: Platform | None, note: Callable[[str], None]
) -> ImageReader | None:
    """The engine's image of a name that a file here has too; None where the engine has none."""
    from imgscan.source.engine import open_engine_image

    kind = "folder" if Path(target).is_dir() else "file"
    try:
        opened = open_engine_image(target, engine, wanted)
    except InputError:
        return None
    except EngineError as error:
        note(f"{plain(target)} is the {kind} of that name here, not an image of the engine ({error.what})")
        return None
    note(f"{plain(target)} is the engine's image; the {kind} of that name here is {plain(_path_to(target))}")
    return opened


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
            next_step=_without_transport(target) or _project_step(path) or _image_of(target) or error.next_step,
        ) from error


def _image_of(target: str) -> str:
    """What to run for an image of an archive that was named without `./`; "" where there is no such archive."""
    for end, character in enumerate(target):
        name = target[:end]
        if character == ":" and not looks_like_a_path(name) and _means_a_file(Path(name), explicit=False):
            return f"{_command('scan', _path_to(target))} is the image of the archive here"
    return ""


def _path_to(target: str) -> str:
    return target if looks_like_a_path(target) else f"./{target}"


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
    """What to run for `docker-archive:FILE[:NAME]` and its like, as other tools name an archive."""
    transport, colon, rest = target.partition(":")
    if colon and transport == "containers-storage":
        step = "podman save --format oci-archive -o image.tar IMAGE, then imgscan scan image.tar"
        return f"{step}; or set DOCKER_HOST to Podman's socket"
    rest = rest.removeprefix("//")
    file, behind, _ = rest.partition(":")
    if not colon or transport not in _TRANSPORTS or not os.path.lexists(file):
        return ""
    # A name behind it needs what is clearly a path.
    return f"{_command('scan', _path_to(rest) if behind else rest)} (kinds of archives are told by what they hold)"


def _without_skopeo(target: str) -> str:
    """What skopeo's name for an image of a registry or of an engine is here; any other name as it is."""
    if target.startswith("docker://"):
        return f"registry://{target.removeprefix('docker://')}"
    name = target.removeprefix("docker-daemon:")
    return name if name != target and set(":/@") & set(name) else target


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
    """Whether a folder is an OCI layout, or what skopeo and Podman write as `dir:`. A web application has a
    manifest.json of another kind."""
    try:
        if (path / "oci-layout").is_file():
            return True
        return any((path / name).is_file() and _lists_images(path / name) for name in _LISTS)
    except OSError:
        return False


def _lists_images(path: Path) -> bool:
    """Whether a file has the form of a list of images, or of a manifest; one that is no JSON may be a damaged list."""
    from imgscan.source.config import MAX_JSON_BYTES, member, parse_json

    if path.stat().st_size > MAX_JSON_BYTES:
        return True
    try:
        document = parse_json(path.read_bytes(), path.name)
    except InputError:
        return True
    named = ("manifests", "config", "schemaVersion")
    return isinstance(document, list) or any(member(document, name) is not None for name in named)


def looks_like_a_path(target: str) -> bool:
    """Whether a target is spelled as a path, so that it means no image's name."""
    return target in (".", "..") or target.startswith(("/", "./", "../")) or target.endswith(_ENDINGS)
