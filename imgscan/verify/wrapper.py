"""The wrapper scripts of a project, run in the sandbox with every spelling of `down -v`, against an engine that only
writes down what it is asked.

In: the set-up and a copy. Out: proofs. A script counts as a wrapper if its plain `down` reaches the engine; one of its
spellings that does so with a volume flag, while nobody can answer a question, is a bypass.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.data.spellings import SPELLINGS
from imgscan.project.setup import Setup
from imgscan.project.shell.records import ShellKind, ShellText
from imgscan.verify.broker import Asked, broker
from imgscan.verify.commandline import EngineCall, destroys_volumes, read_call
from imgscan.verify.proofs import Proofs
from imgscan.verify.sandbox import PROJECT, TOOL_NAMES, NoSandboxError, Sandbox

_PLAIN: Final = ("down",)
_RUN_S: Final = 20.0
_MOST_SCRIPTS: Final = 12
_PASSES_ON: Final = lazy_re(r"\$(?:[@*]|\{[@*]|[1-9])")
_COMPOSE: Final = lazy_re(r"\bcompose\b")
_ENGINE_BY_PATH: Final = lazy_re(r"(?<![\w.$}/-])(/(?:[\w.-]+/)+(?:docker|podman|nerdctl)(?:-compose)?)(?![\w./-])")
_FOLDERS: Final = frozenset({"/bin", "/usr/bin", "/usr/local/bin"})


@dataclass(slots=True)
class Recorder:
    """An engine that does nothing and says yes."""

    calls: list[EngineCall] = field(default_factory=list)

    def __call__(self, asked: Asked) -> int:
        """Write the call down."""
        call = read_call(asked.program, asked.words)
        self.calls.append(call)
        if call.subcommand in ("version", "") and call.compose:
            os.write(asked.streams[1], b"Docker Compose version v2.40.3\n")
        return 0


def prove_wrappers(setup: Setup, room: Sandbox, proofs: Proofs) -> None:
    """Judge every wrapper of the project."""
    texts = tuple(_scripts(setup))
    for script in [text for text in texts if _may_wrap(text, texts)][:_MOST_SCRIPTS]:
        with proofs.timed():
            path = called_by_path(script, texts)
            if path is not None:
                why = f"it calls {path} by its path, which a sandbox cannot put a stand-in for"
                proofs.unverified("wrapper", why, script.file)
                continue
            try:
                _prove(script, room, proofs)
            except NoSandboxError as error:
                proofs.unverified("wrapper", str(error), script.file)


def wrapper_candidates(setup: Setup) -> tuple[str, ...]:
    """The scripts that `prove_wrappers` would try."""
    texts = tuple(_scripts(setup))
    return tuple(text.file for text in texts if _may_wrap(text, texts))


def called_by_path(script: ShellText, texts: tuple[ShellText, ...]) -> str | None:
    """A program that a script, or one that it reads in, calls by an absolute path and that is not one of the harmless
    tools; None if there is none."""
    for text in (script, *_sourced(script, texts)):
        found = _ENGINE_BY_PATH.search(text.text)
        if found:
            return found[1]
        for call in text.calls:
            word = call.words[0].text if call.words else None
            if word and word.startswith("/"):
                folder, _, name = word.rpartition("/")
                if folder not in _FOLDERS or name not in TOOL_NAMES:
                    return word
    return None


def _prove(script: ShellText, room: Sandbox, proofs: Proofs) -> None:
    plain = _calls(script, room, _PLAIN)
    downs = [call for call in plain if call.compose and call.subcommand == "down"]
    if not downs:
        return
    bypasses = [
        spelling.text
        for spelling in SPELLINGS
        if any(destroys_volumes(call) for call in _calls(script, room, spelling.words))
    ]
    always = any(destroys_volumes(call) for call in plain)
    if not bypasses and not always:
        proofs.passed("wrapper", f"none of {len(SPELLINGS)} spellings reached the engine with -v", script.file)
        return
    shown = "; ".join(bypasses)
    evidence = f"{len(bypasses)} of {len(SPELLINGS)} calls delete volumes without a question: {shown}"
    if always:
        evidence = f"even a plain `down` deletes volumes; {evidence}"
    proofs.failed("wrapper", evidence, script.file, file=script.file, line=script.line)


def _calls(script: ShellText, room: Sandbox, words: tuple[str, ...]) -> list[EngineCall]:
    """What reaches the engine when a script is called with these words."""
    recorder = Recorder()
    with broker(room.tools / "engine.sock", recorder):
        room.run([*interpreter(script), f"{PROJECT}/{script.file}", *words], timeout_s=_RUN_S)
    return recorder.calls


def interpreter(script: ShellText) -> list[str]:
    """The shell of a script's first line, if it is one that the sandbox has; else bash."""
    words = (script.shebang or "").removeprefix("#!").split()
    name = posixpath.basename(words[0]) if words else ""
    if name == "env" and len(words) > 1:
        name = words[-1]
    return [name] if name in ("sh", "dash", "bash") else ["bash"]


def _scripts(setup: Setup) -> Iterator[ShellText]:
    return (text for text in setup.shells if text.kind is ShellKind.SCRIPT)


def _may_wrap(script: ShellText, texts: tuple[ShellText, ...]) -> bool:
    """Whether a script hands its arguments to something and has, itself or in what it reads in, to do with compose."""
    if not script.executable and script.shebang is None:
        return False
    return bool(_PASSES_ON.search(script.text)) and any(
        _COMPOSE.search(text.text) for text in (script, *_sourced(script, texts))
    )


def _sourced(script: ShellText, texts: tuple[ShellText, ...]) -> list[ShellText]:
    """The other scripts that a script names; those that it reads in are among them."""
    return [other for other in texts if other.file != script.file and posixpath.basename(other.file) in script.text]
