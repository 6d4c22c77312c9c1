"""A history entry's `created_by` as an instruction: what the builders wrap around it is taken off.

Known forms: the classic builder (`/bin/sh -c #(nop) COPY dir:… in /app`, `|1 A=b /bin/sh -c make`), BuildKit
(`RUN |1 A=b /bin/sh -c make # buildkit`), buildah (the classic form, `|unsetLabel=…` behind it), kaniko (the line of
the Dockerfile).
"""

from __future__ import annotations

from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

KEYWORDS: Final = frozenset(
    (
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    )
)

_MAX_CHARS: Final = 64_000
# The words of the shell in front of it end with an option: `/bin/bash -o pipefail -c`, `cmd /S /C`.
_NOP: Final = lazy_re(r"(?:\S{1,100}(?: [\w./=:-]{1,40}){0,9}? [-/]\S{1,20} )?#\(nop\)\s*")
_BUILDAH_SUFFIX: Final = "|unsetLabel="
_BUILDKIT_SUFFIX: Final = "# buildkit"
_ARGS: Final = lazy_re(r"\|(\d{1,4}) ")
_SHELL: Final = lazy_re(r"(?:/[a-z/]{0,40}/)?(?:ba|da|a|z|k)?sh(?: -[a-zA-Z]{1,8}| pipefail){0,8} -[a-z]{0,6}c ")


@frozen
class Made:
    """The instruction behind a history entry: its keyword ("" if the entry says nothing), its text without what the
    builder added (build arguments' values among it), and the words of that text."""

    keyword: str
    text: str
    words: frozenset[str]


def read_created_by(created_by: str) -> Made:
    """Take the builder's wrapping off."""
    text = created_by[:_MAX_CHARS].strip().partition(_BUILDAH_SUFFIX)[0]
    text = text.removesuffix(_BUILDKIT_SUFFIX).strip()
    nop = _NOP.match(text)
    if nop is not None:
        text = text[nop.end() :]
    keyword, _, rest = text.partition(" ")
    keyword = keyword.upper() if keyword.upper() in KEYWORDS else ""
    if keyword in ("", "RUN"):
        # Whatever is no instruction by its first word was a command for the shell, or the words of an exec form.
        command = _without_shell(rest if keyword else text)
        return Made(keyword="RUN" if text else "", text=f"RUN {command}" if text else "", words=_words(command))
    return Made(keyword=keyword, text=f"{keyword} {rest.strip()}".strip(), words=_words(rest))


def _without_shell(command: str) -> str:
    """The command behind `|N A=1 B=2` and `/bin/sh -c`. Values may hold spaces: the shell marks where they end."""
    command = command.strip()
    args = _ARGS.match(command)
    if args is not None:
        shell = _SHELL.search(command, args.end())
        if shell is not None:
            return command[shell.end() :].strip()
        # An exec form: as many words as there are arguments are skipped.
        return " ".join(command[args.end() :].split(" ")[int(args[1]) :]).strip()
    shell = _SHELL.match(command)
    return command[shell.end() :].strip() if shell is not None else command


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())
