"""What installs of npm, pnpm, yarn and bun read: manifests of all members, settings, patches, what scripts need."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from imgscan.dockerfile.shellwords import simple_commands
from imgscan.lazyre import lazy_re
from imgscan.optimize.gather import Gathering
from imgscan.optimize.records import Unsafe

_LOCKS: Final = {
    "npm": ("package-lock.json", "npm-shrinkwrap.json"),
    "pnpm": ("pnpm-lock.yaml",),
    "yarn": ("yarn.lock",),
    "bun": ("bun.lock", "bun.lockb"),
}
_SETTINGS: Final = {
    "npm": (".npmrc",),
    "pnpm": ("pnpm-workspace.yaml", ".npmrc", ".pnpmfile.cjs", ".pnpmfile.mjs", "patches"),
    "yarn": (".yarnrc.yml", ".yarnrc", ".npmrc", ".yarn", ".pnp.cjs", ".pnp.loader.mjs"),
    "bun": ("bunfig.toml", ".npmrc", "patches"),
}
_LIFECYCLE: Final = (
    *("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"),
    *("pnpm:devPreinstall", "dependencies"),
)
# Programs of lifecycle scripts, and the files of the project that they read (all optional).
_KNOWN_SCRIPTS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys((":", "true", "echo", "exit", "is-ci", "ci-info", "only-allow", "husky", "simple-git-hooks"), ()),
    **dict.fromkeys(("lefthook", "npm-force-resolutions", "opencollective", "opencollective-postinstall"), ()),
    "patch-package": ("patches",),
    "prisma": ("prisma", "prisma.config.ts", "prisma.config.mjs", "prisma.config.js"),
}
# What packages read of the project when they are installed.
_READ_BY_PACKAGES: Final[dict[str, tuple[str, ...]]] = {
    "@prisma/client": ("prisma", "prisma.config.ts", "prisma.config.mjs", "prisma.config.js"),
    "puppeteer": (".puppeteerrc.cjs", ".puppeteerrc.js", ".puppeteerrc.json", ".puppeteerrc", "puppeteer.config.cjs"),
}
_GROUPS: Final = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_LOCAL: Final = lazy_re(r"(?:file:|link:|portal:|\.{1,2}/|/|~/)")
_RUNNERS: Final = frozenset({"npx", "pnpx", "bunx"})


def gather_node(gathering: Gathering) -> None:
    """Fill in what an install of a JavaScript package manager needs."""
    manager = gathering.call.manager
    if "fetch" in gathering.words:
        gathering.require(*_LOCKS[manager])
        gathering.take(*_SETTINGS[manager])
        gathering.overwritten = ("node_modules",)
        return
    gathering.require("package.json")
    gathering.take(*_LOCKS[manager])
    gathering.take(*_SETTINGS[manager])
    gathering.overwritten = ("node_modules",)
    try:
        for folder in ("", *_member_folders(gathering)):
            _gather_package(gathering, folder)
    except Unsafe:
        if manager != "pnpm" or not gathering.take(*_LOCKS["pnpm"]):
            raise
        _fetch(gathering)


def _fetch(gathering: Gathering) -> None:
    """The form that reads no manifest: download by the lockfile alone, link and run scripts once the sources are
    there. The install is left as it is: what is downloaded already it does not download again."""
    keep = {posixpath.join(gathering.folder, name) for name in (*_LOCKS["pnpm"], *_SETTINGS["pnpm"])}
    gathering.needed = {path: needed for path, needed in gathering.needed.items() if path in keep}
    program = gathering.words[0]
    production = [word for word in gathering.words if word in ("--prod", "-P", "--production")]
    gathering.prepare = " ".join((program, "fetch", *(["--prod"] if production else [])))


def _member_folders(gathering: Gathering) -> Iterator[str]:
    root = gathering.root()
    workspace = gathering.scene.workspaces.get(root or "")
    for package in workspace.members.values() if workspace and root is not None else ():
        yield posixpath.relpath(package.folder, root) if root else package.folder


def _gather_package(gathering: Gathering, folder: str) -> None:
    """One package.json: itself, and what installing it reads beyond."""
    name = posixpath.join(folder, "package.json")
    if folder and not gathering.take(name):
        return  # a member that is not copied takes no part
    data = gathering.json(name)
    if not _ignores_scripts(gathering):
        _check_scripts(gathering, folder, data)
        if gathering.locate(posixpath.join(folder, "binding.gyp")) is not None:
            raise Unsafe(f"{folder or 'the project'} has a binding.gyp: installing it compiles its sources")
    for group in _GROUPS:
        wanted = data.get(group)
        for package, version in wanted.items() if isinstance(wanted, Mapping) else ():
            if isinstance(version, str) and _LOCAL.match(version):
                _take_local(gathering, folder, name, package, version)
            gathering.take(*(posixpath.join(folder, read) for read in _READ_BY_PACKAGES.get(package, ())))
    _take_programs(gathering, folder, data)
    _take_patches(gathering, data)


def _ignores_scripts(gathering: Gathering) -> bool:
    if "--ignore-scripts" in gathering.words:
        return True
    return re.search(r"(?m)^\s*ignore-scripts\s*=\s*true", gathering.text(".npmrc") or "") is not None


def _check_scripts(gathering: Gathering, folder: str, data: Mapping[str, Any]) -> None:
    scripts = data.get("scripts")
    for name in _LIFECYCLE:
        script = scripts.get(name) if isinstance(scripts, Mapping) else None
        for command in simple_commands(script) if isinstance(script, str) else ():
            words = [word for word in command.words if word]
            while words and (words[0] in _RUNNERS or (words[0].startswith("-") and len(words) > 1)):
                words.pop(0)
            program = posixpath.basename(words[0]) if words else ":"
            known = _KNOWN_SCRIPTS.get(program)
            if known is None:
                where = posixpath.join(folder, "package.json")
                raise Unsafe(f"the script {name} of {where} runs {program} at every install, which may read sources")
            gathering.take(*(posixpath.join(folder, read) for read in known))
            if program == "prisma" and any("schema" in word for word in words):
                raise Unsafe("its script names a schema of its own for prisma")
    prisma = data.get("prisma")
    schema = prisma.get("schema") if isinstance(prisma, Mapping) else None
    if isinstance(schema, str):
        gathering.take(posixpath.join(folder, schema))


def _take_local(gathering: Gathering, folder: str, name: str, package: str, version: str) -> None:
    """A dependency that lies in the project: an archive can be copied along, a folder of sources cannot."""
    path = posixpath.normpath(posixpath.join(folder, re.sub(r"^(?:file:|link:|portal:)", "", version)))
    if path.endswith((".tgz", ".tar.gz")) and gathering.take(path):
        return
    members = {posixpath.normpath(member) for member in _member_folders(gathering)}
    if path in members:
        return
    raise Unsafe(f"{name} has {package} from {version}, whose sources the install reads")


def _take_programs(gathering: Gathering, folder: str, data: Mapping[str, Any]) -> None:
    """The files that a member offers as programs: they are linked only if they are there."""
    programs = data.get("bin")
    listed = programs.values() if isinstance(programs, Mapping) else [programs]
    if folder:
        gathering.take(*(posixpath.join(folder, path) for path in listed if isinstance(path, str) and path))


def _take_patches(gathering: Gathering, data: Mapping[str, Any]) -> None:
    for holder in (data, data.get("pnpm")):
        patched = holder.get("patchedDependencies") if isinstance(holder, Mapping) else None
        if isinstance(patched, Mapping):
            gathering.require_all(path for path in patched.values() if isinstance(path, str))
