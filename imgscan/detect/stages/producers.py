"""Which files a RUN may have made: programs that surely make none of the project's, installs that make node_modules.

Pure. Everything not known to be harmless may produce any path, so a rule that needs a NO stays silent then.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from imgscan.dockerfile.install import Ecosystem, Install, find_installs, installs_in
from imgscan.dockerfile.shellwords import SimpleCommand, simple_commands
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

if TYPE_CHECKING:
    from imgscan.dockerfile.parse import Command

HARMLESS: Final = frozenset(
    {
        *(
            ":",
            "true",
            "false",
            "test",
            "[",
            "[[",
            "]",
            "exit",
            "set",
            "export",
            "unset",
            "cd",
            "pushd",
            "popd",
            "read",
        ),
        *(
            "echo",
            "printf",
            "cat",
            "ls",
            "pwd",
            "id",
            "whoami",
            "env",
            "which",
            "command",
            "type",
            "hash",
            "sleep",
            "wait",
        ),
        *("grep", "head", "tail", "wc", "sort", "cut", "tr", "uniq", "date", "uname", "nproc", "stat", "du", "df"),
        *("rm", "rmdir", "unlink", "chmod", "chown", "chgrp", "mkdir", "apt-key", "gpg", "update-ca-certificates"),
        *(
            "addgroup",
            "adduser",
            "useradd",
            "usermod",
            "groupadd",
            "groupmod",
            "deluser",
            "passwd",
            "chpasswd",
            "setcap",
        ),
        *("apt-get", "apt", "apk", "dnf", "yum", "microdnf", "zypper", "dpkg", "locale-gen", "ldconfig", "corepack"),
        *("case", "in", "for", "shopt", "ulimit", "umask", "trap", "return", "local", "$()"),
    }
)
"""Programs that make no file of a project; redirections are looked at apart."""

_NODE_QUERIES: Final = frozenset(
    {"config", "cache", "store", "--version", "-v", "why", "list", "ls", "audit", "prune", "bin"}
)
_NODE_MANAGERS: Final = frozenset({"npm", "pnpm", "yarn", "bun"})
_REDIRECTION: Final = lazy_re(r"(?<![<>0-9&])[0-9]?>{1,2}\|?\s*([^\s;&|()<>]+)")
_FOLDER_FLAG: Final = lazy_re(r"(?:-C|--dir|--prefix|--cwd|--cwd-path)(?:[=\s]+)[\"']?([^\s\"']+)")


@frozen
class LocatedInstall:
    """An install and the directory it works in, None when a variable or a substitution decides."""

    install: Install
    folder: str | None


def run_script(command: Command) -> str:
    """The shell text of a RUN, heredoc bodies included."""
    return "\n".join((command.value, *(heredoc.body for heredoc in command.heredocs)))


@lru_cache(maxsize=2048)
def located_commands(command: Command, cwd: str) -> tuple[tuple[SimpleCommand, str | None], ...]:
    """Every simple command of a RUN with the directory it runs in, `cd` followed."""
    folder: str | None = cwd
    if command.is_json:
        return ((SimpleCommand(words=command.words, assignments=(), text=" ".join(command.words)), folder),)
    found: list[tuple[SimpleCommand, str | None]] = []
    for simple in simple_commands(run_script(command)):
        if simple.words[:1] in (("cd",), ("pushd",)):
            folder = _entered(folder, simple.words)
        else:
            found.append((simple, folder))
    return tuple(found)


def _entered(folder: str | None, words: tuple[str, ...]) -> str | None:
    target = next((word for word in words[1:] if not word.startswith("-")), None)
    if target is None or "$" in target or target.startswith("~"):
        return None
    if target.startswith("/"):
        return posixpath.normpath(target)
    return None if folder is None else posixpath.normpath(posixpath.join(folder, target))


def located_installs(command: Command, cwd: str) -> tuple[LocatedInstall, ...]:
    """The installs of a RUN with their directories (`cd`, `-C`, `--prefix`); those inside `sh -c` run in `cwd`."""
    if command.is_json:
        return tuple(LocatedInstall(install=install, folder=cwd) for install in find_installs(command))
    found: list[LocatedInstall] = []
    for simple, folder in located_commands(command, cwd):
        for install in installs_in(simple.text):
            found.append(LocatedInstall(install=install, folder=_moved(folder, simple.text)))  # noqa: PERF401
    return tuple(found)


def _moved(folder: str | None, text: str) -> str | None:
    flag = _FOLDER_FLAG.search(text)
    return _entered(folder, ("cd", flag[1])) if flag else folder


def may_produce(command: Command, cwd: str, path: str, has: Callable[[str], bool]) -> bool:
    """Whether a RUN may have made an absolute path. `has` says whether another path may be there when it runs."""
    name = posixpath.basename(path)
    script = run_script(command)
    if command.is_json and not _is_node_call(command.words) and command.words[:1] not in (("/bin/true",),):
        return True
    if any(target.endswith(name) or "$" in target for target in _REDIRECTION.findall(script) if target != "/dev/null"):
        return True
    for simple, folder in located_commands(command, cwd):
        words = simple.words
        program = posixpath.basename(words[0]) if words else ""
        if not words or (program in HARMLESS and not _makes_folder(words, name)):
            continue
        if not _is_node_call(words):
            return True
        if _node_produces(simple, folder, path, has):
            return True
    return False


def _makes_folder(words: tuple[str, ...], name: str) -> bool:
    return words[0] == "mkdir" and any(
        posixpath.basename(word.rstrip("/")) == name or "$" in word for word in words[1:]
    )


def _is_node_call(words: tuple[str, ...]) -> bool:
    return bool(words) and posixpath.basename(words[0]).split("@")[0] in _NODE_MANAGERS


def _node_produces(simple: SimpleCommand, folder: str | None, path: str, has: Callable[[str], bool]) -> bool:
    """What a call of npm, pnpm, yarn or bun may have made: an install its node_modules, anything else anything."""
    installs = [i for i in installs_in(simple.text) if i.ecosystem is Ecosystem.NODE]
    if not installs:
        return _NODE_QUERIES.isdisjoint(simple.words)
    if not installs[0].manifests or (installs[0].manager == "pnpm" and "fetch" in simple.words):
        # a tool installed globally; `pnpm fetch` fills node_modules/.pnpm of its own directory only
        return "/node_modules" in path and bool(installs[0].manifests)
    if "/node_modules" not in path:
        return posixpath.basename(path) in installs[0].lockfiles
    where = _moved(folder, simple.text)
    owner = path.split("/node_modules", 1)[0] or "/"
    if where is None or owner == where:
        return True
    if installs[0].manager != "pnpm":
        return True
    return any(has(posixpath.join(root, "pnpm-workspace.yaml")) and _is_inside(owner, root) for root in _upwards(where))


def _upwards(folder: str) -> Iterator[str]:
    while True:
        yield folder
        parent = posixpath.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
