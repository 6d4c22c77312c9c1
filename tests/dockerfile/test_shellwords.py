"""Shell text -> simple commands."""

from __future__ import annotations

import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.dockerfile.shellwords import simple_commands


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param("a && b || c; d | e & f", [("a",), ("b",), ("c",), ("d",), ("e",), ("f",)], id="separators"),
        pytest.param("a 'b c' \"d e\" f\\ g", [("a", "b c", "d e", "f g")], id="quoting"),
        pytest.param('a "x\\"y\\z" \'q\\\'', [("a", 'x"y\\z', "q\\")], id="escapes-in-quotes"),
        pytest.param("a 2>&1 >/dev/null <in 3<>x >|y &>z", [("a",)], id="redirections"),
        pytest.param("a b2>c", [("a", "b2")], id="digit-of-a-word-is-no-descriptor"),
        pytest.param("a $(b `c d`) e", [("a", "$()", "e"), ("b", "$()"), ("c", "d")], id="substitutions"),
        pytest.param('a "$(b "c d")"', [("a", "$()"), ("b", "c d")], id="quotes-in-quotes"),
        pytest.param("a ${B:-c d} $E", [("a", "${B:-c d}", "$E")], id="expansions"),
        pytest.param("if a; then b; else c; fi", [("a",), ("b",), ("c",)], id="if"),
        pytest.param("while ! a; do b; done", [("a",), ("b",)], id="while"),
        pytest.param("{ a; } && (b; c)", [("a",), ("b",), ("c",)], id="groups"),
        pytest.param("a # b; c\nd a#b", [("a",), ("d", "a#b")], id="comment"),
        pytest.param("a \\\n  b", [("a", "b")], id="continuation"),
        pytest.param("cat <<EOF; a\nb\nEOF\nc", [("cat",), ("a",), ("c",)], id="heredoc"),
        pytest.param("cat <<-'EOF'\n\tb\n\tEOF\nc", [("cat",), ("c",)], id="heredoc-tabs"),
        pytest.param("cat <<EOF\nb", [("cat",), ("b",)], id="heredoc-without-end"),
        pytest.param("cat <<<word", [("cat",)], id="here-string"),
        pytest.param("a 'b", [("a", "b")], id="open-quote"),
        pytest.param("a $(b", [("a", "$()"), ("b",)], id="open-substitution"),
        pytest.param("a ) b", [("a",), ("b",)], id="stray-closer"),
    ],
)
def test_words(script: str, expected: list[tuple[str, ...]]) -> None:
    assert [command.words for command in simple_commands(script)] == expected


def test_assignments_are_apart() -> None:
    (command,) = simple_commands("A=1 B='x y' run C=2")
    assert (command.assignments, command.words) == (("A=1", "B=x y"), ("run", "C=2"))


@given(st.lists(st.text(alphabet="abc \"'\\$x-", max_size=8), min_size=1, max_size=5).map(lambda w: ["run", *w]))
def test_reads_back_what_shlex_quotes(words: list[str]) -> None:
    (command,) = simple_commands(shlex.join(words))
    assert command.words == tuple(words)


@pytest.mark.parametrize("unit", ["$(", "`", "${", "'", '"', "(", "<<A\n", "cat <<EOF\n", "a<", "\\\n", "# x\n", '"$('])
def test_hostile_nesting_is_read_in_linear_time(unit: str) -> None:
    started = time.process_time()
    simple_commands(unit * (200_000 // len(unit)))
    assert time.process_time() - started < 5
