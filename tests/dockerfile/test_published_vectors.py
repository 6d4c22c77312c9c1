"""What BuildKit's own tests say of its parser, its instructions, its flags and its shell words, as tables of ours.

Sources: frontend/dockerfile of moby/buildkit (parser, instructions, shell). Its ignore patterns are in test_ignore.py.
"""

from __future__ import annotations

import pytest

from imgscan.dockerfile.lexer import Lexer, LexError
from imgscan.dockerfile.parse import Command, expand, parse
from imgscan.dockerfile.syntax import parse_heredoc_word, read_nodes
from imgscan.errors import InputError


def second(text: str) -> Command:
    """The instruction behind `FROM a`."""
    return parse(f"FROM a\n{text}\n").stages[0].commands[1]


# Heredoc, body: name, what the build sees, whether variables count.
HEREDOCS = {
    "empty": ("RUN <<EMPTY\nEMPTY", [("EMPTY", "", True)]),
    "file descriptor": ("RUN 3<<EMPTY\nEMPTY", [("EMPTY", "", True)]),
    "quoted, hence none": ('RUN "<<NONE"', []),
    "in quotes of the shell": ("RUN '<<NONE'", []),
    "indented": ("RUN <<I\n\tfoo\n\tbar\nI", [("I", "\tfoo\n\tbar\n", True)]),
    "tabs stripped": ("RUN <<-U\n\tbaz\n\tquux\nU", [("U", "baz\nquux\n", True)]),
    "end indented": ("RUN <<-U\n\tbaz\n\tU", [("U", "baz\n", True)]),
    "no expansion": ("RUN <<-'N'\n\tdon't $NAME\nN", [("N", "don't $NAME\n", False)]),
    "named as an instruction": ("RUN <<COPY\necho a\nCOPY", [("COPY", "echo a\n", True)]),
    "comments inside": ("RUN <<C\n# in\necho # at\nC", [("C", "# in\necho # at\n", True)]),
    "behind a flag": ("RUN --mount=type=cache,target=/f <<M\necho\nM", [("M", "echo\n", True)]),
    "two": ("COPY <<A <<B /d\n1\nA\n2\nB", [("A", "1\n", True), ("B", "2\n", True)]),
    "quotes in the body": ("COPY <<E /q\n\"a\"\n'b'\nE", [("E", "\"a\"\n'b'\n", True)]),
    "names crossed": ("COPY <<X <<Y /d\nY\nX\nX\nY", [("X", "Y\n", True), ("Y", "X\n", True)]),
    "with a program": ("RUN <<P python3\nprint()\nP", [("P", "print()\n", True)]),
    "named as a file": ("COPY <<file.txt /d\nhello\nfile.txt", [("file.txt", "hello\n", True)]),
    "partly quoted": ("RUN <<eo'f'\na\neof", [("eof", "a\n", False)]),
    "escaped quote": ("RUN <<eo\\'f\na\neo'f", [("eo'f", "a\n", True)]),
    "quoted and escaped": ("RUN <<'e'o\\'f\na\neo'f", [("eo'f", "a\n", False)]),
    "blank in the name": ("RUN <<'one two'\na\none two", [("one two", "a\n", False)]),
    "dollar in the name": ("RUN <<$E\n$E", [("$E", "", True)]),
    "blanks before the name": ("RUN <<  E\nE", [("E", "", True)]),
    "blanks, then a file": ("RUN <<  E  > foo\nE", [("E", "", True)]),
    "dash apart": ("RUN << -E\n-E", [("-E", "", True)]),
    "JSON form": ('RUN ["<<EOF"]', []),
    "JSON form, quoted": ("RUN [\"<<'EOF'\"]", []),
    "no heredoc in a label": ('LABEL a="<<E"', []),
}


@pytest.mark.parametrize(("text", "expected"), HEREDOCS.values(), ids=list(HEREDOCS))
def test_heredocs(text: str, expected: list[tuple[str, str, bool]]) -> None:
    assert [(doc.name, doc.content, doc.expand) for doc in second(text).heredocs] == expected


def test_heredoc_where_none_is_taken() -> None:
    nodes, _, _ = read_nodes("FROM a\nUSER <<INVALID\nINVALID\n", "Dockerfile")
    assert [(node.keyword, node.heredocs) for node in nodes] == [("FROM", ()), ("USER", ()), ("INVALID", ())]


@pytest.mark.parametrize(
    "word", ["<<EOF", "<<'EOF'", '<<"EOF"', "<<-EOF", "<<-'EOF'", '<<-"EOF"', '<<EO"F"', "<< EOF", "<<- EOF"]
)
def test_words_that_open_a_heredoc(word: str) -> None:
    found = parse_heredoc_word(word)
    assert found is not None
    assert (found.name, found.strip_tabs) == ("EOF", word.startswith("<<-"))


@pytest.mark.parametrize("word", ["", "EOF", "<<", "<<-", "<EOF", "<<<EOF", "<<EOF sh"])
def test_words_that_open_none(word: str) -> None:
    assert parse_heredoc_word(word) is None


@pytest.mark.parametrize("word", ["<<'EOF", '<<"EOF', "<<EOF'", '<<EOF"'])
def test_broken_heredoc_words(word: str) -> None:
    with pytest.raises(LexError):
        parse_heredoc_word(word)


COPIES = {
    "files": ("COPY /foo /bar", ("/foo", "/bar")),
    "heredoc and a file": ("COPY <<EOF foo.txt /bar\nin\nEOF", ("<<EOF", "foo.txt", "/bar")),
    "two heredocs": ("COPY <<A <<B /bar\n1\nA\n2\nB", ("<<A", "<<B", "/bar")),
}


@pytest.mark.parametrize(("text", "words"), COPIES.values(), ids=list(COPIES))
def test_copies(text: str, words: tuple[str, ...]) -> None:
    assert second(text).words == words


REFUSED = {
    **{f"{word} alone": (word, f"{word} requires exactly one argument") for word in ("WORKDIR", "USER", "STOPSIGNAL")},
    "MAINTAINER alone": ("MAINTAINER", "MAINTAINER requires exactly one argument"),
    **{
        f"{word} alone": (word, f"{word} requires at least one argument")
        for word in ("ENV", "LABEL", "ONBUILD", "HEALTHCHECK", "EXPOSE", "VOLUME")
    },
    **{
        f"{word} without destination": (f"{word} arg1", f"{word} requires at least two arguments")
        for word in ("ADD", "COPY")
    },
    "ENV without a name": ("ENV =arg2", "names can not be blank"),
    "LABEL without a name": ("LABEL =arg2", "names can not be blank"),
    "COPY of blanks": ("COPY\t\n\t\tquux \\\n      bar", "COPY requires at least two arguments"),
    "FROM as a trigger": ("ONBUILD FROM scratch", "FROM isn't allowed as an ONBUILD trigger"),
    "MAINTAINER as a trigger": ("ONBUILD MAINTAINER x", "MAINTAINER isn't allowed as an ONBUILD trigger"),
    "flag of MAINTAINER": ("MAINTAINER --boo joe@example.com", "unknown flag: --boo"),
    "chain of ONBUILD": ("ONBUILD ONBUILD RUN touch foobar", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
    "no instruction": ("FOO bar", "unknown instruction: FOO"),
    "no instruction, lower case": ("foo bar", "unknown instruction: foo"),
    "heredoc as destination": ("COPY /foo <<EOF\nEOF", "COPY cannot accept a heredoc as a destination"),
    "interval too short": ("HEALTHCHECK --interval=50ns CMD a", "cannot be less than 1ms"),
    "flag without its value": ("COPY --chown a b", "missing a value on flag: --chown"),
    "no boolean": ("COPY --link=false1 a b", "expecting boolean value for flag --link, not: false1"),
    "flag that is none": ("COPY --bool2 a b", "unknown flag: --bool2"),
    "flag twice": ("COPY --from=a --from=b c d", "duplicate flag specified: --from"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=list(REFUSED))
def test_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        second(text)
    assert error.value.what.startswith("Dockerfile:2: ")
    assert message in error.value.what


ACCEPTED = {
    "interval of nothing": "HEALTHCHECK --interval=0ms CMD a",
    "shortest interval": "HEALTHCHECK --interval=1ms CMD a",
    "end of flags": "COPY -- a b",
    "empty value": "COPY --chown= a b",
    "true": "COPY --link=true a b",
    "false": "COPY --link=false a b",
    "both": "COPY --link --chown=BYE a b",
    "tmpfs": "RUN --mount=type=tmpfs,target=/foo/ echo hello",
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=list(ACCEPTED))
def test_accepted(text: str) -> None:
    assert second(text).instruction.line == 2


# A list that is JSON but holds other things is refused.
@pytest.mark.parametrize("item", ["42", "123.456", "{}", '{"c": "d"}', '["c"]', "true", "false", "null"])
def test_lists_of_other_things(item: str) -> None:
    with pytest.raises(InputError, match="arrays must be comprised of strings only"):
        second(f'CMD ["a",{item},"b"]')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", ()),
        ('[""]', ("",)),
        ('["a"]', ("a",)),
        ('["a","b"]', ("a", "b")),
        ('[ "a", "b" ]', ("a", "b")),
        ('[\t"a",\t"b"\t]', ("a", "b")),
        ('\t[\t"a",\t"b"\t]\t', ("a", "b")),
        (
            r'["abc 123", "♥", "☃", "\" \\ \/ \b \f \n \r \t \u0000"]',
            ("abc 123", "♥", "☃", '" \\ / \b \f \n \r \t \0'),
        ),
    ],
    ids=["nothing", "empty", "one", "two", "blanks", "tabs", "tabs around", "escapes"],
)
def test_lists_of_strings(text: str, words: tuple[str, ...]) -> None:
    found = second(f"CMD {text}")
    assert (found.is_json, found.words) == (True, words)


DIRECTIVES = {
    "escape": ("#escape=\\\n# key = FOO bar\n", (("escape", "\\"),)),
    "case": ("# EScape=\\\n# KEY = FOO bar\n", (("escape", "\\"),)),
    "syntax with more": ("# syntax = a:b // opts\n", (("syntax", "a:b // opts"),)),
    "check": ("#check = skip=all // opts\n", (("check", "skip=all // opts"),)),
    "mark and syntax": ("\ufeff# syntax = myfrontend\n", (("syntax", "myfrontend"),)),
    "behind a blank line": ("\n# syntax=a\n", ()),
}


@pytest.mark.parametrize(("head", "expected"), DIRECTIVES.values(), ids=list(DIRECTIVES))
def test_directives(head: str, expected: tuple[tuple[str, str], ...]) -> None:
    assert parse(f"{head}FROM busybox\n").directives == expected


def test_lines_of_instructions() -> None:
    text = "# c\n\n\n\nFROM a\n\n\n\n\n\nENV b=1 \\\n  c=2\n\n\n\n\nRUN a \\\n" + "  # c\n  && b \\\n" * 6 + "  && d\n"
    commands = parse(text).stages[0].commands
    assert [(c.instruction.line, c.instruction.end_line) for c in commands] == [(5, 5), (11, 12), (17, 30)]


def test_too_long_a_line() -> None:
    with pytest.raises(InputError, match="greater than max allowed size of 65535"):
        second(f"LABEL test={'a' * 65536}")


# word, variables, what comes out; None: refused.
SCOPE = {"FOO": "xxx", "BAR": ""}
EXPANDED = [
    ("x", {}, "x"),
    ("x ${UNUSED}", {}, "x "),
    ("${FOO-aaa} ${BAR-bbb} ${BAZ-ccc}", SCOPE, "xxx  ccc"),
    ("${FOO:-aaa} ${BAR:-bbb} ${BAZ:-ccc}", SCOPE, "xxx bbb ccc"),
    ("${FOO:-}", SCOPE, "xxx"),
    ("${FOO:-}", {}, ""),
    ("${FOO+aaa} ${BAR+bbb} ${BAZ+ccc}", SCOPE, "aaa bbb "),
    ("${FOO:+aaa} ${BAR:+bbb} ${BAZ:+ccc}", SCOPE, "aaa  "),
    ("${FOO?aaa}", SCOPE, "xxx"),
    ("${BAR?bbb}", SCOPE, ""),
    ("${BAZ?ccc}", SCOPE, None),
    ("${FOO:?aaa}", SCOPE, "xxx"),
    ("${BAR:?bbb}", SCOPE, None),
    ("${BAZ:?ccc}", SCOPE, None),
    ("${BAZ:?}", SCOPE, None),
    ("${FOO=aaa}", SCOPE, None),
    ("${FOO=:aaa}", SCOPE, None),
    ("${FOO=}", {}, None),
    (r"${FOO#()[]{\}^$.\*\?|\\}", {"FOO": "()[]{}^$.*?|\\x"}, "x"),
    (r"${FOO%%\**}", {"FOO": "xx**"}, "xx"),
    ("${FOO#*x*y}", {"FOO": "xxyy"}, "y"),
    ("${FOO#*}", {"FOO": "xxyy"}, "xxyy"),
    ("${FOO#$BAR}", {"FOO": "xxyy", "BAR": "x"}, "xyy"),
    ("${FOO#$BAR}", {"FOO": "xxyy", "BAR": ""}, "xxyy"),
    ("${FOO#}", {"FOO": "xxyy"}, "xxyy"),
    ("${FOO##*x}", {"FOO": "xxyy"}, "yy"),
    ("${FOO##}", {"FOO": "xxyy"}, "xxyy"),
    (r"${FOO#?\?}", {"FOO": "???y"}, "?y"),
    ("${ABC:-.}${FOO%x}${ABC:-.}", {"FOO": "xxyy"}, ".xxyy."),
    (r"${FOO%%\**\*}", {"FOO": "a***yy*"}, "a"),
    ("${FOO%}", {"FOO": "xxyy"}, "xxyy"),
    ("${FOO%%$BAR}", {"FOO": "xxyy", "BAR": ""}, "xxyy"),
    (
        "${FOO/$NEEDLE/.} - ${FOO//$NEEDLE/.}",
        {"FOO": "/foo*/*/*.txt", "NEEDLE": r"\*/"},
        "/foo.*/*.txt - /foo..*.txt",
    ),
    ("${FOO/$NEEDLE/} - ${FOO//$NEEDLE/}", {"FOO": "/tmp/tmp/bar.txt", "NEEDLE": "/tmp"}, "/tmp/bar.txt - /bar.txt"),
    (
        "${FOO/$NEEDLE/$NEW} - ${FOO//$NEEDLE/$NEW}",
        {"FOO": "/a/foo/b/c.txt", "NEEDLE": "/?/", "NEW": "/"},
        "/foo/b/c.txt - /foo/c.txt",
    ),
    ("${FOO/$OLD/$NEW}", {"FOO": "http://a.de", "OLD": "http://", "NEW": "https://"}, "https://a.de"),
    (r"${FOO//\//\/}", {"FOO": "/tmp/foo.txt"}, r"\/tmp\/foo.txt"),
    ("${FOO/$BAR/ww}", {"FOO": "xxyy", "BAR": ""}, "wwxxyy"),
    ("${FOO//ww}", {"FOO": "xxyy"}, None),
    ("${FOO//}", {"FOO": "xxyy"}, None),
    ("${FOO///}", {"FOO": "xxyy"}, "xxyy"),
    ("${FOO///}", {}, ""),
    ("${VAR?message here$ARG}", {"VAR": "plain"}, "plain"),
    ("s-${V}.${O}-${A}${X:+-${X}}.gz", {"V": "v1", "O": "linux", "A": "arm", "X": "v7"}, "s-v1.linux-arm-v7.gz"),
    ("s-${V}.${O}-${A}${X:+-${X}}.gz", {"V": "v1", "O": "linux", "A": "arm"}, "s-v1.linux-arm.gz"),
]


@pytest.mark.parametrize(("word", "scope", "expected"), EXPANDED)
def test_expansions(word: str, scope: dict[str, str], expected: str | None) -> None:
    if expected is None:
        with pytest.raises(InputError):
            expand(word, scope)
    else:
        assert expand(word, scope) == expected


def test_message_of_a_required_variable() -> None:
    with pytest.raises(InputError, match="message herex"):
        expand("${VAR:?message here$ARG}", {"VAR": "", "ARG": "x"})


WORDS = [
    ("hello", ["hello"]),
    ("hello${hi}bye", ["hellobye"]),
    ("hello${hi} bye", ["hello", "bye"]),
    ("ab${space}cd", ["abcd"]),
    ("hello ${world}", ["hello"]),
    ("hello  ${world}  there", ["hello", "there"]),
    ("ab$two", ["aba", "b"]),
    ('ab"$two"', ["aba b"]),
    ("'ab$two'", ["ab$two"]),
    ("ab\\ cd", ["ab cd"]),
    ("'a b' c", ["a b", "c"]),
    ("foo 'bar baz' \"x y\"", ["foo", "bar baz", "x y"]),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_words(text: str, words: list[str]) -> None:
    assert Lexer(text, {"two": "a b", "space": ""}).split() == words
