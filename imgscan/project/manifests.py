"""The JavaScript workspace of a context: which members, what they depend on, which scripts they have.

In: the files that reach the engine. Out: `Workspace`. Hostile manifests (wrong types, deep nesting, sizes) count as
missing, never as an error.
"""

from __future__ import annotations

import fnmatch
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from imgscan.frozen import frozen
from imgscan.project.contextread import ContextReader

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext

WORKSPACE_FILE: Final = "pnpm-workspace.yaml"
_MAX_MEMBERS: Final = 500
_MAX_WORKSPACES: Final = 20


@frozen
class Package:
    """A package.json. `folder` is its context folder ("" is the root); the dependencies are name -> range; `outputs`
    are the files it offers to importers (main, module, types, exports), `package_manager` is `pnpm@10.0.0` or empty,
    `pnpm` its settings of that name."""

    folder: str
    name: str
    dependencies: Mapping[str, str]
    dev_dependencies: Mapping[str, str]
    scripts: Mapping[str, str]
    outputs: tuple[str, ...]
    peer_dependencies: Mapping[str, str] = field(default_factory=dict)
    package_manager: str = ""
    pnpm: Mapping[str, Any] = field(default_factory=dict)

    @property
    def manifest(self) -> str:
        """The path of its package.json."""
        return posixpath.join(self.folder, "package.json")


@frozen
class Workspace:
    """A workspace. `manager` is `pnpm` where there is a pnpm-workspace.yaml, else `npm` (npm, yarn, bun); `root` its
    folder; `hidden`: the workspace file exists but the ignore file keeps it out of the context."""

    manager: str
    root: str
    package: Package | None
    members: Mapping[str, Package] = field(default_factory=dict)
    hidden: bool = False

    @property
    def file(self) -> str:
        """The file that makes it a workspace."""
        return posixpath.join(self.root, WORKSPACE_FILE if self.manager == "pnpm" else "package.json")


def load_packages(context: BuildContext, reader: ContextReader) -> dict[str, Package]:
    """Every package.json of the context outside of node_modules, by folder."""
    found: dict[str, Package] = {}
    for file in context.files:
        folder, name = posixpath.split(file.path)
        if name != "package.json" or "node_modules" in folder.split("/"):
            continue
        package = parse_package(reader.text(file.path), folder)
        if package is not None:
            found[folder] = package
        if len(found) >= _MAX_MEMBERS:
            break
    return found


def run_time_needs(context: BuildContext) -> dict[str, bool]:
    """Every package that a manifest of the context asks for by name: True if one does so at run time, False if all do
    for development only."""
    needs: dict[str, bool] = {}
    for package in load_packages(context, ContextReader(context)).values():
        needs.update({name: needs.get(name, False) for name in package.dev_dependencies})
        needs.update(dict.fromkeys(package.dependencies, True))
    return needs


def load_workspaces(
    context: BuildContext, reader: ContextReader, packages: Mapping[str, Package]
) -> tuple[Workspace, ...]:
    """The workspaces of the context, pnpm's and those of package.json."""
    found: dict[str, Workspace] = {}
    hidden = [path for path in context.ignored if posixpath.basename(path) == WORKSPACE_FILE]
    seen = [file.path for file in context.files if posixpath.basename(file.path) == WORKSPACE_FILE]
    for path in (*seen, *hidden)[:_MAX_WORKSPACES]:
        root = posixpath.dirname(path)
        globs = _pnpm_globs(reader.text_beside(path))
        found[root] = Workspace(
            manager="pnpm",
            root=root,
            package=packages.get(root),
            members=_members(root, globs, packages),
            hidden=path in hidden,
        )
    for root in [folder for folder in packages if folder not in found][:_MAX_MEMBERS]:
        globs = _package_globs(reader.text(posixpath.join(root, "package.json")))
        if globs and len(found) < _MAX_WORKSPACES:
            members = _members(root, globs, packages)
            found[root] = Workspace(manager="npm", root=root, package=packages[root], members=members)
    return tuple(found[root] for root in sorted(found))


def closure(workspace: Workspace, packages: Iterable[Package]) -> dict[str, Package]:
    """The members that the packages need from the workspace, directly or by way of others, themselves included."""
    found: dict[str, Package] = {}
    waiting = list(packages)
    while waiting:
        package = waiting.pop()
        if package.name in found:
            continue
        found[package.name] = package
        waiting.extend(workspace_dependencies(workspace, package))
    return found


def workspace_dependencies(workspace: Workspace, package: Package) -> Iterator[Package]:
    """The members that a package links to; with pnpm only those asked for as `workspace:`."""
    for name, wanted in {**package.dev_dependencies, **package.dependencies}.items():
        linked = wanted.startswith(("workspace:", "link:", "file:")) or workspace.manager != "pnpm"
        member = workspace.members.get(name)
        if linked and member is not None:
            yield member


def parse_package(text: str | None, folder: str) -> Package | None:
    """A package.json; None for what is none."""
    data = _json(text)
    if data is None:
        return None
    name = data.get("name")
    return Package(
        folder=folder,
        name=name if isinstance(name, str) and name else f"({folder or 'root'})",
        dependencies={**_strings(data.get("optionalDependencies")), **_strings(data.get("dependencies"))},
        dev_dependencies=_strings(data.get("devDependencies")),
        scripts=_strings(data.get("scripts")),
        outputs=tuple(dict.fromkeys(_outputs(data))),
        peer_dependencies=_strings(data.get("peerDependencies")),
        package_manager=_package_manager(data.get("packageManager")),
        pnpm=_pnpm_settings(data),
    )


def _json(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        data = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _strings(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: item for key, item in value.items() if isinstance(key, str) and isinstance(item, str)}


def _package_manager(value: object) -> str:
    return value.partition("+")[0] if isinstance(value, str) and len(value) < 200 else ""


def _pnpm_settings(data: Mapping[str, Any]) -> Mapping[str, Any]:
    value = data.get("pnpm")
    settings = value if isinstance(value, dict) else {}
    resolutions = data.get("resolutions")
    return {**settings, "resolutions": resolutions} if isinstance(resolutions, dict) else settings


def _outputs(data: Mapping[str, Any]) -> Iterator[str]:
    waiting: list[object] = [data.get("exports"), data.get("main"), data.get("module"), data.get("types")]
    for _ in range(200):
        if not waiting:
            return
        value = waiting.pop()
        if isinstance(value, str) and "*" not in value:
            yield posixpath.normpath(value.removeprefix("./"))
        elif isinstance(value, dict):
            waiting.extend(value.values())


def load_mapping(text: str | None) -> Mapping[str, Any]:
    """A small YAML document of somebody else's that is a mapping; empty for everything else."""
    import yaml

    try:
        data = yaml.load(text or "", Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _pnpm_globs(text: str | None) -> list[str]:
    packages = load_mapping(text).get("packages")
    return [glob for glob in packages if isinstance(glob, str)] if isinstance(packages, list) else []


def _package_globs(text: str | None) -> list[str]:
    data = _json(text) or {}
    value = data.get("workspaces")
    value = value.get("packages") if isinstance(value, dict) else value
    return [glob for glob in value if isinstance(glob, str)] if isinstance(value, list) else []


def _members(root: str, globs: list[str], packages: Mapping[str, Package]) -> dict[str, Package]:
    """The packages that the globs name; `!` takes some away again."""
    wanted = [_folder_regex(glob) for glob in globs[:_MAX_MEMBERS] if not glob.startswith("!")]
    unwanted = [_folder_regex(glob[1:]) for glob in globs[:_MAX_MEMBERS] if glob.startswith("!")]
    members: dict[str, Package] = {}
    prefix = f"{root}/" if root else ""
    for folder, package in packages.items():
        if folder == root or not folder.startswith(prefix) or len(folder) > 1_000:
            continue
        inside = folder[len(prefix) :]
        if any(r.fullmatch(inside) for r in wanted) and not any(r.fullmatch(inside) for r in unwanted):
            members[package.name] = package
    return members


def _folder_regex(glob: str) -> re.Pattern[str]:
    """A workspace glob as an expression: `*` within one component, `**` any number of them (the first two only)."""
    parts = []
    stars = 0
    for part in posixpath.normpath(glob.strip("/")).split("/"):
        stars += part == "**"
        if part == "**":
            parts.append("(?:[^/]+/)*" if stars <= 2 else "[^/]+/")
        else:
            parts.append(fnmatch.translate(part)[4:-3].replace(".*", "[^/]*") + "/")
    pattern = "".join(parts)
    return re.compile(pattern.removesuffix("/") if not glob.endswith("**") else pattern + "[^/]+")
