"""What a parsed Dockerfile says: words, flags, heredocs, places; and what is refused, at which line."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgscan.dockerfile.parse import Command, Dockerfile, parse
from imgscan.errors import InputError


def command(line: str, head: str = "") -> Command:
    """The one command of a stage `FROM a`."""
    return parse(f"{head}FROM a\n{line}\n").stages[0].commands[1]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("RUN a  b", ("a  b",), id="run-shell"),
        pytest.param('RUN ["a", "b c"]', ("a", "b c"), id="run-json"),
        pytest.param("RUN", (), id="run-empty"),
        pytest.param("CMD ['a']", ("['a']",), id="invalid-json-is-shell"),
        pytest.param('CMD ["a"] # c', ('["a"] # c',), id="text-behind-json-is-shell"),
        pytest.param('CMD ["\\ud800"]', ("\ufffd",), id="json-lone-surrogate"),
        pytest.param("COPY a\tb  c", ("a", "b", "c"), id="copy"),
        pytest.param('COPY ["a b", "c"]', ("a b", "c"), id="copy-json"),
        pytest.param("COPY --from=x --link a b", ("a", "b"), id="copy-flags"),
        pytest.param("ENV A b  c", ("A=b  c",), id="env-legacy"),
        pytest.param("ENV A=1 B=\"x y\" C=d\\ e D='$A'", ("A=1", "B=x y", "C=d e", "D=$A"), id="env-pairs"),
        pytest.param('ENV A="a\\"b\\n$B"', ('A=a"b\\n$B',), id="env-escapes-in-quotes"),
        pytest.param("LABEL a.b=c \"d e\"='f g'", ("a.b=c", "d e=f g"), id="label"),
        pytest.param('ARG A B=2 C="d e"', ("A", "B=2", "C=d e"), id="arg-several"),
        pytest.param("EXPOSE 80 443/tcp", ("80", "443/tcp"), id="expose"),
        pytest.param("VOLUME /a /b", ("/a", "/b"), id="volume"),
        pytest.param("WORKDIR /a b", ("/a b",), id="workdir"),
        pytest.param("HEALTHCHECK --interval=5s CMD curl -f x", ("CMD curl -f x",), id="healthcheck"),
        pytest.param('HEALTHCHECK CMD ["a", "b"]', ("CMD", "a", "b"), id="healthcheck-json"),
        pytest.param("HEALTHCHECK NONE", ("NONE",), id="healthcheck-none"),
        pytest.param("MAINTAINER a <b>", ("a <b>",), id="maintainer"),
        pytest.param("ONBUILD COPY a b", ("COPY a b",), id="onbuild"),
    ],
)
def test_words(line: str, words: tuple[str, ...]) -> None:
    assert command(line).words == words


@pytest.mark.parametrize(
    ("line", "flags", "value"),
    [
        pytest.param("COPY --from=x --chown=a:b c d", (("from", "x"), ("chown", "a:b")), "c d", id="values"),
        pytest.param("COPY --link c d", (("link", None),), "c d", id="bare"),
        pytest.param(
            "RUN --mount=type=cache,target=/a --mount=type=tmpfs,target=/b c",
            (("mount", "type=cache,target=/a"), ("mount", "type=tmpfs,target=/b")),
            "c",
            id="repeated",
        ),
        pytest.param('RUN --mount=target="/a b" c', (("mount", "target=/a b"),), "c", id="quotes"),
        pytest.param("RUN -- --x", (), "--x", id="end-of-flags"),
        pytest.param("RUN a --x=y", (), "a --x=y", id="not-at-the-front"),
        pytest.param("ARG --what=ever A", (("what", "ever"),), "A", id="arg-does-not-look"),
    ],
)
def test_flags(line: str, flags: tuple[tuple[str, str | None], ...], value: str) -> None:
    found = command(line)
    assert (found.flags, found.value) == (flags, value)


def test_flag_gives_the_last() -> None:
    found = command("RUN --mount=a --mount=b c")
    assert (found.flag("mount"), found.flag("network")) == ("b", None)


def test_place_of_every_instruction() -> None:
    text = "# c\nARG A=1\nFROM $A AS x\n\n  RUN a \\\n    # c\n\n    && b\nFROM x\nCOPY <<E /f\ny\nE\n# end\n"
    parsed = parse(text, "sub/Dockerfile")
    commands = [*parsed.global_args, *(command for stage in parsed.stages for command in stage.commands)]
    assert [
        (c.instruction.stage, c.instruction.ordinal, c.instruction.line, c.instruction.end_line, text[c.start : c.end])
        for c in commands
    ] == [
        (-1, 1, 2, 2, "ARG A=1"),
        (0, 1, 3, 3, "FROM $A AS x"),
        (0, 2, 5, 8, "RUN a \\\n    # c\n\n    && b"),
        (1, 1, 9, 9, "FROM x"),
        (1, 2, 10, 12, "COPY <<E /f\ny\nE"),
    ]
    assert commands[2].instruction.text == "RUN a     && b"
    assert {c.instruction.file for c in commands} == {"sub/Dockerfile"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeffFROM a\r\nRUN b \\\r\n c\r\n", id="bom-crlf"),
        pytest.param("FROM a\n\tRUN <<E\r\nx\r\nE\r\n", id="heredoc"),
        pytest.param("FROM é\nRUN ü", id="non-ascii"),
    ],
)
def test_offsets_are_characters_of_the_text(text: str) -> None:
    parsed = parse(text.encode())
    assert parsed.text == text
    found = parsed.stages[0].commands[1]
    assert text[found.start :].startswith("RUN")
    assert text[found.end :].strip("\r\n") == ""
    assert not text[: found.end].endswith(("\r", "\n"))


def test_stages() -> None:
    parsed = parse("FROM --platform=$P a:1 As One\nRUN b\nFROM one\n")
    assert [(s.index, s.name, s.base, s.platform, len(s.commands)) for s in parsed.stages] == [
        (0, "one", "a:1", "$P", 2),
        (1, None, "one", None, 1),
    ]
    assert parsed.stages[0].commands[0].words == ("a:1", "As", "One")


def test_directives() -> None:
    parsed = parse("# Syntax = docker/dockerfile:1 \n# check=skip=all;error=true\n#escape=`\nFROM a\nRUN b `\n c\n")
    assert parsed.directives == (("syntax", "docker/dockerfile:1"), ("check", "skip=all;error=true"), ("escape", "`"))
    assert parsed.escape == "`"
    assert parsed.stages[0].commands[1].value == "b  c"


def test_escape_character_of_the_directive_counts_in_flags_and_values() -> None:
    head = "# escape=`\n"
    assert command("RUN --mount=target=C:\\a` b c", head).flags == (("mount", "target=C:\\a b"),)
    assert command('ENV A="`"x`"" B=C:\\d', head).words == ('A="x"', "B=C:\\d")


def test_heredocs() -> None:
    found = command("COPY <<one <<-'two' /x\na$B\none\n\tb\n\t\ttwo2\n\ttwo")
    assert [(h.name, h.body, h.expand, h.strip_tabs) for h in found.heredocs] == [
        ("one", "a$B\n", True, False),
        ("two", "\tb\n\t\ttwo2\n", False, True),
    ]
    assert [h.content for h in found.heredocs] == ["a$B\n", "b\ntwo2\n"]
    assert found.words == ("<<one", "<<-'two'", "/x")
    assert found.instruction.text == "COPY <<one <<-'two' /x"


def test_onbuild_trigger() -> None:
    found = command("ONBUILD COPY --from=x <<E b\ny\nE")
    assert found.trigger is not None
    trigger = found.trigger
    assert (trigger.keyword, trigger.flags, trigger.words) == ("COPY", (("from", "x"),), ("<<E", "b"))
    assert trigger.heredocs == found.heredocs
    assert trigger.instruction.text == "COPY --from=x <<E b"
    assert (trigger.instruction.line, trigger.instruction.end_line) == (2, 4)


def test_raw_words_keep_quotes() -> None:
    assert command("ENV A='$B' C=\"$D\"").raw_words == ("A='$B'", 'C="$D"')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "D:1: the Dockerfile cannot be empty", id="empty"),
        pytest.param("\n# c\n", "D:1: file with no instructions", id="only-comments"),
        pytest.param("ARG A\n", "D:1: dockerfile contains no stages to build: there is no FROM", id="no-from"),
        pytest.param("\nRUN a\n", "D:2: no build stage in current context: RUN stands before FROM", id="before-from"),
        pytest.param("FROM a\n\nRUNN b\n", "D:3: unknown instruction: RUNN (did you mean RUN?)", id="unknown-upper"),
        pytest.param("FROM a\nfrmo b\n", "D:2: unknown instruction: frmo (did you mean from?)", id="unknown-lower"),
        pytest.param("FROM a\nXYZZY\n", "D:2: unknown instruction: XYZZY", id="unknown-far"),
        pytest.param("FROM a b\n", "D:1: FROM requires either one or three arguments", id="from-two"),
        pytest.param("FROM a b c\n", "D:1: FROM requires either one or three arguments", id="from-no-as"),
        pytest.param(
            "FROM a AS 9x\n",
            'D:1: invalid name for build stage: "9x", name can\'t start with a number or contain symbols',
            id="stage-name",
        ),
        pytest.param("FROM a\nENV b\n", "D:2: ENV must have two arguments", id="env-one"),
        pytest.param(
            "FROM a\nENV b=c d\n",
            'D:2: Syntax error - can\'t find = in "d". Must be of the form: name=value',
            id="env-mixed",
        ),
        pytest.param("FROM a\nENV =b\n", "D:2: ENV names can not be blank", id="env-blank"),
        pytest.param("FROM a\nARG\n", "D:2: ARG requires at least one argument", id="arg-none"),
        pytest.param("FROM a\nWORKDIR\n", "D:2: WORKDIR requires exactly one argument", id="workdir-none"),
        pytest.param("FROM a\nSHELL sh\n", "D:2: SHELL requires the arguments to be in JSON form", id="shell"),
        pytest.param('FROM a\nVOLUME [" "]\n', "D:2: VOLUME specified can not be an empty string", id="volume"),
        pytest.param("FROM a\nHEALTHCHECK X\n", 'D:2: Unknown type "X" in HEALTHCHECK (try CMD)', id="health-type"),
        pytest.param("FROM a\nHEALTHCHECK CMD\n", "D:2: Missing command after HEALTHCHECK CMD", id="health-cmd"),
        pytest.param(
            "FROM a\nHEALTHCHECK --interval=1us CMD x\n",
            'D:2: Interval "interval" cannot be less than 1ms',
            id="health-1us",
        ),
        pytest.param(
            "FROM a\nHEALTHCHECK --timeout=5 CMD x\n", 'D:2: invalid duration "5" for --timeout', id="health-unit"
        ),
        pytest.param("FROM a\nRUN <<E\nb\n", "D:2: unterminated heredoc: no line is 'E'", id="heredoc-open"),
        pytest.param(
            "FROM a\nCOPY b <<E\nE\n", "D:2: COPY cannot accept a heredoc as a destination", id="heredoc-last"
        ),
        pytest.param(
            'FROM a\nCMD ["a", 1]\n',
            "D:2: when using JSON array syntax, arrays must be comprised of strings only",
            id="json-number",
        ),
        pytest.param("FROM a\nCOPY --frm=x a b\n", "D:2: unknown flag: --frm (did you mean from?)", id="flag-unknown"),
        pytest.param("FROM a\nCOPY --from=x --from=y a b\n", "D:2: duplicate flag specified: --from", id="flag-twice"),
        pytest.param("FROM a\nCOPY --from a b\n", "D:2: missing a value on flag: --from", id="flag-value"),
        pytest.param(
            "FROM a\nCOPY --link=yes a b\n", "D:2: expecting boolean value for flag --link, not: yes", id="flag-boolean"
        ),
        pytest.param("FROM a\nRUN --network=lan b\n", 'D:2: invalid network mode "lan"', id="network"),
        pytest.param(
            "FROM a\nRUN --mount=from=$X b\n",
            "D:2: 'from' doesn't support variable expansion, define alias stage instead",
            id="mount-from",
        ),
        pytest.param(
            "FROM a\nONBUILD ONBUILD RUN b\n",
            "D:2: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
            id="onbuild-chain",
        ),
        pytest.param("FROM a\nONBUILD FROM b\n", "D:2: FROM isn't allowed as an ONBUILD trigger", id="onbuild-from"),
        pytest.param("# escape=x\nFROM a\n", "D:1: invalid escape token 'x' does not match ` or \\", id="escape"),
        pytest.param(
            "# syntax=a\n# syntax=b\nFROM a\n", "D:2: only one syntax parser directive can be used", id="syntax"
        ),
        pytest.param(
            f"FROM a\nRUN {'x' * 65532}", "D:2: dockerfile line greater than max allowed size of 65535", id="long"
        ),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, "D")
    assert caught.value.what == message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("ADD --unpack --keep-git-dir --checksum=sha256:0 --exclude=a --exclude=b c d", id="add"),
        pytest.param("COPY --parents --exclude=a --link=FALSE c d", id="copy"),
        pytest.param("RUN --security=insecure --network=host --device=x --mount=type=ssh a", id="run"),
        pytest.param("RUN --mount=type=cache,from=a$ b", id="mount-dollar-at-end"),
        pytest.param("HEALTHCHECK --start-interval=1.5h2m.5s --retries=+3 --timeout=0 CMD a", id="durations"),
        pytest.param("HEALTHCHECK --nonsense NONE", id="none-ignores-flags"),
        pytest.param("STOPSIGNAL --x 9", id="stopsignal-ignores-flags"),
        pytest.param("ONBUILD FOO bar", id="onbuild-unknown-is-not-looked-at"),
        pytest.param("RUN", id="run-without-command"),
    ],
)
def test_accepted(line: str) -> None:
    assert command(line).instruction.line == 2


def test_bytes_that_are_not_utf8() -> None:
    parsed = parse(b"FROM a\nRUN echo \xff\nCOPY --chown=\xff b c\n")
    assert parsed.stages[0].commands[1].value == "echo \udcff"
    assert parsed.stages[0].commands[2].flags == (("chown", "\udcff"),)
    with pytest.raises(InputError) as caught:
        parse(b"FROM a\nFO\xffO\n")
    caught.value.what.encode()  # nothing in it that a terminal could not show


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"FROM a\n{text}".encode("utf-8", "replace")))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    parsed, refusal = outcome(data)
    assert (parsed is None) != (refusal is None)
    assert refusal is None or refusal.what.startswith("Dockerfile:")
    for stage in parsed.stages if parsed else ():
        for found in stage.commands:
            text = parsed.text[found.start : found.end] if parsed else ""
            assert text.upper().startswith((found.keyword, "\\", "`"))


def outcome(text: str | bytes) -> tuple[Dockerfile | None, InputError | None]:
    try:
        return parse(text), None
    except InputError as error:
        return None, error


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("FROM a\n" + "RUN \\\n" * 30_000, id="continuations"),
        pytest.param("FROM a\n" + f"RUN {'<<E' * 20_000}\n", id="heredocs-on-a-line"),
        pytest.param(f"FROM a\nRUN {'${a:-' * 12_000}\n", id="nested-substitutions"),
        pytest.param(f"FROM a\nCMD {'[' * 60_000}\n", id="nested-json"),
        pytest.param(f"FROM a\n{'ONBUILD ' * 8_000}RUN x\n", id="onbuild-chain"),
        pytest.param(f"# syntax={' ' * 60_000}x\nFROM a\n", id="directive-blanks"),
        pytest.param(f"FROM a\nRUN {'--x ' * 15_000}\n", id="flags"),
        pytest.param("FROM a\nRUN --mount=" + '\\"' * 30_000 + " x\n", id="csv-quotes"),
        pytest.param(f"FROM a\nENV {'a=b ' * 15_000}\n", id="pairs"),
        pytest.param(f"FROM a\nHEALTHCHECK --interval={'1h' * 30_000} CMD x\n", id="duration"),
        pytest.param(f"FROM a\n{'x' * 60_000}\n", id="long-unknown-keyword"),
        pytest.param("FROM a\n" * 100_001, id="instructions"),
    ],
)
def test_hostile_files_take_no_time(text: str) -> None:
    started = time.process_time()
    outcome(text)
    assert time.process_time() - started < 20
