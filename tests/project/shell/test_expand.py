"""Words of the shell become the fields that bash makes of them."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.project.shell.evaluate import Evaluation
from imgscan.project.shell.expand import closing, expand, expand_pattern
from imgscan.project.shell.glob import FROM_ARGUMENTS, UNKNOWN, equal, matches
from imgscan.project.shell.scope import Constants, words
from imgscan.project.shell.syntax import parse_shell
from imgscan.project.shell.ways import Budget, Script

ARGUMENTS = ("down", "-v", "two words", "")
VARIABLES = {"x": ["plain"], "sp": ["a b  c"], "e": [""], "arr": ["one", "2 3", "-v"], "p": ["a/b.sql.gz"]}
SETTING = "x=plain; sp='a b  c'; e=; arr=(one '2 3' -v); p=a/b.sql.gz; "
WORDS = (
    "plain", "'single $x'", '"double $x"', "$x", "${x}", "pre${x}post", "$sp", '"$sp"', "$e", '"$e"', "a$e", '""',
    '"$@"', "$@", '"$*"', "$*", '"x$@y"', "$#", "${#x}", "${#arr[@]}", "$1", '"$2"', "${3}", "$4", "${5-d}", "${5:-d e}",
    '"${5:-d e}"', "${e:-dflt}", "${e-dflt}", "${x:+alt}", "${u+alt}", "${u:+alt}", '"${arr[@]}"', "${arr[@]}",
    '"${arr[*]}"', "${arr[1]}", '"${arr[0]}"', "$arr", "${p##*/}", "${p#*/}", "${p%.*}", "${p%%.*}", "${x/l/L}",
    "${p//./_}", "${x^^}", "${x,,}", "${x:1:2}", "${x:1}", '"${@:2}"', '"${@:2:1}"', "${@:3}", "$'a\\tb'", "\\$x",
    '"\\$x\\"q"', "a\\ b", "${u:-$x}", '"${u:-"$sp"}"', "${u:-${e:-deep}}", "x'y'\"z\"", "$", "${x}$sp", '"a"\'b\'$x',
    "-f=$x", "${arr[9]}", '"${arr[9]-none}"', "${u-}", '"${u-}"',
)  # fmt: skip


def evaluation() -> Evaluation:
    syntax = parse_shell("true")
    assert syntax is not None
    run = Evaluation(
        script=Script("x.sh", "", lambda script, shape: None),
        syntax=syntax,
        positional=list(ARGUMENTS),
        decisions=[],
        budget=Budget(1000),
    )
    run.variables.update({name: list(values) for name, values in VARIABLES.items()})
    return run


@pytest.mark.parametrize("word", WORDS)
def test_fields_are_those_of_bash(word: str) -> None:
    script = (
        f"{SETTING}set -f; show() {{ printf '%s\\036' \"$@\"; }}; set -- {' '.join(map(repr, ARGUMENTS))}; show {word}"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env={})
    # printf prints its format once when there is nothing to print.
    real = done.stdout.split("\x1e")[:-1]
    ours = expand(word, evaluation())
    assert (ours or [""]) == real


@pytest.mark.parametrize("word", WORDS)
def test_values_of_assignments_are_those_of_bash(word: str) -> None:
    script = f'{SETTING}set -f; set -- {" ".join(map(repr, ARGUMENTS))}; v={word}; printf %s "$v"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env={})
    assert expand(word, evaluation(), split=False) == [done.stdout]


PATTERNS = (
    "-v", "--v*", "-*[vV]*", "*", "-?", "[!-]*", "-[a-z]", "@(down|up)", "+(a|b)", "*-v*", "'*'", "a\\*b", "[[:digit:]]*",
    "[^a]", "?(-)v", "*(x)", "[]x]", "[a", "-vt0", '"-v"*', "a.b", "a+b", "(x)", "**",
)  # fmt: skip
TEXTS = (
    "-v", "--volumes", "-vt0", "down", "up", "", "*", "a*b", "aXb", "a", "ab", "7x", "]", "x", "v", "[a", "xxx", "a.b",
    "a+b", "down -v", "-V", "-", "--", "(x)", "-v=1", "é",
)  # fmt: skip


def test_patterns_match_as_in_bash() -> None:
    lines = ["shopt -s extglob"]
    for number, pattern in enumerate(PATTERNS):
        text = pattern.replace("(x)", "'(x)'") if pattern == "(x)" else pattern
        lines.append(f"m{number}() {{ case $1 in {text}) printf 1;; *) printf 0;; esac; }}")
    for text in TEXTS:
        quoted = "'" + text + "'"
        lines += [f"m{number} {quoted}" for number in range(len(PATTERNS))]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    real = iter(done.stdout)
    run = evaluation()
    for text in TEXTS:
        for pattern in PATTERNS:
            pieces = expand_pattern("'(x)'" if pattern == "(x)" else pattern, run)
            assert matches(pieces, text) is (next(real) == "1"), (pattern, text)


UNSURE = (
    ("a", UNKNOWN, None),
    ("a", "b" + UNKNOWN, False),
    ("ab", "a" + UNKNOWN, None),
    ("a", "ab" + UNKNOWN, False),
    (UNKNOWN, FROM_ARGUMENTS, None),
    ("a", "a", True),
)


@pytest.mark.parametrize(("left", "right", "same"), UNSURE)
def test_what_is_unknown_is_not_decided(left: str, right: str, same: bool | None) -> None:
    assert equal(left, right) is same
    assert equal(right, left) is same


def test_constants_are_resolved_and_the_rest_is_marked() -> None:
    constants = Constants()
    constants.set("C", ["docker", "compose"], maybe=False)
    constants.set("R", [UNKNOWN], maybe=False)
    found = [words(raw, constants) for raw in ('"${C[@]}"', '"$R/docker/x.yml"', "${B:-backups}", '"$OTHER"')]
    assert [[word.text for word in one] for one in found] == [["docker", "compose"], [None], [None], [None]]
    assert found[1][0].shape == "\0/docker/x.yml"
    assert found[2][0].shape == "backups"
    assert list(constants.reads) == ["B", "OTHER"]


@given(st.text(alphabet="$\"'`\\(){}[]|&;<>ab@*#:-+?/%~= \n\t\0\1", max_size=60))
def test_no_word_is_too_odd(raw: str) -> None:
    for text in expand(raw, Constants()):
        assert isinstance(text, str)
    expand_pattern(raw, Constants())


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_pattern_is_too_odd(pattern: str, text: str) -> None:
    assert matches([(pattern, False)], text) in (True, False, None)


@given(st.text(alphabet="(){}'\"\\ab", max_size=40))
def test_the_end_of_a_bracket_lies_in_the_text(text: str) -> None:
    assert 0 < closing("(" + text, 0) <= len(text) + 1
