"""Data of a store in a folder of the project that reaches the build context or git. In: a `Setup`. Out: findings."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from imgscan.diff import Edit
from imgscan.dockerfile.ignore import is_ignored, parse_ignore
from imgscan.errors import InputError
from imgscan.model import Evidence, Finding, Fix
from imgscan.pathglob import GlobError, compile_glob
from imgscan.project.data.places import in_compose
from imgscan.project.data.stores import Stateful, stateful_services
from imgscan.project.data.storetable import within
from imgscan.project.mendfiles import patch_of_files
from imgscan.project.setup import Setup
from imgscan.rulebook import make_finding


def detect(setup: Setup) -> Iterator[Finding]:
    """One finding per service whose data are in reach of a build or of git."""
    for stateful in stateful_services(setup):
        mount = stateful.holder
        if mount is None or mount.kind != "bind" or mount.source is None or not stateful.kept:
            continue
        source = posixpath.normpath(mount.source)
        if source.startswith(("/", "..", "~", "$")) or source == ".":
            continue
        contexts = [context for context in _contexts(setup) if within(source, context or source)]
        reached = [context for context in contexts if not _ignored(setup, context, source)]
        in_git = ".git" in setup.tree.folders and not _git_ignores(setup, source)
        if reached or in_git:
            yield _finding(setup, stateful, source, reached, in_git)


def _contexts(setup: Setup) -> list[str]:
    """The folders that compose builds from."""
    found = {
        service.build.context
        for compose in setup.composes
        for service in compose.services.values()
        if service.build is not None and service.build.context is not None
    }
    return sorted({"" if context == "." else context for context in found})


def _ignore_file(setup: Setup, context: str) -> str:
    return posixpath.join(context, ".dockerignore") if context else ".dockerignore"


def _ignored(setup: Setup, context: str, source: str) -> bool:
    text = setup.tree.text(_ignore_file(setup, context))
    relative = posixpath.relpath(source, context) if context else source
    if text is None:
        return False
    try:
        return is_ignored(parse_ignore(text), f"{relative}/data")
    except InputError:
        return False


def _git_ignores(setup: Setup, source: str) -> bool:
    """Whether a .gitignore on the way to the folder keeps it out; what re-includes is taken to do so for this."""
    parts = source.split("/")
    for depth in range(len(parts)):
        folder = "/".join(parts[:depth])
        text = setup.tree.text(posixpath.join(folder, ".gitignore"))
        below = "/".join(parts[depth:])
        for line in (text or "").splitlines()[:2_000]:
            pattern = line.strip()
            if pattern and not pattern.startswith(("#", "!")) and _git_matches(pattern, below):
                return True
    # A folder that keeps itself: `*` in its own .gitignore.
    own = setup.tree.text(f"{source}/.gitignore") or ""
    return any(line.strip() in ("*", "/*") for line in own.splitlines())


def _git_matches(pattern: str, path: str) -> bool:
    try:
        return compile_glob(pattern)(f"{path}/data")
    except GlobError:
        return False


def _finding(setup: Setup, stateful: Stateful, source: str, reached: list[str], in_git: bool) -> Finding:
    mount, service = stateful.holder, stateful.service
    reach = [f"the build context {context or '.'}" for context in reached] + (["git"] if in_git else [])
    files = sorted({_ignore_file(setup, context) for context in reached} | ({".gitignore"} if in_git else set()))
    edits: dict[str, list[Edit]] = {}
    new: dict[str, str] = {}
    for context in reached:
        file = _ignore_file(setup, context)
        relative = posixpath.relpath(source, context) if context else source
        _append(setup, file, relative, edits, new)
    if in_git:
        _append(setup, ".gitignore", f"/{source}/", edits, new)
    return make_finding(
        "data-bind-mount",
        message=f"the data of {service.name} ({stateful.store.name}) lie in {source}, within reach of "
        f"{' and '.join(reach)}.",
        location=in_compose(mount.at if mount is not None else service.at),
        evidence=Evidence.DERIVED,
        identity=(service.at.file, service.name, source),
        fix=Fix(
            text=f"Use a named volume at {stateful.data}, or add {source} to {' and '.join(files)}.",
            patch=patch_of_files(setup, edits, new),
        ),
    )


def _append(setup: Setup, file: str, line: str, edits: dict[str, list[Edit]], new: dict[str, str]) -> None:
    text = setup.tree.text(file)
    if re.search(r"[\r\n]", line):
        return
    if text is None:
        new[file] = f"{line}\n"
    else:
        edits[file] = [
            Edit(start=len(text), end=len(text), text=("" if text.endswith("\n") or not text else "\n") + f"{line}\n")
        ]
