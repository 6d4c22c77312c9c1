"""What installs of pip, uv, poetry, pipenv, pdm and conda read: requirement files and what they name, lockfiles."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

from imgscan.lazyre import lazy_re
from imgscan.optimize.gather import Gathering
from imgscan.optimize.records import Unsafe

_MOST_INCLUDES: Final = 50
_INCLUDE: Final = lazy_re(r"(?:-r|-c|--requirement|--constraint)[=\s]*(\S+)")
_LINKS: Final = lazy_re(r"(?:-f|--find-links)[=\s]+(\S+)")
_EDITABLE: Final = lazy_re(r"(?:-e|--editable)[=\s]")
_LOCAL: Final = lazy_re(r"(?:[\w.\[\],-]+\s*@\s*)?(?:file:|\.{1,2}(?:/|$|\[)|/)")
_ARCHIVE: Final = lazy_re(r"\.(?:whl|tar\.gz|zip)(?:$|[\s;#])")
_PATH_DEPENDENCY: Final = lazy_re(r"""\bpath\s*=\s*["']|\beditable\s*=\s*true|file:///""")


def gather_pip(gathering: Gathering) -> None:
    """`pip install -r …`, `uv pip install -r …`."""
    if gathering.call.needs_sources:
        raise Unsafe("it installs the project itself, which needs its sources: install the dependencies alone first")
    if any(word in ("-e", "--editable") or word.startswith("--editable=") for word in gathering.words):
        raise Unsafe("it installs an editable project, which is its sources")
    names = list(dict.fromkeys((*gathering.call.manifests, *gathering.call.lockfiles)))
    if not names:
        raise Unsafe("it reads no requirement file")
    seen: set[str] = set()
    for name in names:
        if _ARCHIVE.search(name):
            gathering.require(name)
        else:
            _take_requirements(gathering, name, seen)
    for links in _flag_values(gathering.words, "--find-links", "-f"):
        _take_links(gathering, "", links)


def _take_requirements(gathering: Gathering, name: str, seen: set[str]) -> None:
    if "$" in name or re.match(r"[a-z]+://", name):
        raise Unsafe(f"which requirement file {name} is cannot be known")
    name = posixpath.normpath(name)
    if name in seen:
        return
    seen.add(name)
    if len(seen) > _MOST_INCLUDES:
        raise Unsafe("its requirement files include too many others")
    gathering.require(name)
    text = gathering.text(name)
    if text is None:
        raise Unsafe(f"{name} cannot be read")
    folder = posixpath.dirname(name)
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        _take_line(gathering, name, folder, line.strip(), seen)


def _take_line(gathering: Gathering, name: str, folder: str, line: str, seen: set[str]) -> None:
    included = _INCLUDE.match(line)
    links = _LINKS.match(line)
    if included:
        _take_requirements(gathering, posixpath.join(folder, included[1]), seen)
    elif links:
        _take_links(gathering, folder, links[1])
    elif _EDITABLE.match(line) and not re.search(r"\b(?:git|hg|svn|bzr)\+", line):
        raise Unsafe(f"{name} installs the project's own sources ({line.split('#')[0].strip()})")
    elif _LOCAL.match(line):
        path = re.split(r"[\s;#]", line.partition("@")[2].strip() if "@" in line else line)[0]
        path = path.removeprefix("file:").removeprefix("//")
        if not _ARCHIVE.search(path) or not gathering.take(posixpath.join(folder, path)):
            raise Unsafe(f"{name} installs the project's own sources ({path})")


def _take_links(gathering: Gathering, folder: str, links: str) -> None:
    if "://" in links:
        return
    if "$" in links:
        raise Unsafe(f"where {links} is cannot be known")
    gathering.require(posixpath.normpath(posixpath.join(folder, links)))


def _flag_values(words: tuple[str, ...], *flags: str) -> Iterator[str]:
    for at, word in enumerate(words):
        if word in flags:
            yield from words[at + 1 : at + 2]
        yield from (word[len(flag) + 1 :] for flag in flags if word.startswith(f"{flag}="))


def gather_poetry(gathering: Gathering) -> None:
    """`poetry install`: the dependencies first, the project itself once its sources are there."""
    _require_project(gathering, "poetry.lock", "poetry.toml")
    data = gathering.toml("pyproject.toml")
    poetry = _table(_table(data, "tool"), "poetry")
    gathering.overwritten = (".venv",)
    if "--no-root" not in gathering.words and poetry.get("package-mode") is not False:
        gathering.prepare = _with_flag(gathering, "--no-root")


def gather_uv(gathering: Gathering) -> None:
    """`uv sync`: the dependencies first, the project and its workspace members once their sources are there."""
    _require_project(gathering, "uv.lock", "uv.toml", ".python-version")
    data = gathering.toml("pyproject.toml")
    workspace = _table(_table(_table(data, "tool"), "uv"), "workspace")
    gathering.overwritten = (".venv",)
    if workspace:
        gathering.take(*gathering.below(re.compile(r".+/pyproject\.toml")))
    if gathering.call.needs_sources:
        gathering.prepare = _with_flag(gathering, "--no-install-workspace" if workspace else "--no-install-project")


def gather_pipenv(gathering: Gathering) -> None:
    """`pipenv install`, `pipenv sync`."""
    gathering.require("Pipfile")
    gathering.take("Pipfile.lock")
    if _PATH_DEPENDENCY.search(gathering.text("Pipfile") or ""):
        raise Unsafe("Pipfile has a dependency whose sources lie in the project")
    gathering.overwritten = (".venv",)


def gather_pdm(gathering: Gathering) -> None:
    """`pdm install`, `pdm sync`."""
    _require_project(gathering, "pdm.lock", "pdm.toml")
    gathering.overwritten = (".venv", "__pypackages__")
    if not {"--no-self", "--no-editable"} & set(gathering.words):
        gathering.prepare = _with_flag(gathering, "--no-self")


def gather_conda(gathering: Gathering) -> None:
    """`conda env create -f …`."""
    gathering.require_all(gathering.call.manifests)
    for needed in tuple(gathering.needed.values()):
        text = gathering.scene.reader.text(needed.source) or ""
        if re.search(r"(?m)^\s*-\s*(?:-e|-r|--editable|--requirement|\.|file:)", text):
            raise Unsafe(f"{needed.source} names files of the project")


def _require_project(gathering: Gathering, lock: str, *settings: str) -> None:
    gathering.require("pyproject.toml")
    gathering.require(lock)
    gathering.take(*settings)
    text = gathering.text("pyproject.toml") or ""
    sources = _table(_table(_table(gathering.toml("pyproject.toml"), "tool"), "uv"), "sources")
    members_only = all(isinstance(item, dict) and item.get("workspace") for item in sources.values()) and sources
    if _PATH_DEPENDENCY.search(text) and not members_only:
        raise Unsafe("pyproject.toml has a dependency whose sources lie in the project")


def _table(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _with_flag(gathering: Gathering, flag: str) -> str:
    """The install's own command with one more flag."""
    text = gathering.command.text
    if "\n" in text or "\\" in text:
        text = shlex.join((*gathering.command.assignments, *gathering.words))
    return f"{text} {flag}"
