"""Which package scripts a RUN starts, of which packages: `pnpm --filter backend build`, `npm run build -w api`."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator, Mapping
from typing import Final

from imgscan.detect.stages.producers import located_commands
from imgscan.detect.stages.records import RunStep
from imgscan.dockerfile.install import installs_in
from imgscan.dockerfile.shellwords import simple_commands
from imgscan.frozen import frozen
from imgscan.project.manifests import Package, Workspace

_MANAGERS: Final = frozenset({"npm", "pnpm", "yarn", "bun"})
_FILTERS: Final = frozenset({"--filter", "-F", "--workspace", "-w", "--filter-prod"})
_FOLDERS: Final = frozenset({"-C", "--dir", "--prefix", "--cwd"})
_VALUES: Final = _FILTERS | _FOLDERS | {"--reporter", "--loglevel", "--store-dir", "--workspace-concurrency"}
_NOT_SCRIPTS: Final = frozenset(
    {
        *(
            "install",
            "i",
            "ci",
            "add",
            "remove",
            "deploy",
            "prune",
            "fetch",
            "exec",
            "dlx",
            "config",
            "cache",
            "store",
            "list",
        ),
        *(
            "ls",
            "why",
            "audit",
            "pack",
            "publish",
            "link",
            "rebuild",
            "dedupe",
            "patch",
            "env",
            "setup",
            "init",
            "create",
            "x",
        ),
        *(
            "import",
            "licenses",
            "outdated",
            "update",
            "up",
            "root",
            "bin",
            "version",
            "set",
            "workspaces",
            "global",
            "pkg",
        ),
    }
)
# Programs whose package has another name.
_PACKAGE_OF: Final = {
    "tsc": "typescript",
    "tsserver": "typescript",
    "nest": "@nestjs/cli",
    "ng": "@angular/cli",
    "swc": "@swc/cli",
    "babel": "@babel/cli",
    "vue-tsc": "vue-tsc",
    "svelte-kit": "@sveltejs/kit",
    "react-scripts": "react-scripts",
    "remix": "@remix-run/dev",
    "react-router": "@react-router/dev",
    "tailwindcss": "@tailwindcss/cli",
    "graphql-codegen": "@graphql-codegen/cli",
    "ncc": "@vercel/ncc",
    "rspack": "@rspack/cli",
    "biome": "@biomejs/biome",
    "webpack": "webpack",
    "tsx": "tsx",
    "storybook": "storybook",
}
_PROGRAMS_THAT_BUILD_MORE: Final = frozenset(
    {"turbo", "nx", "lerna", "wireit", "lage", "rush", "moon", "pnpm", "npm", "yarn"}
)


@frozen
class ScriptRun:
    """A script that a RUN starts. `filters` as written; `recursive`: in every package; `folder`: None if unknown."""

    run: RunStep
    manager: str
    script: str
    filters: tuple[str, ...]
    recursive: bool
    folder: str | None


def script_runs(run: RunStep) -> Iterator[ScriptRun]:
    """The scripts a RUN starts, in order."""
    for simple, folder in located_commands(run.command, run.cwd):
        words = [word for word in simple.words if word not in ("corepack", "npx")]
        manager = posixpath.basename(words[0]).split("@")[0] if words else ""
        if manager not in _MANAGERS or installs_in(simple.text):
            continue
        found = _parse(run, manager, words[1:], folder)
        if found is not None:
            yield found


def _parse(run: RunStep, manager: str, words: list[str], folder: str | None) -> ScriptRun | None:
    filters: list[str] = []
    operands: list[str] = []
    recursive = False
    rest = iter(words)
    for word in rest:
        name, glued, value = word.partition("=")
        if name in _VALUES:
            value = value if glued else next(rest, "")
            if name in _FILTERS and not (manager == "pnpm" and name == "-w"):
                filters.append(value)
            elif name in _FOLDERS:
                folder = None if folder is None or "$" in value else posixpath.normpath(posixpath.join(folder, value))
        elif word in ("-r", "--recursive", "--workspaces", "-ws"):
            recursive = True
        elif word == "--":
            break
        elif not word.startswith("-"):
            operands.append(word)
    if manager == "yarn" and operands[:1] == ["workspace"] and len(operands) > 2:
        filters.append(operands[1])
        operands = operands[2:]
    if operands[:1] in (["run"], ["run-script"]):
        operands = operands[1:]
    elif not operands or operands[0] in _NOT_SCRIPTS:
        return None
    if not operands or "$" in operands[0]:
        return None
    return ScriptRun(
        run=run,
        manager=manager,
        script=operands[0],
        filters=tuple(filters),
        recursive=recursive,
        folder=folder,
    )


def bare_name(pattern: str) -> str:
    """The package that a filter names, without what it says about dependencies: `backend...` -> `backend`."""
    return pattern.removeprefix("...").removesuffix("...").strip("^").removeprefix("{").removesuffix("}")


def selected(workspace: Workspace, pattern: str) -> list[Package]:
    """The members that a filter starts from."""
    name = bare_name(pattern)
    if name.startswith("!"):
        return []
    if name.startswith("./"):
        folder = posixpath.normpath(posixpath.join(workspace.root, name))
        return [package for package in workspace.members.values() if package.folder == folder]
    members = workspace.members
    if name in members:
        return [members[name]]
    scoped = [package for key, package in members.items() if key.startswith("@") and key.split("/", 1)[-1] == name]
    return scoped if scoped else [p for key, p in members.items() if "*" in name and fnmatch.fnmatchcase(key, name)]


def programs_of(script: str) -> list[str]:
    """The programs that a package script calls, by name."""
    return [
        posixpath.basename(simple.words[0])
        for simple in simple_commands(script[:10_000])
        if simple.words and not simple.words[0].startswith("$")
    ]


def development_programs(script: str, package: Package, root: Package | None) -> dict[str, str]:
    """Program -> package, for the programs of a script that come with development dependencies only."""
    found: dict[str, str] = {}
    for program in programs_of(script):
        owner = _PACKAGE_OF.get(program, program)
        places = [package, root] if root else [package]
        wanted = any(owner in place.dev_dependencies for place in places)
        if wanted and not any(owner in place.dependencies for place in places):
            found[program] = owner
    return found


def builds_others(script: str) -> bool:
    """Whether a script builds other packages, too: a task runner, `tsc --build`."""
    for simple in simple_commands(script[:10_000]):
        words = simple.words
        if words and posixpath.basename(words[0]) in _PROGRAMS_THAT_BUILD_MORE:
            return True
        if words and words[0] == "tsc" and not {"-b", "--build"}.isdisjoint(words):
            return True
    return False


def package_at(packages: Mapping[str, Package], folder: str | None) -> Package | None:
    """The package of a context folder."""
    return packages.get(folder) if folder is not None else None
