"""Every package manager's recipe: what its installs read of the project. In: a `Gathering`. Out: the same, filled."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.optimize.gather import Gathering
from imgscan.optimize.recipes_compiled import gather_cargo, gather_dotnet, gather_go, gather_gradle, gather_maven
from imgscan.optimize.recipes_node import gather_node
from imgscan.optimize.recipes_python import (
    gather_conda,
    gather_pdm,
    gather_pip,
    gather_pipenv,
    gather_poetry,
    gather_uv,
)
from imgscan.optimize.records import Unsafe

_GEMSPEC: Final = lazy_re(r"(?m)^\s*gemspec\b")
_GEM_PATH: Final = lazy_re(r"(?m)^[^#\n]*(?:\bpath:?\s*(?:=>)?\s*[\"']|\bpath\s+[\"'].*\bdo\b|:path\s*=>)")
_GEM_READS: Final = lazy_re(
    r"(?m)^[^#\n]*\b(?:eval_gemfile|File\.(?:read|open|exist)|require_relative|Dir\[|instance_eval)"
)
_LOCAL_PATH: Final = lazy_re(r"""\bpath:\s*["']|\.package\(\s*(?:name:\s*"[^"]*"\s*,\s*)?path:""")
_PUB_PATH: Final = lazy_re(r"(?m)^\s+path:\s*\S")


def gather(gathering: Gathering) -> None:
    """Fill in what the install needs. Raises Unsafe where its files cannot be told, or the sources are among them."""
    recipe = _RECIPES.get(gathering.call.manager)
    if gathering.call.manager == "uv" and "sync" not in gathering.words:
        recipe = gather_pip
    if not gathering.call.manifests and not gathering.call.lockfiles:
        if gathering.call.needs_sources:
            raise Unsafe("it installs the project itself")
        return
    if recipe is None:
        raise Unsafe(f"what {gathering.call.manager} reads is not known well enough")
    recipe(gathering)


def _composer(gathering: Gathering) -> None:
    """`composer install`: the packages first; scripts and the autoloader, which look at sources, where they were."""
    gathering.require("composer.json")
    gathering.require("composer.lock")
    gathering.take("auth.json", "symfony.lock")
    data = gathering.json("composer.json")
    repositories = data.get("repositories")
    listed = list(repositories.values()) if isinstance(repositories, dict) else repositories
    for repository in listed if isinstance(listed, list) else ():
        kind = repository.get("type") if isinstance(repository, dict) else None
        if kind == "path":
            raise Unsafe("composer.json has a repository that lies in the project")
        if kind == "artifact":
            gathering.require(str(repository.get("url")))
    gathering.overwritten = ("vendor",)
    wanted = [flag for flag in ("--no-scripts", "--no-autoloader") if flag not in gathering.words]
    if wanted:
        if "\\" in gathering.command.text or "\n" in gathering.command.text:
            raise Unsafe("its command spans several lines")
        gathering.prepare = f"{gathering.command.text} {' '.join(wanted)}"


def _bundler(gathering: Gathering) -> None:
    """`bundle install`."""
    if gathering.call.manifests[:1] != ("Gemfile",):
        raise Unsafe("it installs by another Gemfile")
    gathering.require("Gemfile", "gems.rb")
    text = (gathering.text("Gemfile") or "") + (gathering.text("gems.rb") or "")
    if _GEMSPEC.search(text):
        raise Unsafe("the Gemfile names the project's own gemspec, which reads its sources")
    if _GEM_PATH.search(text):
        raise Unsafe("the Gemfile has a gem whose sources lie in the project")
    if _GEM_READS.search(text):
        raise Unsafe("the Gemfile reads other files")
    gathering.take("Gemfile.lock", "gems.locked", ".ruby-version", ".tool-versions", ".bundle", "vendor/cache")
    gathering.overwritten = ("vendor/bundle",)


def _mix(gathering: Gathering) -> None:
    """`mix deps.get`, `mix deps.compile`."""
    gathering.require("mix.exs")
    gathering.take("mix.lock", "config", *gathering.below(re.compile(r"apps/[^/]+/mix\.exs")))
    for needed in tuple(gathering.needed.values()):
        text = gathering.scene.reader.text(needed.source) if needed.source.endswith("mix.exs") else None
        if text and _LOCAL_PATH.search(text):
            raise Unsafe(f"{needed.source} has a dependency whose sources lie in the project")
        if text and re.search(r"File\.|Code\.(?:require|eval)", text):
            raise Unsafe(f"{needed.source} reads other files")
    gathering.overwritten = ("deps", "_build")


def _swift(gathering: Gathering) -> None:
    """`swift package resolve`."""
    gathering.require("Package.swift")
    gathering.take("Package.resolved")
    if _LOCAL_PATH.search(gathering.text("Package.swift") or ""):
        raise Unsafe("Package.swift has a dependency whose sources lie in the project")
    gathering.overwritten = (".build",)


def _pub(gathering: Gathering) -> None:
    """`dart pub get`."""
    gathering.require("pubspec.yaml")
    gathering.take("pubspec.lock")
    if _PUB_PATH.search(gathering.text("pubspec.yaml") or ""):
        raise Unsafe("pubspec.yaml has a dependency whose sources lie in the project")
    gathering.overwritten = (".dart_tool",)


def _cpanm(gathering: Gathering) -> None:
    """`cpanm --installdeps .`."""
    gathering.require("cpanfile")
    gathering.take("cpanfile.snapshot")
    if any(gathering.locate(name) is not None for name in ("Makefile.PL", "Build.PL", "META.json", "META.yml")):
        raise Unsafe("its dependencies are also told by the project's own Makefile.PL or metadata")
    gathering.overwritten = ("local",)


def overwritten_patterns(gathering: Gathering) -> tuple[str, ...]:
    """The ignore lines that keep what the install makes from being overwritten by a copy of the sources."""
    nested = gathering.call.manager in ("npm", "pnpm", "yarn", "bun", "dotnet")
    root = gathering.root() or ""
    return tuple(f"**/{name}" if nested else posixpath.join(root, name) for name in gathering.overwritten)


_RECIPES: Final[dict[str, Callable[[Gathering], None]]] = {
    **dict.fromkeys(("npm", "pnpm", "yarn", "bun"), gather_node),
    "pip": gather_pip,
    "uv": gather_uv,
    "poetry": gather_poetry,
    "pipenv": gather_pipenv,
    "pdm": gather_pdm,
    "conda": gather_conda,
    "go": gather_go,
    "cargo": gather_cargo,
    "maven": gather_maven,
    "gradle": gather_gradle,
    "dotnet": gather_dotnet,
    "composer": _composer,
    "bundler": _bundler,
    "mix": _mix,
    "swift": _swift,
    "pub": _pub,
    "cpanm": _cpanm,
}
