"""Commands that the reading of a script follows: builtins, functions, other scripts, `sh -c`; all else is noted.

In: an `Evaluation` and the words of a command. Out: what the command changes in it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from imgscan.project.shell import conditions
from imgscan.project.shell.glob import FROM_ARGUMENTS, UNKNOWN, is_known, search, tail
from imgscan.project.shell.options import option_changes
from imgscan.project.shell.peel import script_word, strip_prefixes
from imgscan.project.shell.ways import ExitSignal, LoopSignal, Made, ReturnSignal, StopSignal

if TYPE_CHECKING:
    from tree_sitter import Node

    from imgscan.project.shell.evaluate import Evaluation

_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
_QUIET: Final = frozenset(
    [
        "cd",
        "pushd",
        "popd",
        "trap",
        "umask",
        "ulimit",
        "wait",
        "sleep",
        "mkdir",
        "touch",
        "chmod",
        "chown",
        "cp",
        "mv",
        "ln",
        "date",
        "clear",
        "tput",
        "stty",
        "hash",
        "alias",
    ]
)


def run_command(run: Evaluation, words: list[str], node: Node) -> None:
    """One command. Its status is True or False where that is sure, else None."""
    name = words[0]
    if name in run.functions:
        run.call(name, words[1:])
        return
    handler = _BUILTINS.get(name)
    if handler is not None:
        handler(run, words[1:], node)
        return
    _program(run, words, node)


def _program(run: Evaluation, words: list[str], node: Node) -> None:
    """A program: prefixes away, then a script of the project, a shell's text, or somebody else's."""
    ends = words[0] == "exec"
    inner = strip_prefixes(words)
    if words[0] == "command" and len(words) > 1 and words[1] in ("-v", "-V"):
        run.status = None
        return
    if not inner:
        run.status = True
        return
    name = posixpath.basename(inner[0])
    if inner[0] != words[0] and inner[0] in run.functions and words[0] not in ("sudo", "env", "xargs"):
        run.call(inner[0], inner[1:])
    elif name in _SHELLS and len(inner) > 1:
        _shell(run, inner)
    elif not _script(run, inner):
        _foreign(run, inner)
    if ends:
        raise ExitSignal


def _foreign(run: Evaluation, words: list[str]) -> None:
    run.made.append(Made(tuple(words), run.asked, run.sure))
    if words[0] == "grep" or words[0] in ("egrep", "fgrep"):
        run.status = _grep(words, run.stdin)
        if run.status is None and run.stdin is not None and FROM_ARGUMENTS in run.stdin:
            run.sure = False
        return
    if run.captured:
        tainted = (run.stdin is not None and run.stdin != UNKNOWN) or any(_of_arguments(run, word) for word in words)
        run.captured[-1].append(FROM_ARGUMENTS if tainted else UNKNOWN)
    run.status = True if posixpath.basename(words[0]) in _QUIET else None


def _of_arguments(run: Evaluation, word: str) -> bool:
    """Whether a word is one of the parameters, or holds one."""
    return FROM_ARGUMENTS in word or any(one and len(one) > 1 and one in word for one in run.positional)


def _script(run: Evaluation, words: list[str]) -> bool:
    """A script of the project that is called by its path."""
    if "/" not in tail(words[0]) and "/" not in words[0]:
        return False
    found = run.script.find(run.script.path, words[0])
    if found is None:
        return False
    run.isolated(lambda: run.source(found[0], found[1], words[1:]))
    return True


def _shell(run: Evaluation, words: list[str]) -> None:
    """`bash -c TEXT` and `bash script.sh`."""
    text = script_word(words)
    if text is not None:
        _text(run, words[text], words[text + 2 :])
        return
    at = next((at for at, word in enumerate(words[1:], start=1) if not word.startswith("-")), None)
    if at is None:
        run.status = None
    elif not _script(run, [words[at] if "/" in words[at] else f"./{words[at]}", *words[at + 1 :]]):
        _foreign(run, words)


def _text(run: Evaluation, text: str, arguments: list[str]) -> None:
    if FROM_ARGUMENTS in text:
        raise StopSignal("it runs a text that it makes of its arguments")
    made = text.replace(UNKNOWN, "$HOME")
    run.isolated(lambda: run.source(run.script.path, made, arguments))


def _echo(run: Evaluation, words: list[str], node: Node) -> None:
    while words and re.fullmatch(r"-[neE]+", words[0]):
        words = words[1:]
    _print(run, " ".join(words) + "\n")


def _printf(run: Evaluation, words: list[str], node: Node) -> None:
    if words[:1] == ["-v"]:
        run.variables[words[1] if len(words) > 1 else "REPLY"] = [FROM_ARGUMENTS]
    elif words and re.fullmatch(r"[^%\\]*%s(?:\\n| )?", words[0]):
        form = words[0].replace("\\n", "\n")
        _print(run, "".join(form.replace("%s", word) for word in words[1:] or [""]))
    else:
        _print(run, FROM_ARGUMENTS if any(_of_arguments(run, word) for word in words) else UNKNOWN)
    run.status = True


def _print(run: Evaluation, text: str) -> None:
    if run.captured:
        run.captured[-1].append(text)
    run.status = True


def _shift(run: Evaluation, words: list[str], node: Node) -> None:
    count = int(words[0]) if words and words[0].isdigit() and len(words[0]) < 4 else 1
    run.status = count <= len(run.positional)
    if run.status:
        run.positional = run.positional[count:]


def _set(run: Evaluation, words: list[str], node: Node) -> None:
    on, off = option_changes(tuple(words))
    run.options |= on
    run.options -= off
    if "--" in words:
        run.positional = words[words.index("--") + 1 :]
    elif words and words[0][:1] not in "-+":
        run.positional = words
    run.status = True


def _read(run: Evaluation, words: list[str], node: Node) -> None:
    """A question, unless there is something else to read from."""
    names = [word for word in words if re.fullmatch(r"[A-Za-z_]\w*", word, re.A)] or ["REPLY"]
    if run.stdin is None:
        run.asked = True
        run.status = True
        value = UNKNOWN
    else:
        run.status = None
        value = FROM_ARGUMENTS if run.stdin != UNKNOWN else UNKNOWN
    for name in names:
        run.variables[name] = [value]


def _test(run: Evaluation, words: list[str], node: Node) -> None:
    verdict = conditions.single_bracket(words[:-1] if words[-1:] == ["]"] else words)
    run.status = verdict.value
    if verdict.value is None:
        run.status = run.choose(node.start_byte, " ".join(words), of_arguments=verdict.of_arguments)


def _exit(run: Evaluation, words: list[str], node: Node) -> None:
    run.status = not words or words[0] == "0"
    raise ExitSignal


def _return(run: Evaluation, words: list[str], node: Node) -> None:
    if words:
        run.status = words[0] == "0" if is_known(words[0]) else None
    raise ReturnSignal


def _break(run: Evaluation, words: list[str], node: Node) -> None:
    _leave(words, again=False)


def _continue(run: Evaluation, words: list[str], node: Node) -> None:
    _leave(words, again=True)


def _leave(words: list[str], *, again: bool) -> None:
    raise LoopSignal(again, int(words[0]) if words and words[0].isdigit() and len(words[0]) < 3 else 1)


def _source(run: Evaluation, words: list[str], node: Node) -> None:
    found = run.script.find(run.script.path, words[0]) if words else None
    if found is None:
        # Some other file: it may set any variable.
        run.foreign = True
        run.status = True
        return
    run.source(found[0], found[1], words[1:] or None)


def _eval(run: Evaluation, words: list[str], node: Node) -> None:
    text = " ".join(words)
    if not is_known(text):
        raise StopSignal("it uses eval on what is not known")
    run.source(run.script.path, text, None)


def _unfollowed(run: Evaluation, words: list[str], node: Node) -> None:
    raise StopSignal("it reads its options by getopts")


def _array(run: Evaluation, words: list[str], node: Node) -> None:
    run.variables[words[-1] if words else "MAPFILE"] = [FROM_ARGUMENTS]
    run.status = True


def _true(run: Evaluation, words: list[str], node: Node) -> None:
    run.status = True


def _false(run: Evaluation, words: list[str], node: Node) -> None:
    run.status = False


def _maybe(run: Evaluation, words: list[str], node: Node) -> None:
    run.status = None


def _grep(words: list[str], stdin: str | None) -> bool | None:
    """`grep` on a known text; None where it is not known or the options are not followed."""
    if stdin is None or not is_known(stdin):
        return None
    letters = {"egrep": "E", "fgrep": "F"}.get(words[0], "")
    patterns: list[str] = []
    rest: list[str] = []
    at = 1
    while at < len(words):
        word = words[at]
        if word == "--":
            rest += words[at + 1 :]
            break
        if word in ("-e", "--regexp") and at + 1 < len(words):
            patterns.append(words[at + 1])
            at += 1
        elif word.startswith("--"):
            return None if word not in ("--quiet", "--silent") else _grep([*words[:at], *words[at + 1 :]], stdin)
        elif word.startswith("-") and len(word) > 1:
            letters += word[1:]
        else:
            rest.append(word)
        at += 1
    patterns = patterns or rest[:1]
    if len(rest) > 1 or not patterns or set(letters) - set("qEFwxise"):
        return None
    found = [_line_matches(pattern, letters, line) for line in stdin.split("\n") for pattern in patterns]
    return None if None in found else any(found)


def _line_matches(pattern: str, letters: str, line: str) -> bool | None:
    if not is_known(pattern):
        return None
    if "F" in letters:
        expression = "".join(f"\\x{{{ord(char):x}}}" for char in pattern)
    elif "E" in letters:
        expression = pattern
    else:
        expression = re.sub(
            r"\\?([|(){}+?])", lambda found: found[1] if len(found[0]) == 2 else "\\" + found[1], pattern
        )
    if re.search(r"\\[bBwW<>]", expression):
        expression = expression.replace("\\<", "\\b").replace("\\>", "\\b")
    if "w" in letters:
        expression = rf"(?:^|\W)(?:{expression})(?:\W|$)"
    if "x" in letters:
        expression = rf"^(?:{expression})$"
    return search(f"(?i){expression}" if "i" in letters else expression, line)


_BUILTINS: Final[dict[str, Callable[[Evaluation, list[str], Node], None]]] = {
    "echo": _echo,
    "printf": _printf,
    "shift": _shift,
    "set": _set,
    "read": _read,
    "test": _test,
    "[": _test,
    "exit": _exit,
    "return": _return,
    "break": _break,
    "continue": _continue,
    ".": _source,
    "source": _source,
    "eval": _eval,
    "getopts": _unfollowed,
    "mapfile": _array,
    "readarray": _array,
    "true": _true,
    ":": _true,
    "false": _false,
    "type": _maybe,
    "which": _maybe,
    "let": _maybe,
    "shopt": _true,
}
