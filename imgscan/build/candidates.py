"""The files of a context, by name -> which are sources, lockfiles, manifests, and which of each to touch. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from imgscan.build.reach import Reach
from imgscan.detect.words import is_volatile_name
from imgscan.dockerfile.install import Install, find_installs
from imgscan.dockerfile.parse import Dockerfile
from imgscan.lazyre import lazy_re

# The lockfiles of every ecosystem (reference: each manager's documentation), best known first.
LOCKFILES: Final = (
    *("pnpm-lock.yaml", "package-lock.json", "yarn.lock", "npm-shrinkwrap.json", "bun.lock", "bun.lockb"),
    *("poetry.lock", "uv.lock", "Pipfile.lock", "pdm.lock", "go.sum", "Cargo.lock", "composer.lock", "Gemfile.lock"),
    *("gems.locked", "packages.lock.json", "mix.lock", "pubspec.lock", "Package.resolved", "gradle.lockfile"),
    *("deno.lock", "go.work.sum", "flake.lock", "Podfile.lock"),
)
_REQUIREMENTS: Final = lazy_re(
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
_NO_SOURCE: Final = lazy_re(
    r"""(?:^|/)(?:\.[^/]+|node_modules|vendor|dist|build|target|__pycache__|venv|site-packages|docs?|tests?|spec|__tests__
    |__mocks__|fixtures?|testdata|examples?|e2e|coverage|stories|cypress|playwright|migrations?|generated|third_party)/
    | (?:^|/)\.[^/]*$ | (?:[._-](?:test|spec|stories|e2e|d|min|config|conf|setup|generated|pb|g)\.[^/]+$)
    | (?:^|/)(?:test_[^/]*|[^/]*_test\.(?:go|py|rb)|conftest\.py|setup\.py|noxfile\.py|build\.rs|build\.gradle[^/]*
    |settings\.gradle[^/]*|mix\.exs|gulpfile[^/]*|gruntfile[^/]*|rakefile|dockerfile[^/]*|containerfile[^/]*
    |[^/]*\.dockerfile|package\.swift|tsconfig[^/]*)$""",
    re.IGNORECASE | re.VERBOSE,
)
_GOOD_FOLDER: Final = lazy_re(
    r"(?:^|/)(?:src|app|lib|cmd|internal|server|api|backend|web|pkg|source)(?=/)", re.IGNORECASE
)
_GOOD_NAME: Final = lazy_re(
    r"^(?:main|index|server|app|application|program|mod|lib|routes?|api|__main__)\.", re.IGNORECASE
)
# What dependencies and scripts are written down in, best known first; with a name of its own in every project: .csproj.
MANIFESTS: Final = (
    *("package.json", "pyproject.toml", "go.mod", "Cargo.toml", "composer.json", "Gemfile", "pom.xml"),
    *("build.gradle", "build.gradle.kts", "Pipfile", "mix.exs", "pubspec.yaml", "Package.swift", "deno.json"),
)
_PROJECT_FILE: Final = lazy_re(r"[^/]+\.(?:cs|fs|vb)proj$")
_DOCUMENT: Final = lazy_re(
    r"(?:readme|changelog|contributing|code_of_conduct|authors|history|security)(?:[._-][^/]*)?|[^/]+\.(?:md|rst|adoc)",
    re.IGNORECASE,
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
    wanted = [name for install in _installs(reach) for name in install.lockfiles]
    return _nearest(paths, (*wanted, *LOCKFILES), _REQUIREMENTS)


def choose_manifest(paths: Sequence[str], reach: Reach) -> str | None:
    """The manifest of the install that is measured, nearest to the root of the context; never a list of requirements,
    in which nothing stands but dependencies."""
    known = {*MANIFESTS}
    wanted = [name for install in _installs(reach) for name in install.manifests if posixpath.basename(name) in known]
    return _nearest(paths, (*wanted, *MANIFESTS), _PROJECT_FILE)


def choose_unrelated(paths: Iterable[str]) -> str | None:
    """A document of the context that has nothing to do with the image: a README first, nearest to the root."""
    found = [path for path in paths if _DOCUMENT.fullmatch(posixpath.basename(path))]
    return min(
        found,
        key=lambda path: (path.count("/"), not posixpath.basename(path).lower().startswith("readme"), path),
        default=None,
    )


def choose_argument(dockerfile: Dockerfile, reach: Reach) -> str | None:
    """The first ARG of a needed stage whose name says that every build gives it another value; none that names a base
    image."""
    bases = " ".join(stage.base for stage in dockerfile.stages)
    for name in declared_arguments(reach):
        if is_volatile_name(name) and not re.search(rf"\$\{{?{re.escape(name)}\b", bases):
            return name
    return None


def declared_arguments(reach: Reach) -> tuple[str, ...]:
    """The names of the arguments that the needed stages declare, in the order of the Dockerfile."""
    views = [view for view in reach.simulation.stages if view.stage.index in reach.simulation.needed]
    commands = [command for view in views for command in view.stage.commands if command.keyword == "ARG"]
    return tuple(dict.fromkeys(word.partition("=")[0] for command in commands for word in command.words))


def _nearest(paths: Sequence[str], names: Sequence[str], others: re.Pattern[str]) -> str | None:
    """The path with the name that comes first in `names`, or failing that with one of `others`; of several the one
    nearest to the root."""
    ranks = {posixpath.normpath(name): at for at, name in reversed(list(enumerate(names)))}
    best: list[tuple[int, int, str]] = []
    for path in paths:
        rank = min((ranks[key] for key in (path, posixpath.basename(path)) if key in ranks), default=None)
        if rank is None and others.search(path):
            rank = len(names)
        if rank is not None:
            best.append((rank, path.count("/"), path))
    return min(best)[2] if best else None


def _installs(reach: Reach) -> Iterator[Install]:
    """The installs of the needed stages."""
    for index in sorted(reach.simulation.needed):
        for run in reach.simulation.stages[index].runs:
            yield from find_installs(run.command)


def _unlikeliness(path: str) -> tuple[bool, bool, int, int, str]:
    folder, _, name = path.rpartition("/")
    return (
        not _GOOD_FOLDER.search(f"{folder}/"),
        not _GOOD_NAME.match(name),
        name.lower().endswith((".html", ".htm", ".css", ".scss", ".sass", ".less", ".sql")),
        path.count("/"),
        path,
    )
