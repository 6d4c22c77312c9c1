"""Mounted secrets that a step writes into its layer: `context-secret-written`. In: the simulated stages. Out: findings
on the RUN, for stages that the target needs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from imgscan.detect.places import dockerfile_line
from imgscan.detect.stages.producers import located_commands, run_script
from imgscan.detect.stages.records import RunStep, Simulation
from imgscan.detect.stages.stagesim import final_stages
from imgscan.detect.stages.walk import bind_options
from imgscan.dockerfile.shellwords import SimpleCommand
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding, Fix, Severity
from imgscan.rulebook import make_finding

_COPIES: Final = frozenset({"cp", "mv", "install", "ln", "rsync", "tee", "dd"})
_TARGET: Final = lazy_re(r"(?<![<>0-9&-])[0-9]?>{1,2}\|?\s*[\"']?([^\s;&|()<>\"']+)")
_PRINTS: Final = lazy_re(
    r"[\s({!]*(?:(?:then|do|else|sudo)\s+)*(?:/\S*/)?"
    r"(?:cat|echo|printf|sed|awk|tr|base64|head|tail|cut|jq|envsubst|openssl|gpg)\b"
)
"""A statement that puts out what it is given: where its output goes, the secret goes."""
_WRITERS: Final = (
    (("npm", "pnpm", "yarn"), ("config", "set"), "~/.npmrc"),
    (("git",), ("config",), "~/.gitconfig"),
    (("pip", "pip3"), ("config", "set"), "~/.config/pip/pip.conf"),
    (("poetry",), ("config",), "~/.config/pypoetry/auth.toml"),
    (("composer",), ("config",), "~/.composer/auth.json"),
    (("bundle",), ("config",), "~/.bundle/config"),
    (("dotnet",), ("nuget", "add"), "NuGet.Config"),
)
_NOWHERE: Final = ("/dev/", "/proc/", "/tmp/", "/run/")  # noqa: S108 - only compared
"""Not in a layer, or (as /tmp) mostly cleaned: too weak a sign."""


@frozen
class _Secret:
    """A secret mount: its id, the path where it lies, the variable that has it."""

    name: str
    path: str | None
    variable: str | None


def detect_written_secrets(simulation: Simulation) -> Iterator[Finding]:
    """One finding for each RUN that writes a secret of its mounts somewhere and leaves it there."""
    shipped = final_stages(simulation)
    for view in simulation.stages:
        if view.stage.index not in simulation.needed:
            continue
        for run in view.runs:
            secrets = list(_secrets(run))
            found = next(_written(run, secrets), None) if secrets else None
            if found is not None:
                yield _finding(run, *found, final=view.stage.index in shipped)


def _secrets(run: RunStep) -> Iterator[_Secret]:
    for name, value in run.command.flags:
        options = bind_options(value) if name == "mount" and value else None
        if options is None or options.get("type") != "secret":
            continue
        identity = options.get("id") or posixpath.basename(options.get("target", "")) or "secret"
        variable = options.get("env")
        target = options.get("target") or (None if variable else f"/run/secrets/{identity}")
        yield _Secret(name=identity, path=target, variable=variable)


def _written(run: RunStep, secrets: list[_Secret]) -> Iterator[tuple[_Secret, str]]:
    """The secrets that are written, and where."""
    script = run_script(run.command)
    commands = [simple for simple, _ in located_commands(run.command, run.cwd)]
    removed = {word for simple in commands if simple.words[:1] in (("rm",), ("shred",)) for word in simple.words[1:]}
    for line in _statements(script):
        for secret in secrets:
            if not _PRINTS.match(line) or not _mentions(line, secret):
                continue
            for target in _TARGET.findall(line):
                if not target.startswith(_NOWHERE) and not _is_removed(target, removed):
                    yield secret, target
    for simple in commands:
        for secret in secrets:
            written = _copied(simple, secret) or _configured(simple, secret)
            if written and not written.startswith(_NOWHERE) and not _is_removed(written, removed):
                yield secret, written


def _statements(script: str) -> list[str]:
    return [part for part in re.split(r"&&|\|\||;|\n(?!\s*\|)", script.replace("\\\n", " ")) if part.strip()]


def _mentions(text: str, secret: _Secret) -> bool:
    if secret.path and re.search(rf"(?<![\w./-]){re.escape(secret.path)}(?![\w/-])", text):
        return True
    return secret.variable is not None and re.search(rf"\$\{{?{re.escape(secret.variable)}\b", text) is not None


def _copied(simple: SimpleCommand, secret: _Secret) -> str | None:
    words = [word for word in simple.words if not word.startswith("-")]
    if not words or posixpath.basename(words[0]) not in _COPIES or len(words) < 3 or secret.path is None:
        return None
    return words[-1] if secret.path in words[1:-1] else None


def _configured(simple: SimpleCommand, secret: _Secret) -> str | None:
    """The file that a program's own command for settings writes the secret to."""
    words = [posixpath.basename(simple.words[0]) if simple.words else "", *simple.words[1:]]
    for programs, verbs, file in _WRITERS:
        if words[0] in programs and all(verb in words for verb in verbs) and _mentions(simple.text, secret):
            return file
    return None


def _is_removed(target: str, removed: set[str]) -> bool:
    name = posixpath.basename(target.rstrip("/"))
    return any(posixpath.basename(word.rstrip("/")) == name for word in removed)


def _finding(run: RunStep, secret: _Secret, target: str, *, final: bool) -> Finding:
    command = run.command
    where = "the image" if final else "a build stage, which stays in the build cache"
    line, mount = command.instruction.line, f"--mount=type=secret,id={secret.name},target={target}"
    return make_finding(
        "context-secret-written",
        message=f"line {line} writes the mounted secret {secret.name} to {target}, a file of {where}.",
        location=dockerfile_line(command),
        evidence=Evidence.DERIVED,
        identity=(command.instruction.file, secret.name, target),
        severity=None if final else Severity.MEDIUM,
        fix=Fix(
            text=f"Mount {secret.name} where the program reads it (`{mount}`), or delete the file in the same RUN."
        ),
    )
