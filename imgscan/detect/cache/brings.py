"""What an instruction brings into a stage from the context, and whether an edit of it is an edit of sources.

In: a `Transfer` of the simulation. Out: `Brings`: how many files and bytes, how many of them are sources rather than
manifests, lockfiles and settings. Pure; what a folder holds is counted once.
"""

from __future__ import annotations

import posixpath
import re
from typing import Final

from imgscan.detect.stages.contextindex import ContextIndex, Match
from imgscan.detect.stages.records import Simulation, Transfer
from imgscan.detect.stages.stagesim import transfers_before
from imgscan.detect.stages.walk import MAX_COMMANDS, relative
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_MAX_CARRIED: Final = 1_000
_MAX_HOPS: Final = 8
_CODE: Final = frozenset(
    {
        *(
            ".js",
            ".mjs",
            ".cjs",
            ".ts",
            ".mts",
            ".cts",
            ".tsx",
            ".jsx",
            ".vue",
            ".svelte",
            ".astro",
            ".py",
            ".go",
            ".rs",
        ),
        *(".java", ".kt", ".kts", ".scala", ".groovy", ".rb", ".erb", ".php", ".twig", ".cs", ".fs", ".vb", ".razor"),
        *(
            ".c",
            ".cc",
            ".cpp",
            ".cxx",
            ".h",
            ".hpp",
            ".swift",
            ".ex",
            ".exs",
            ".erl",
            ".dart",
            ".hs",
            ".pl",
            ".pm",
            ".lua",
        ),
        *(
            ".html",
            ".htm",
            ".css",
            ".scss",
            ".less",
            ".sql",
            ".graphql",
            ".proto",
            ".clj",
            ".cljs",
            ".ejs",
            ".hbs",
            ".jsp",
        ),
    }
)
# Manifests, lockfiles and settings of every ecosystem: what an install may read. README and LICENSE are metadata of
# Python packages.
_INSTALL_FILE: Final = lazy_re(
    r"""(?:package(?:-lock)?\.json|npm-shrinkwrap\.json|pnpm-(?:lock|workspace)\.yaml|yarn\.lock|bun\.lockb?|bunfig\.toml
    |\.npmrc|\.yarnrc(?:\.yml)?|\.pnpmfile\.[cm]?js|\.pnp\.[cm]?js|lerna\.json|nx\.json|turbo\.json|rush\.json
    |\.(?:nvmrc|node-version|python-version|ruby-version|tool-versions)|deno\.jsonc?|deno\.lock|tsconfig[\w.-]*\.json
    |requirements[\w.-]*\.(?:txt|in)|[\w.-]*requirements\.(?:txt|in)|constraints[\w.-]*\.txt|pyproject\.toml
    |setup\.(?:py|cfg)|manifest\.in|pipfile(?:\.lock)?|(?:poetry|uv|pdm)\.(?:lock|toml)|environment[\w.-]*\.ya?ml|conda[\w.-]*\.(?:ya?ml|lock)
    |go\.(?:mod|sum|work|work\.sum)|cargo\.(?:toml|lock)|rust-toolchain(?:\.toml)?|build\.rs|pom\.xml|mvnw(?:\.cmd)?
    |[\w.-]*\.gradle(?:\.kts)?|gradle\.(?:properties|lockfile)|gradlew(?:\.bat)?|libs\.versions\.toml|ivy\.xml|build\.sbt
    |composer\.(?:json|lock)|symfony\.lock|gemfile(?:\.lock)?|[\w.-]*\.gemspec|[\w.-]*\.(?:cs|fs|vb)proj|[\w.-]*\.slnx?
    |directory\.[\w.]*props|nuget\.config|packages\.(?:lock\.json|config)|global\.json|mix\.(?:exs|lock)|rebar\.(?:config|lock)
    |package\.(?:swift|resolved|yaml)|pubspec\.(?:yaml|lock)|cpanfile(?:\.snapshot)?|[\w.-]*\.cabal|cabal\.project[\w.]*|stack\.yaml(?:\.lock)?
    |(?:\.?mise)\.toml|mise\.lock|readme[\w.-]*|licen[cs]e[\w.-]*|makefile|[\w.-]*\.config\.[cm]?[jt]s|\.eslintrc[\w.]*|babel\.config\.[\w.]+
    |dockerfile[\w.-]*|[\w.-]*\.dockerfile|\.dockerignore|[\w.-]*\.dockerignore|schema\.prisma)""",
    re.IGNORECASE | re.VERBOSE,
)
# Folders that installs use and people do not edit all day.
_INSTALL_FOLDERS: Final = frozenset(
    {
        *(
            "patches",
            ".yarn",
            ".mvn",
            "gradle",
            ".cargo",
            "vendor",
            "third_party",
            "wheels",
            "wheelhouse",
            "node_modules",
        ),
        *(
            "prisma",
            "certs",
            "ca-certificates",
            ".npm",
            "scripts",
            "script",
            "docker",
            ".docker",
            "etc",
            "rootfs",
            "buildsrc",
        ),
    }
)


@frozen
class Brings:
    """What a transfer brings. `sources`: files whose edit needs no install; `whole`: it is the whole context; `single`:
    only files named one by one; `example`: one of the sources."""

    transfer: Transfer
    files: int
    bytes: int
    sources: int
    manifests: int
    whole: bool
    single: bool
    example: str


class Bringing:
    """Answers what transfers bring. State: the folders counted so far."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.index: ContextIndex = simulation.index
        self.counts: dict[Match, tuple[int, int, str]] = {}

    def of(self, transfer: Transfer) -> Brings:
        """What the transfer brings from the context, also by way of other stages."""
        matches = carried(self.simulation, transfer)
        counted = [self._count(match) for match in matches]
        spans = [self.index.span(m.path) if m.is_directory else range(0) for m in matches]
        sizes = [
            self.index.size_bytes(span) if m.is_directory else self.index.size_of(m.path)
            for m, span in zip(matches, spans, strict=True)
        ]
        return Brings(
            transfer=transfer,
            files=sum(len(span) if m.is_directory else 1 for m, span in zip(matches, spans, strict=True)),
            bytes=sum(sizes),
            sources=sum(sources for sources, _, _ in counted),
            manifests=sum(manifests for _, manifests, _ in counted),
            whole=any(m.is_directory and not m.path for m in matches),
            single=all(not m.is_directory for m in matches),
            example=next((example for _, _, example in counted if example), ""),
        )

    def _count(self, match: Match) -> tuple[int, int, str]:
        """Sources, manifests, an example of a source."""
        known = self.counts.get(match)
        if known is None:
            known = self.counts[match] = self._look(match)
        return known

    def _look(self, match: Match) -> tuple[int, int, str]:
        folder = posixpath.basename(match.path).lower() if match.is_directory else ""
        sources, others, manifests, example = 0, 0, 0, ""
        for path in self.index.below(match):
            name = posixpath.basename(path)
            if _INSTALL_FILE.fullmatch(name):
                manifests += 1
            elif is_code(path):
                sources += 1
                example = example or path
            else:
                others += 1
        if folder in _INSTALL_FOLDERS and not manifests:
            return 0, manifests, ""
        if match.is_directory and not match.path and others and not sources:
            # The whole context: whatever else is in it is part of the key, too.
            stray = next(p for p in self.index.below(match) if not _INSTALL_FILE.fullmatch(posixpath.basename(p)))
            return others, manifests, stray
        return sources, manifests, example


def is_code(path: str) -> bool:
    """Whether the file is source code, by its name, and not part of what an install brings along."""
    if posixpath.splitext(path)[1].lower() not in _CODE:
        return False
    return _INSTALL_FOLDERS.isdisjoint(path.lower().split("/")[:-1])


def carried(simulation: Simulation, transfer: Transfer, hops: int = _MAX_HOPS) -> tuple[Match, ...]:
    """The context paths that a transfer brings, followed through `COPY --from` of other stages."""
    if transfer.opaque:
        return ()
    if transfer.from_stage is None:
        return (Match(path=transfer.source, is_directory=transfer.is_directory),)
    if hops <= 0:
        return ()
    found: dict[Match, None] = {}
    for inner in transfers_before(simulation, transfer.from_stage, MAX_COMMANDS + 1):
        if len(found) > _MAX_CARRIED:
            break
        if relative(inner.dest, transfer.source) is not None:
            found.update(dict.fromkeys(carried(simulation, inner, hops - 1)))
            continue
        inside = relative(transfer.source, inner.dest)
        if inside and inner.is_directory and inner.from_stage is None:
            path = posixpath.join(inner.source, inside)
            is_directory = path in simulation.index.folders
            if is_directory or path in simulation.index.known:
                found[Match(path=path, is_directory=is_directory)] = None
    return tuple(found)
