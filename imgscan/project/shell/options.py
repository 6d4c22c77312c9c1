"""Options of a shell: what `set`, a shebang and a shell's own arguments turn on. In: words. Out: names of options."""

from __future__ import annotations

from typing import Final

_LETTERS: Final = {"e": "errexit", "u": "nounset", "E": "errtrace", "x": "xtrace"}
KNOWN: Final = frozenset({"errexit", "nounset", "errtrace", "pipefail", "xtrace"})


def option_changes(words: tuple[str, ...]) -> tuple[set[str], set[str]]:
    """Options turned on and off by the arguments of `set`, `bash` or a shebang: `-euo pipefail`, `+e`."""
    on: set[str] = set()
    off: set[str] = set()
    named: list[set[str]] = []
    for word in words:
        if word == "--":
            break
        if named and word[:1] not in ("-", "+"):
            into = named.pop()
            if word in KNOWN:
                into.add(word)
            continue
        if len(word) < 2 or word[0] not in "-+" or word.startswith("--"):
            continue
        into = on if word[0] == "-" else off
        into.update(_LETTERS[letter] for letter in word[1:] if letter in _LETTERS)
        named = [into] if "o" in word[1:] else []
    return on, off


def shebang_options(shebang: str | None) -> frozenset[str]:
    """Those of the first line: `#!/bin/bash -eu`."""
    if shebang is None:
        return frozenset()
    on, _ = option_changes(tuple(shebang.split()[1:]))
    return frozenset(on)
