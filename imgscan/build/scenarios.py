"""The context and its Dockerfile -> which source file and which lockfile the rebuild scenarios touch.

The source file is one that people do edit: of those the image is made from, the one that the latest commits changed
most. Without a history, names and folders decide. The lockfile is the one nearest to the install that is measured.
"""

from __future__ import annotations

import difflib
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgscan.build.gitlog import count_changes
from imgscan.build.reach import Reach
from imgscan.build.touch import touch_lockfile, touch_source
from imgscan.dockerfile.context import BuildContext
from imgscan.dockerfile.install import find_installs
from imgscan.errors import InputError
from imgscan.model import EntryKind, Skipped

SCENARIOS: Final = ("cold", "noop", "touch-source", "touch-lockfile")
MAX_TOUCHED_BYTES: Final = 32 * 1024 * 1024
"""A larger file is no source: it would be read into memory for every repeat."""

# The lockfiles of every ecosystem (reference: each manager's documentation), best known first.
LOCKFILES: Final = (
    *("pnpm-lock.yaml", "package-lock.json", "yarn.lock", "npm-shrinkwrap.json", "bun.lock", "bun.lockb"),
    *("poetry.lock", "uv.lock", "Pipfile.lock", "pdm.lock", "go.sum", "Cargo.lock", "composer.lock", "Gemfile.lock"),
    *("gems.locked", "packages.lock.json", "mix.lock", "pubspec.lock", "Package.resolved", "gradle.lockfile"),
    *("deno.lock", "go.work.sum", "flake.lock", "Podfile.lock"),
)
_REQUIREMENTS: Final = re.compile(
    r"(?:^|/)(?:requirements[\w.-]*|constraints[\w.-]*)\.txt$|(?:^|/)requirements/[\w.-]+\.txt$"
)
_SOURCE_EXTENSIONS: Final = frozenset(
    {
        *("py", "js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "vue", "svelte", "go", "rs", "java", "kt", "kts"),
        *("scala", "groovy", "rb", "php", "cs", "fs", "vb", "swift", "ex", "exs", "erl", "hs", "c", "cc", "cpp", "cxx"),
        *(
            "h",
            "hpp",
            "m",
            "mm",
            "dart",
            "lua",
            "pl",
            "pm",
            "r",
            "jl",
            "clj",
            "cljs",
            "elm",
            "nim",
            "zig",
            "html",
            "htm",
        ),
        *("css", "scss", "sass", "less", "sql", "graphql", "proto"),
    }
)
_NO_SOURCE: Final = re.compile(
    r"""(?:^|/)(?:\.[^/]+|node_modules|vendor|dist|build|target|__pycache__|venv|site-packages|docs?|tests?|spec|__tests__
    |__mocks__|fixtures?|testdata|examples?|e2e|coverage|stories|cypress|playwright|migrations?|generated|third_party)/
    | (?:^|/)\.[^/]*$ | (?:[._-](?:test|spec|stories|e2e|d|min|config|conf|setup|generated|pb|g)\.[^/]+$)
    | (?:^|/)(?:test_[^/]*|[^/]*_test\.(?:go|py|rb)|conftest\.py|setup\.py|noxfile\.py|build\.rs|build\.gradle[^/]*
    |settings\.gradle[^/]*|mix\.exs|gulpfile[^/]*|gruntfile[^/]*|rakefile|dockerfile[^/]*|containerfile[^/]*
    |[^/]*\.dockerfile|package\.swift|tsconfig[^/]*)$""",
    re.IGNORECASE | re.VERBOSE,
)
_GOOD_FOLDER: Final = re.compile(
    r"(?:^|/)(?:src|app|lib|cmd|internal|server|api|backend|web|pkg|source)(?=/)", re.IGNORECASE
)
_GOOD_NAME: Final = re.compile(
    r"^(?:main|index|server|app|application|program|mod|lib|routes?|api|__main__)\.", re.IGNORECASE
)

Changes = Callable[[Path], Mapping[str, int]]
"""Path relative to the context -> how often the latest commits changed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """One file to be touched: `path` in the context, its original bytes, what to make of them for a nonce."""

    path: str
    content: bytes
    change: Callable[[str, bytes, str], bytes | None]

    def replacement(self, nonce: str) -> dict[str, bytes]:
        """The context's `replace` for one repeat."""
        changed = self.change(self.path, self.content, nonce)
        return {self.path: changed} if changed is not None else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the scenarios touch; None where nothing fits, with the reason in `skipped`."""

    source: Touch | None
    lockfile: Touch | None
    skipped: tuple[Skipped, ...] = ()


def choose_files(
    context: BuildContext,
    reach: Reach,
    *,
    touch_source_path: str | None = None,
    touch_lockfile_path: str | None = None,
    read_changes: Changes = count_changes,
) -> Choice:
    """The files to touch. Raises InputError for a path of the user's that is not in the context."""
    used = [
        file.path for file in context.files if file.kind is EntryKind.FILE and 0 <= file.size_bytes <= MAX_TOUCHED_BYTES
    ]
    reached = reach.files()
    used = [path for path in used if path in reached]
    skipped: list[Skipped] = []
    source = _given(context, touch_source_path, "--touch-source")
    if source is None:
        source = choose_source(used, read_changes(context.root))
    lockfile = _given(context, touch_lockfile_path, "--touch-lockfile") or choose_lockfile(used, reach)
    return Choice(
        source=_touch(context, source, "touch-source", touch_source, skipped),
        lockfile=_touch(context, lockfile, "touch-lockfile", touch_lockfile, skipped),
        skipped=tuple(skipped),
    )


def choose_source(paths: Iterable[str], changes: Mapping[str, int]) -> str | None:
    """The source file that is edited most often; ties and projects without history are decided by the names."""
    candidates = [path for path in paths if is_source(path)]
    return min(candidates, key=lambda path: (-changes.get(path, 0), *_unlikeliness(path)), default=None)


def is_source(path: str) -> bool:
    """Whether a path looks like a source file that people edit: no manifest, lockfile, document, test, setting."""
    extension = posixpath.basename(path).rpartition(".")[2].lower()
    return extension in _SOURCE_EXTENSIONS and not _NO_SOURCE.search(path)


def choose_lockfile(paths: Sequence[str], reach: Reach) -> str | None:
    """The lockfile of the install that is measured, nearest to the root of the context."""
    wanted = [name for install in _installs(reach) for name in install]
    ranks = {name: at for at, name in enumerate(dict.fromkeys((*wanted, *LOCKFILES)))}
    best: list[tuple[int, int, str]] = []
    for path in paths:
        name = posixpath.basename(path)
        rank = min((ranks[key] for key in (path, name) if key in ranks), default=None)
        if rank is None and _REQUIREMENTS.search(path):
            rank = len(ranks)
        if rank is not None:
            best.append((rank, path.count("/"), path))
    return min(best)[2] if best else None


def _installs(reach: Reach) -> Iterable[tuple[str, ...]]:
    """The lockfiles that the installs of the needed stages read."""
    for index in sorted(reach.simulation.needed):
        for run in reach.simulation.stages[index].runs:
            for install in find_installs(run.command):
                yield tuple(posixpath.normpath(name) for name in install.lockfiles)


def _unlikeliness(path: str) -> tuple[bool, bool, int, int, str]:
    folder, _, name = path.rpartition("/")
    return (
        not _GOOD_FOLDER.search(f"{folder}/"),
        not _GOOD_NAME.match(name),
        name.lower().endswith((".html", ".htm", ".css", ".scss", ".sass", ".less", ".sql")),
        path.count("/"),
        path,
    )


def _given(context: BuildContext, path: str | None, option: str) -> str | None:
    """The user's path as a path of the context."""
    if path is None:
        return None
    normal = posixpath.normpath(path.removeprefix(f"{context.root}/"))
    files = [file.path for file in context.files if file.kind is EntryKind.FILE]
    if normal in files:
        return normal
    near = difflib.get_close_matches(normal, files[:20_000], n=3)
    near += [file for file in files if posixpath.basename(file) == posixpath.basename(normal) and file not in near][:3]
    raise InputError(
        f"{option}: there is no file {path} in the build context",
        cause="it does not exist there, or .dockerignore leaves it out",
        next_step=f"did you mean {', '.join(near[:3])}?" if near else "give a path relative to the build context",
    )


def _touch(
    context: BuildContext,
    path: str | None,
    scenario: str,
    change: Callable[[str, bytes, str], bytes | None],
    skipped: list[Skipped],
) -> Touch | None:
    if path is None:
        what = "source file" if scenario == "touch-source" else "lockfile"
        skipped.append(Skipped(where=scenario, reason=f"no {what} of the context is copied into the image"))
        return None
    try:
        content = read_context_file(context.root, path)
    except OSError as error:
        skipped.append(Skipped(where=scenario, reason=f"{path} cannot be read: {error.strerror or error}"))
        return None
    if change(path, content, "0") is None:
        skipped.append(Skipped(where=scenario, reason=f"{path} is binary: it cannot be changed without breaking it"))
        return None
    return Touch(path=path, content=content, change=change)


def read_context_file(root: Path, path: str) -> bytes:
    """A file of the context; never through a link at its end, never more than `MAX_TOUCHED_BYTES`."""
    descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_TOUCHED_BYTES)
