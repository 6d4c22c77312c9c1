"""The calls of a RUN that cost minutes: dependency installs, and builds that install by the way. Pure.

In: a `RunStep`. Out: `Call`s, named by program and verb only: arguments of an install may hold credentials, so the text
of a command is never shown.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from imgscan.detect.stages.producers import located_commands, located_installs
from imgscan.detect.stages.records import RunStep
from imgscan.dockerfile.install import Ecosystem, Install
from imgscan.dockerfile.tree import Command
from imgscan.frozen import frozen

_VERB: Final = r"\b{}(?:@[\w.]+)?\s+(?:-\S+\s+)*([a-z][a-z:.-]{{0,20}})\b"
_PROGRAMS: Final = {
    "apt": "apt(?:-get)?",
    "maven": r"mvnw?",
    "gradle": "gradlew?",
    "bundler": "bundle",
    "pip": r"pip[\d.]*",
}
_PAIRS: Final = frozenset({"mod", "pip", "pub", "workspaces", "package", "env", "chef", "global"})
_ADVICE: Final = {
    "pnpm": "`pnpm fetch` needs only the lockfile and pnpm-workspace.yaml: edited manifests then keep the downloads.",
    "poetry": "`poetry install --no-root`",
    "uv": "`uv sync --locked --no-install-project`",
    "pip": "`pip install -r requirements.txt`",
    "go": "`go mod download` does it for go.mod and go.sum.",
    "maven": "`mvn dependency:go-offline` does it for pom.xml.",
    "cargo": "`cargo fetch --locked`, or cargo-chef, does it for the manifests.",
    "dotnet": "`dotnet restore` does it for the project files.",
    "gradle": "`gradle dependencies` does it for the build scripts.",
}


@frozen
class Call:
    """One call. `implicit`: a build that downloads dependencies by the way; `needs_sources`: it also installs the
    project itself; `folder`: where it works, None if that cannot be known; `same`: equal
    for calls with the same words."""

    label: str
    manager: str
    ecosystem: Ecosystem
    folder: str | None
    manifests: tuple[str, ...]
    lockfiles: tuple[str, ...]
    implicit: bool = False
    needs_sources: bool = False
    offline: bool = False
    same: int = 0

    @property
    def advice(self) -> str:
        """How the manager installs dependencies without the sources; nothing where that is its normal way."""
        wanted = self.implicit or self.needs_sources or self.manager == "pnpm"
        return _ADVICE.get(self.manager, "") if wanted else ""


@frozen
class _Builder:
    program: re.Pattern[str]
    verbs: frozenset[str]
    manager: str
    ecosystem: Ecosystem
    manifests: tuple[str, ...]
    lockfiles: tuple[str, ...] = ()
    not_with: tuple[str, ...] = ()


# A build needs a lockfile (go.sum) or a manifest to have something to download.
_BUILDERS: Final = (
    _Builder(
        program=re.compile(r"go[\d.]*"),
        verbs=frozenset({"build", "install", "test"}),
        manager="go",
        ecosystem=Ecosystem.GO,
        manifests=(),
        lockfiles=("go.sum",),
        not_with=("-mod=vendor",),
    ),
    _Builder(
        program=re.compile("cargo"),
        verbs=frozenset({"build", "b", "test"}),
        manager="cargo",
        ecosystem=Ecosystem.RUST,
        manifests=("Cargo.toml",),
        lockfiles=("Cargo.lock",),
        not_with=("--offline",),
    ),
    _Builder(
        program=re.compile("mvnw?|mvnd"),
        verbs=frozenset({"package", "install", "verify", "compile", "test", "deploy"}),
        manager="maven",
        ecosystem=Ecosystem.JVM,
        manifests=("pom.xml",),
        not_with=("-o", "--offline"),
    ),
    _Builder(
        program=re.compile("gradlew?"),
        verbs=frozenset({"build", "assemble", "bootJar", "jar", "shadowJar", "installDist", "test"}),
        manager="gradle",
        ecosystem=Ecosystem.JVM,
        manifests=("build.gradle", "build.gradle.kts"),
        not_with=("--offline",),
    ),
    _Builder(
        program=re.compile("dotnet"),
        verbs=frozenset({"publish", "build", "test"}),
        manager="dotnet",
        ecosystem=Ecosystem.DOTNET,
        manifests=("NuGet.config", "Directory.Packages.props", "global.json"),
        not_with=("--no-restore",),
    ),
)


def calls_of(run: RunStep) -> tuple[Call, ...]:
    """The calls of a RUN, in order."""
    return _calls(run.command, run.cwd)


@lru_cache(maxsize=4096)
def _calls(command: Command, cwd: str) -> tuple[Call, ...]:
    installs = [_of_install(found.install, found.folder) for found in located_installs(command, cwd)]
    return (*installs, *_builds(command, cwd))


def _of_install(install: Install, folder: str | None) -> Call:
    return Call(
        label=label(install),
        manager=install.manager,
        ecosystem=install.ecosystem,
        folder=folder,
        manifests=install.manifests,
        lockfiles=install.lockfiles,
        needs_sources=_installs_project(install),
        offline="--offline" in install.command_text,
        same=hash(install.command_text),
    )


def _installs_project(install: Install) -> bool:
    """Whether the project itself is installed too, which needs its sources."""
    words = install.command_text.split()
    if install.manager == "poetry":
        return "--no-root" not in words and "--only" not in words
    if install.manager == "uv" and "sync" in words:
        return not any(word.startswith("--no-install-") for word in words)
    return install.manager in ("pip", "uv") and "pyproject.toml" in install.manifests


def label(install: Install) -> str:
    """`npm ci`, `pip install`: program and verb, none of the arguments."""
    program = _PROGRAMS.get(install.manager, re.escape(install.manager))
    found = re.search(_VERB.format(f"({program})"), install.command_text)
    if not found:
        return install.manager
    second = re.match(r"\s+([a-z][a-z-]{1,20})\b", install.command_text[found.end() :])
    return f"{found[1]} {found[2]}" + (f" {second[1]}" if second and found[2] in _PAIRS else "")


def _builds(command: Command, cwd: str) -> Iterator[Call]:
    for simple, folder in located_commands(command, cwd):
        program = posixpath.basename(simple.words[0]) if simple.words else ""
        for builder in _BUILDERS:
            verb = next((word for word in simple.words[1:] if word in builder.verbs), None)
            if verb is None or not builder.program.fullmatch(program):
                continue
            if any(flag in simple.words for flag in builder.not_with):
                continue
            yield Call(
                label=f"{program} {verb}",
                manager=builder.manager,
                ecosystem=builder.ecosystem,
                folder=folder,
                manifests=builder.manifests,
                lockfiles=builder.lockfiles,
                implicit=True,
            )
