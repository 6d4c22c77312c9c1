"""What installs of go, cargo, maven, gradle and dotnet read: module and project files of the whole tree."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any, Final

from imgscan.lazyre import lazy_re
from imgscan.optimize.gather import Gathering
from imgscan.optimize.records import Unsafe

_REPLACE: Final = lazy_re(r"(?m)^\s*(?:replace\s+)?\S+(?:\s+v\S+)?\s+=>\s+(\.{1,2}/\S*|\.{1,2}|/\S+)")
_USE: Final = lazy_re(r"(?m)^\s*(?:use\s+)?(\.\.?(?:/[^\s()]*)?|[\w./-]+)\s*(?://.*)?$")
_TARGETS: Final = {"bin": "src/bin", "example": "examples", "test": "tests", "bench": "benches"}
_PROJECTS: Final = lazy_re(
    r"(?:.+/)?(?:[^/]+\.(?:cs|fs|vb)proj|[^/]+\.slnx?|Directory\.[\w.]+\.(?:props|targets)|global\.json|[Nn]u[Gg]et\.[Cc]onfig"
    r"|packages\.lock\.json|dotnet-tools\.json)"
)
_IMPORT: Final = lazy_re(r"<Import\s[^>]*Project\s*=\s*\"([^\"]+)\"")
_POMS: Final = lazy_re(r"(?:.+/)?pom\.xml")
_GRADLE: Final = lazy_re(
    r"(?:.+/)?(?:[^/]+\.gradle(?:\.kts)?|gradle\.properties|gradle\.lockfile|gradle/(?:libs\.versions\.toml|wrapper/.*))"
)
_MAVEN_FLAGS: Final = ("-s", "--settings", "-gs", "-P", "--activate-profiles")
_DOTNET_FLAGS: Final = ("-r", "--runtime", "--source", "-s", "--configfile", "--packages")


def gather_go(gathering: Gathering) -> None:
    """`go mod download`, and the builds that download by the way."""
    gathering.require("go.mod")
    if gathering.locate("vendor/modules.txt") is not None:
        raise Unsafe("the modules lie in vendor/, so the build downloads nothing")
    gathering.take("go.sum")
    texts = [gathering.text("go.mod") or ""]
    if gathering.take("go.work"):
        gathering.take("go.work.sum")
        work = gathering.text("go.work") or ""
        texts.append(work)
        folders = _USE.findall(re.sub(r"(?m)^\s*(?:go|toolchain|godebug)\b.*$|^.*=>.*$", "", work))
        for folder in folders:
            if posixpath.normpath(folder) not in (".", "use"):
                gathering.require(posixpath.join(folder, "go.mod"))
                gathering.take(posixpath.join(folder, "go.sum"))
    for target in (target for text in texts for target in _REPLACE.findall(text)):
        # The module graph is read from the replacement's own go.mod, nothing else of it.
        try:
            gathering.require(posixpath.join(target, "go.mod"))
        except Unsafe as error:
            raise Unsafe(f"go.mod replaces a module by {target}, whose go.mod is not in the context") from error
    if gathering.call.implicit:
        gathering.prepare = f"{gathering.words[0]} mod download"


def gather_cargo(gathering: Gathering) -> None:
    """`cargo fetch`, and builds: downloads by the lockfile. Cargo reads no manifest whose targets are not there, so it
    gets empty ones, which go again before the sources come."""
    gathering.require("Cargo.toml")
    gathering.require("Cargo.lock")
    gathering.take(".cargo", "rust-toolchain", "rust-toolchain.toml")
    if "chef" in gathering.words:
        return
    if any(word in gathering.words for word in ("--manifest-path", "vendor")):
        raise Unsafe("it works on another manifest, or vendors")
    if re.search(r"(?m)^\s*(?:directory|replace-with)\s*=", gathering.text(".cargo/config.toml") or ""):
        raise Unsafe("the crates are vendored in the project, so the build downloads nothing")
    stubs: list[str] = []
    waiting, seen = [""], set[str]()
    while waiting:
        folder = waiting.pop()
        if folder in seen:
            continue
        seen.add(folder)
        name = posixpath.join(folder, "Cargo.toml")
        if folder:
            gathering.require(name)
        data = gathering.toml(name)
        stubs += [posixpath.join(folder, stub) for stub in _stubs(data)]
        waiting += [posixpath.normpath(posixpath.join(folder, path)) for path in _cargo_paths(gathering, folder, data)]
    folders = sorted({posixpath.dirname(stub) for stub in stubs})
    made = " ".join(folder for folder in folders if folder)
    commands = [f"mkdir -p {made}"] if made else []
    commands += [f"touch {' '.join(stubs)}", f"{gathering.words[0]} fetch --locked", f"rm {' '.join(stubs)}"]
    gathering.prepare = " && ".join(commands)


def _stubs(data: dict[str, Any]) -> Iterator[str]:
    """The files without which Cargo refuses a manifest."""
    if not isinstance(data.get("package"), dict):
        return
    named = [data.get("lib"), *(item for kind in _TARGETS for item in _list(data.get(kind)))]
    paths = [item["path"] for item in named if isinstance(item, dict) and isinstance(item.get("path"), str)]
    for kind, folder in _TARGETS.items():
        items = [item for item in _list(data.get(kind)) if isinstance(item, dict) and "path" not in item]
        paths += [f"{folder}/{item['name']}.rs" for item in items if isinstance(item.get("name"), str)]
    build = data["package"].get("build")
    paths += [build] if isinstance(build, str) else []
    for path in dict.fromkeys(("src/lib.rs", *paths)):
        if not re.fullmatch(r"[\w./-]+", path) or ".." in path.split("/"):
            raise Unsafe("Cargo.toml has a target whose path cannot be made up")
        yield path


def _cargo_paths(gathering: Gathering, folder: str, data: dict[str, Any]) -> Iterator[str]:
    """The folders of path dependencies and workspace members."""
    workspace = data.get("workspace")
    members = _list(workspace.get("members")) if isinstance(workspace, dict) else []
    for member in (member for member in members if isinstance(member, str)):
        glob = re.escape(posixpath.normpath(member)).replace(r"\*", "[^/]*") + "/Cargo\\.toml"
        yield from (posixpath.dirname(found) for found in gathering.below(re.compile(glob)))
    waiting: list[object] = [data]
    for _ in range(5_000):
        if not waiting:
            return
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [item for name, item in value.items() if name not in ("bin", "lib", "example", "test", "bench")]
            path = value.get("path")
            if isinstance(path, str):
                if path.startswith("/"):
                    raise Unsafe("Cargo.toml has a dependency outside of the project")
                yield path


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def gather_maven(gathering: Gathering) -> None:
    """`mvn dependency:go-offline`, and the builds that download by the way."""
    gathering.require("pom.xml")
    text = gathering.text("pom.xml") or ""
    modules = [name for name in gathering.below(_POMS) if name != "pom.xml"]
    if "<modules>" in text and (gathering.call.implicit or modules):
        raise Unsafe("of a project of several modules Maven resolves the dependencies only while it builds them")
    if re.search(r"<scope>\s*system\s*</scope>|<systemPath>|<relativePath>\s*\.\.", text):
        raise Unsafe("pom.xml reads files beside it (a system path, or a parent in a folder above)")
    gathering.take(".mvn", "mvnw")
    flags = _kept_flags(gathering, _MAVEN_FLAGS)
    for at, flag in enumerate(flags):
        if flag in ("-s", "--settings", "-gs") and not flags[at + 1].startswith(("/usr", "/root", "/etc")):
            gathering.require(flags[at + 1])
    if any(word in gathering.words for word in ("-f", "--file", "-pl", "--projects")):
        raise Unsafe("it builds another project than that of its folder")
    if gathering.call.implicit:
        gathering.prepare = " ".join((gathering.words[0], "-B", *flags, "dependency:go-offline"))


def gather_gradle(gathering: Gathering) -> None:
    """`gradle dependencies`. A build is left alone: there is no task of Gradle's own that downloads all it needs."""
    if gathering.call.implicit:
        raise Unsafe("Gradle has no task that downloads what a build needs: use a cache mount on its user home")
    if gathering.locate("buildSrc") is not None:
        raise Unsafe("buildSrc is sources that Gradle compiles before anything else")
    gathering.require("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")
    gathering.take("gradlew", *gathering.below(_GRADLE))
    gathering.overwritten = (".gradle",)


def gather_dotnet(gathering: Gathering) -> None:
    """`dotnet restore`, and `publish` and `build` that restore by the way; project files keep their folders."""
    gathering.take("NuGet.config", "nuget.config", "NuGet.Config", "global.json", "Directory.Build.props")
    for name in _context_projects(gathering):
        gathering.take(name)
    projects = [needed.source for needed in gathering.needed.values() if needed.source.endswith("proj")]
    if not projects:
        raise Unsafe("no project file is surely copied")
    for project in projects:
        for imported in _IMPORT.findall(gathering.scene.reader.text(project) or ""):
            if not imported.startswith("$(MSBuild"):
                raise Unsafe(f"{project} imports {imported}")
    gathering.overwritten = ("bin", "obj")
    if gathering.call.implicit:
        operands = [word for word in gathering.words[2:] if re.search(r"(?:proj|\.slnx?)$", word)]
        words = (gathering.words[0], "restore", *operands, *_kept_flags(gathering, _DOTNET_FLAGS))
        gathering.prepare = " ".join(words)


def _context_projects(gathering: Gathering) -> Iterator[str]:
    """Project files below the install's folder: those of the folders that the copies bring there."""
    index = gathering.scene.simulation.index
    for transfer in gathering.scene.simulation.stages[gathering.stage].transfers:
        if transfer.from_stage is not None or transfer.opaque:
            continue
        landed = posixpath.relpath(transfer.dest, gathering.folder)
        if landed.startswith(".."):
            continue
        if not transfer.is_directory:
            if _PROJECTS.fullmatch(posixpath.basename(transfer.source)):
                yield landed
            continue
        for at in index.span(transfer.source):
            inside = index.paths[at][len(transfer.source) :].lstrip("/")
            if _PROJECTS.fullmatch(inside):
                yield posixpath.normpath(posixpath.join(landed, inside))


def _kept_flags(gathering: Gathering, flags: tuple[str, ...]) -> list[str]:
    """Those flags of the install, with their values, that say from where and for what it downloads."""
    kept: list[str] = []
    words = gathering.words
    for at, word in enumerate(words):
        if word in flags and at + 1 < len(words):
            kept += [word, words[at + 1]]
        elif word.startswith(tuple(f"{flag}=" for flag in flags)) or re.match(r"-(?:D|P)\S", word):
            kept.append(word)
    if any(re.search(r"[^\w./:=,@+-]", word) for word in kept):
        raise Unsafe("its options cannot be taken over")
    return kept
