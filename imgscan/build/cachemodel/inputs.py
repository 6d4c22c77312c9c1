"""Build contexts and inspected images -> what the model is fed with, and the same after an edit that was not made.

Files may be read (`hash_files`), which finds a file again under another name; or each counts as its own content, which
is enough to ask what an edit of a path would do.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from imgscan.build.cachemodel.records import BaseImage, InputFile, Inputs
from imgscan.dockerfile.context import BuildContext, ContextFile
from imgscan.dockerfile.ignore import is_ignored
from imgscan.model import EntryKind

_CHUNK: Final = 1 << 20

Digest = Callable[[ContextFile], str]


def context_files(
    context: BuildContext, digest: Digest | None = None, *, archive: bool = False
) -> tuple[InputFile, ...]:
    """The files of a context. Without `digest` each is its own content. `archive`: as imgscan sends it, so that a
    Dockerfile that is ignored or lies outside is there under the name it is sent by."""
    files = [
        InputFile(
            path=file.path,
            kind=file.kind,
            mode=file.mode,
            digest=(digest(file) if digest else f"as it is: {file.path}") if file.kind is EntryKind.FILE else "",
            link_target=file.link_target,
            size_bytes=file.size_bytes,
        )
        for file in context.files
    ]
    if archive and all(file.path != context.dockerfile for file in files):
        text = hashlib.sha256(context.dockerfile_text).hexdigest()
        files.append(InputFile(path=context.dockerfile, kind=EntryKind.FILE, mode=0o644, digest=text))
    return tuple(files)


def hash_files(context: BuildContext) -> Digest:
    """A digest that reads the files. It raises OSError for one that cannot be read."""

    def digest(file: ContextFile) -> str:
        found = hashlib.sha256()
        descriptor = os.open(context.root / file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            while piece := opened.read(_CHUNK):
                found.update(piece)
        return found.hexdigest()

    return digest


def edit_files(inputs: Inputs, paths: Collection[str], context: BuildContext, label: str = "edited") -> Inputs:
    """The inputs after an edit of these paths, relative to the context. One that is not there is new, unless it is
    ignored; different labels are different edits."""
    there = {file.path for file in inputs.files}
    files = [_edited(file, label) if file.path in paths else file for file in inputs.files]
    files += [
        InputFile(path=path, kind=EntryKind.FILE, mode=0o644, digest=f"{label}: {path}")
        for path in sorted(set(paths) - there)
        if not (context.rules and is_ignored(context.rules, path))
    ]
    return replace(inputs, files=tuple(files))


def _edited(file: InputFile, label: str) -> InputFile:
    if file.kind is EntryKind.FILE:
        return replace(file, digest=f"{label}: {file.path}", mtime_ns=None)
    # A link that points elsewhere; where is not known, and matters only to who follows it.
    return replace(file, link_target=f"{label}: {file.path}") if file.kind is EntryKind.SYMLINK else file


def read_base(inspected: Mapping[str, Any]) -> BaseImage:
    """What `docker image inspect` says of an image (Docker Engine API, ImageInspect)."""
    config = inspected.get("Config") or {}
    layers = (inspected.get("RootFS") or {}).get("Layers") or []
    pairs = (str(text).partition("=") for text in config.get("Env") or ())
    return BaseImage(
        layers=" ".join(map(str, layers)) or str(inspected.get("Id", "")),
        config=str(inspected.get("Id", "")),
        env=tuple((name, value) for name, _, value in pairs),
        workdir=str(config.get("WorkingDir") or "/"),
        user=str(config.get("User") or ""),
        shell=tuple(map(str, config.get("Shell") or ())),
        triggers=tuple(map(str, config.get("OnBuild") or ())),
    )
