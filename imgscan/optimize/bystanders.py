"""Which commands of a RUN surely touch none of the project's files, and where a `&&` chain can be cut. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from imgscan.detect.stages.producers import located_commands, run_script
from imgscan.detect.stages.records import RunStep
from imgscan.dockerfile.install import installs_in
from imgscan.dockerfile.shellwords import SimpleCommand, simple_commands
from imgscan.dockerfile.tree import Command
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.optimize.records import Unsafe

_HARMLESS: Final = frozenset(
    {
        *(":", "true", "echo", "printf", "set", "exit", "command", "which", "type", "hash", "sleep", "id", "whoami"),
        *("apt-get", "apt", "apt-mark", "apk", "dnf", "yum", "microdnf", "zypper", "apt-cache", "add-apt-repository"),
        *("addgroup", "adduser", "useradd", "usermod", "groupadd", "groupmod", "update-ca-certificates", "locale-gen"),
        *("corepack", "ldconfig", "dpkg-reconfigure", "export", "[", "test", "$()"),
    }
)
_SETTINGS: Final = {
    **dict.fromkeys(("npm", "yarn", "pnpm"), frozenset({"config", "cache", "store", "set", "--version"})),
    **dict.fromkeys(("pip", "pip3", "poetry", "uv"), frozenset({"config", "cache", "--version"})),
    "composer": frozenset({"config", "clear-cache", "clearcache", "--version"}),
    "bundle": frozenset({"config", "--version"}),
    "go": frozenset({"version", "env"}),
}
_OUTSIDE: Final = lazy_re(
    r"/(?:var/(?:lib|cache|log|tmp)|tmp|root|usr|etc)(?:/.*)?|~/\.(?:npm|cache|local|composer)(?:/.*)?"
)
_REDIRECTED: Final = lazy_re(r"\d?>&\d|&?\d?>\s*/dev/null")
_STATEFUL: Final = frozenset(
    {"cd", "pushd", "popd", "export", ".", "source", "umask", "ulimit", "alias", "shopt", "unset"}
)
_FLAGS: Final = lazy_re(r"(?:\s|\\\r?\n)*(?:--[a-z]+(?:=\S+)?(?:\s|\\\r?\n)+)*")


def is_bystander(run: RunStep) -> bool:
    """Whether a RUN reads and writes none of the files that COPY brings: packages of the system, tools, users."""
    if run.mounted or run.mounts_unknown or "<" in _plain(run_script(run.command)):
        return False
    if ">" in _plain(run_script(run.command)):
        return False
    commands = located_commands(run.command, run.cwd)
    return bool(commands) and all(is_harmless(simple) for simple, _ in commands)


def installs_only(run: RunStep) -> bool:
    """Whether a RUN does nothing but install, and what `is_bystander` allows."""
    script = _plain(run_script(run.command))
    if "<" in script or ">" in script:
        return False
    return all(is_harmless(simple) or _installs(simple) for simple, _ in located_commands(run.command, run.cwd))


def is_harmless(simple: SimpleCommand) -> bool:
    """Whether a command reads and writes none of the project's files."""
    if not simple.words:
        return True
    installs = installs_in(simple.text)
    if installs:
        return all(not install.manifests and not install.lockfiles for install in installs)
    program = posixpath.basename(simple.words[0])
    operands = [word for word in simple.words[1:] if not word.startswith("-")]
    if program in _HARMLESS:
        return not (program in ("[", "test") and any(word in ("-f", "-e", "-d", "-s", "-r") for word in simple.words))
    if program in _SETTINGS:
        return bool(_SETTINGS[program] & set(simple.words[1:3]))
    if program in ("rm", "mkdir", "chmod"):
        paths = operands[1:] if program == "chmod" else operands
        return all(_OUTSIDE.fullmatch(path) and ".." not in path for path in paths)
    return program in ("curl", "wget") and all("@" not in word for word in operands) and _downloads_outside(simple)


def _downloads_outside(simple: SimpleCommand) -> bool:
    outputs = [b for a, b in zip(simple.words, simple.words[1:], strict=False) if a in ("-o", "-O", "--output")]
    return bool(outputs) and all(_OUTSIDE.fullmatch(path) for path in outputs)


def _installs(simple: SimpleCommand) -> bool:
    return bool(installs_in(simple.text))


def _plain(script: str) -> str:
    return _REDIRECTED.sub("", script)


@frozen
class Cut:
    """Where a RUN is cut in two: `start` to `end` (with the `&&`) goes; `flags` are those of both halves."""

    start: int
    end: int
    flags: str
    head: str


def cut_chain(text: str, command: Command, escape: str) -> Cut:
    """The cut of `RUN a && b && c` behind its leading installs. Raises Unsafe for a RUN that is no such chain."""
    if command.is_json or command.heredocs or escape != "\\":
        raise Unsafe("it also does other things")
    if any(
        name != "mount" or not value or "type=bind" in value or "type=" not in value for name, value in command.flags
    ):
        raise Unsafe("it also does other things, and its options are for all of it")
    flags = _FLAGS.match(text, command.start + len("RUN"), command.end)
    begin = flags.end() if flags else command.start
    cut: tuple[int, int] | None = None
    head_end = begin
    for start, end in _links(text, begin, command.end):
        segment = simple_commands(text[head_end:start])
        if not all(_may_lead(simple) for simple in segment):
            break
        cut, head_end = (start, end), end
    if cut is None or not any(_installs(simple) for simple in simple_commands(text[begin : cut[0]])):
        raise Unsafe("it also does other things than install")
    start = begin + len(_trimmed(text[begin : cut[0]]))
    gap = re.compile(r"(?:\s|\\\r?\n)*").match(text, cut[1], command.end)
    end = gap.end() if gap else cut[1]
    if "#" in text[start:end]:
        raise Unsafe("a comment stands where it would have to be cut")
    kept = "".join(f"--{name}={value} " for name, value in command.flags)
    return Cut(start=start, end=end, flags=kept, head=text[begin:start])


def _may_lead(simple: SimpleCommand) -> bool:
    """Whether a command may stand in a RUN of its own: nothing after it needs the state of its shell."""
    if not simple.words or (simple.words[0] in _STATEFUL) or (simple.words[0] == "set" and "pipefail" in simple.words):
        return False
    return is_harmless(simple) or _installs(simple)


def _trimmed(piece: str) -> str:
    """Without blanks and continuations at its end."""
    while piece != (shorter := re.sub(r"\\\r?\n$", "", piece.rstrip())):
        piece = shorter
        if not piece:
            break
    return piece.rstrip("\\").rstrip() if piece.endswith("\\") else piece


def _links(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The `&&` at the top of a chain, up to the first thing that makes it more than a chain."""
    at, quote = begin, ""
    line = True
    while at < end:
        char = text[at]
        if line and not quote and re.compile(r"[ \t]*#").match(text, at):
            at = text.find("\n", at)
            at = end if at < 0 else at
            continue
        line = char == "\n"
        if char == "\\":
            newline = re.compile(r"\\[ \t]*\r?\n").match(text, at)
            at = newline.end() if newline else at + 2
            line = newline is not None
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif text.startswith("&&", at):
            if "||" in text[begin:end]:
                return
            yield at, at + 2
            at += 2
            continue
        elif char in ";|&()`<{}" or text.startswith("$(", at):
            return
        at += 1
