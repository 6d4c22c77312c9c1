"""Shell texts are found wherever they stand, with the right lines, options, guards and pipelines."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from setups import setup_of

from imgscan.project.shell.calls import MAX_CALLS
from imgscan.project.shell.fences import markdown_snippets
from imgscan.project.shell.heredocs import without_heredocs
from imgscan.project.shell.makefile import makefile_snippets
from imgscan.project.shell.read import source_candidates
from imgscan.project.shell.records import Call, ShellKind, ShellText
from imgscan.project.shell.text import Snippet, read_text


def text_of(script: str, **more: object) -> ShellText:
    snippet = Snippet(file="x.sh", name="x.sh", kind=ShellKind.SCRIPT, line=1, text=script, **more)  # type: ignore[arg-type]
    return read_text(snippet)


def shown(call: Call) -> str:
    return " ".join(word.shape.replace("\0", "?") for word in call.words)


def call_of(script: str, program: str = "target") -> Call:
    return next(call for call in text_of(script).calls if call.words and call.words[0].shape == program)


FOUND: dict[str, tuple[dict[str, str], list[tuple[str, str, int, str]]]] = {
    "a script by its name": ({"a.sh": "#\ntarget x\n"}, [("script", "a.sh", 2, "target x")]),
    "a script by its first line": (
        {"bin/run": "#!/usr/bin/env bash\n\ntarget\n"},
        [("script", "bin/run", 3, "target")],
    ),
    "no script": ({"a.py": "#!/usr/bin/python\ntarget\n", "b.sh": "#!/usr/bin/env python3\ntarget\n", "c": "target\n"}, []),
    "a package script": (
        {"p/package.json": '{\n  "name": "p",\n  "scripts": {\n    "a": "x",\n    "stop": "target && y"\n  }\n}\n'},
        [("package.json", "stop", 5, "target")],
    ),
    "a make recipe": (
        {"Makefile": "A = target\n.PHONY: up\nup: dep ; x\n\t@echo hi\n\t-$(A) one \\\n\t  two $$HOME $@\n\nother:\n\techo\n"},
        [("make", "up", 5, "target one two ? ?")],
    ),
    "a step of GitHub": (
        {".github/workflows/a.yml": "jobs:\n  j:\n    steps:\n      - uses: x\n      - run: |\n          echo\n\n          target\n"},
        [("ci", "j", 8, "target")],
    ),
    "a step in one line": (
        {".github/workflows/a.yml": "jobs:\n  j:\n    steps:\n      - run: target ${{ github.sha }}\n"},
        [("ci", "j", 4, "target ?")],
    ),
    "a job of GitLab": (
        {".gitlab-ci.yml": "build:\n  before_script: [echo]\n  script:\n    - echo\n    - target\n"},
        [("ci", "build", 5, "target")],
    ),
    "a fence of the README": (
        {"README.md": "# x\n\n```bash\n# say\ntarget a\n```\n\n```python\ntarget\n```\n"},
        [("readme", "README.md", 5, "target a")],
    ),
    "a session": (
        {"docs/a.md": "1. do\n\n   ```console\n   $ target a\n   output target\n   ```\n"},
        [("readme", "docs/a.md", 4, "target a")],
    ),
    "a line of cron": ({"crontab": "# m h\nX=1\n0 3 * * * root target -x\n"}, [("cron", "crontab", 3, "target -x")]),
    "a command of a service": (
        {"compose.yaml": "services:\n  a:\n    image: x\n    command: [sh, -c, 'target $$X']\n"},
        [("compose", "a", 4, "target ?")],
    ),
    "commands inside of words": ({"a.sh": 'x="$(target 1)"\ny=`target 2`\n'}, [
        ("script", "a.sh", 1, "target 1"), ("script", "a.sh", 2, "target 2"),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    files, expected = FOUND[name]
    found = [
        (text.kind.value, text.name, call.line, shown(call))
        for text in setup_of(files).shells
        for call in text.calls
        if call.words and call.words[0].shape == "target"
    ]
    assert found == expected


RESOLVED = {
    "an array": ('C=(docker compose -f "a b")\n"${C[@]}" down', "docker compose -f a b down"),
    "an array that grows": ("C=(target)\nC+=(-f x)\n${C[@]} y", "target -f x y"),
    "a string that is split": ('C="target -f x"\n$C y', "target -f x y"),
    "a value that nobody knows": ('R=$(pwd)\ntarget "$R/docker"', "target ?/docker"),
    "two values": ("X=a\nif b; then X=c; fi\ntarget $X", "target ?"),
    "one of two programs": ('if b; then C="docker compose"; else C=docker-compose; fi\n$C down', "docker-compose down"),
    "a loop": ("for f in a b; do target $f; done", "target ?"),
    "what is read": ('f=x\nread -r f\ntarget "$f"', "target ?"),
    "a default": ('target "${X:-d}"', "target d"),
}


@pytest.mark.parametrize("name", RESOLVED)
def test_constants(name: str) -> None:
    script, expected = RESOLVED[name]
    assert expected in [shown(call) for call in text_of(script).calls]


GUARDED = {
    "an answer": ('read -p "?" a\n[[ $a == y ]] || exit 1\ntarget', True),
    "an answer in an if": ("read a; if [ $a = y ]; then target; fi", True),
    "an answer the other way round": ('read -r a; if [ "$a" != y ]; then exit; fi; target', True),
    "an answer in a case": ("read a; case $a in y) target ;; esac", True),
    "an answer in a loop": ("while :; do read a; case $a in y) target; break ;; n) exit ;; esac; done", True),
    "an answer in a chain": ("read a && [ $a = y ] && target", True),
    "an answer made small": ('read a; a2=$(echo $a | tr A-Z a-z); [ "$a2" = y ] || exit; target', True),
    "a function that asks": ("c() { read a; [ $a = y ]; }\nc && target", True),
    "a function that asks and ends": ("c() { read a; [ $a = y ] || exit; }\nc\ntarget", True),
    "a function that is called after a question": ("f() { target; }\nread a; [ $a = y ] || exit\nf", True),
    "a terminal": ("[[ -t 0 ]] || exit 3\ntarget", True),
    "a variable to confirm": ('[ "$CONFIRM" = yes ] || exit\ntarget', True),
    "nothing": ("target", False),
    "a question that nobody looks at": ("read a\ntarget", False),
    "a question in a branch": ("if [ $1 = x ]; then read a; [ $a = y ] || exit; fi\ntarget", False),
    "an end without a question": ('[ -f x ] || exit\ntarget', False),
    "lines that are read": ("while read -r f; do target $f; done < list", False),
    "lines of a pipe": ("ls | while read -r f; do [ -n \"$f\" ] && target; done", False),
    "a function that is also called without": ("f() { target; }\nf\nread a; [ $a = y ] || exit\nf", False),
}  # fmt: skip


@pytest.mark.parametrize("name", GUARDED)
def test_guards(name: str) -> None:
    script, guarded = GUARDED[name]
    assert call_of(script).guarded is guarded


OPTIONS = {
    "in one word": ("set -Eeuo pipefail\ntarget", {"errexit", "errtrace", "nounset", "pipefail"}),
    "by name": ("set -o pipefail -o errexit\ntarget", {"pipefail", "errexit"}),
    "taken back": ("set -e\nset +e\ntarget", set()),
    "in a function": ("f() { set -e; }\ntarget", set()),
    "only sometimes": ("[ -n x ] && set -e\ntarget", set()),
    "after it": ("target\nset -e", set()),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name: str) -> None:
    script, options = OPTIONS[name]
    assert call_of(script).options == options


def test_options_of_a_shebang() -> None:
    assert text_of("target", shebang="#!/bin/bash -eu").options == {"errexit", "nounset"}


def test_a_library_brings_options_constants_and_functions() -> None:
    files = {
        "lib.sh": 'set -euo pipefail\nC=(docker compose)\ndc() { "${C[@]}" "$@"; }\ndb() { dc exec -T db "$@"; }\n',
        "a.sh": '. "$(dirname "$0")/lib.sh"\n"${C[@]}" down\ndb psql\n',
    }
    (text,) = (text for text in setup_of(files).shells if text.name == "a.sh")
    assert text.options == {"errexit", "nounset", "pipefail"}
    assert text.sources == ("lib.sh",)
    assert "docker compose down" in [shown(call) for call in text.calls]
    assert [word.shape for word in text.forwards["db"]] == ["dc", "exec", "-T", "db"]


def test_pipelines_redirects_and_failures() -> None:
    text = text_of("a | target 2>&1 | c > out 2>err\nd || true\ne && f || :\n{ g; } >h\n")
    target, c = call_of("a | target 2>&1 | c > out", "target"), next(x for x in text.calls if shown(x) == "c")
    assert (target.place, target.piped) == (1, 3)
    assert [(r.operator, r.descriptor, r.target and r.target.text) for r in c.redirects] == [
        (">", None, "out"),
        (">", 2, "err"),
    ]
    assert {shown(call) for call in text.calls if call.ignored} == {"d", "e", "f"}
    (g,) = (call for call in text.calls if shown(call) == "g")
    assert [redirect.target and redirect.target.text for redirect in g.redirects] == ["h"]


def test_heredocs_are_text_and_what_stands_beside_them_is_not() -> None:
    script = "target <<'EOF' | other && third\nfirst line $(not run)\nEOF\nif ! x <<A; then\nbody\nA\n  last\nfi\n"
    text = text_of(script)
    assert not text.broken
    assert [shown(call) for call in text.calls] == ["target", "other", "third", "x", "last"]
    assert text.calls[0].heredoc == "first line $(not run)\n"
    assert text.calls[3].heredoc == "body\n"
    assert text.calls[1].piped == 2


@given(st.text(alphabet="<'\"EOF-\n $()#\\x{}`", max_size=80))
def test_heredocs_keep_every_place(script: str) -> None:
    plain, _ = without_heredocs(script)
    assert len(plain) == len(script)
    assert plain.count("\n") == script.count("\n")


def test_offsets_are_those_of_the_text() -> None:
    script = "echo 'größe 😀'\ntarget 'é'  # é\n"
    call = call_of(script)
    assert script[call.start : call.end] == "target 'é'"


BROKEN = {
    "a quote that does not end": "target 'x\n",
    "an if that does not end": "if true; then\n  target\n",
    "too deep": "(" * 300 + "target" + ")" * 300,
    "too many branches": "".join("if x; then\n" for _ in range(200)) + "target\n" + "fi\n" * 200,
    "too large": "target\n" * 60_000,
    "bytes that are no text": "target \udcff\udcfe (((\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_said(name: str) -> None:
    assert text_of(BROKEN[name]).broken


def test_so_many_calls_and_no_more() -> None:
    text = text_of("a;" * (MAX_CALLS + 10))
    assert text.broken
    assert len(text.calls) == MAX_CALLS


def test_a_script_that_sources_itself_ends() -> None:
    files = {"a.sh": ". ./b.sh\ntarget\n", "b.sh": ". ./a.sh\n. ./b.sh\n"}
    assert {text.name for text in setup_of(files).shells} == {"a.sh", "b.sh"}


OUTSIDE = {"../x.sh": (), "/etc/profile": (), "\0": (), "\0/lib.sh": ("s/lib.sh", "lib.sh"), "../../../x": ()}


@pytest.mark.parametrize("shape", OUTSIDE)
def test_only_scripts_of_the_tree_are_sourced(shape: str) -> None:
    assert source_candidates("s/a.sh", shape) == (OUTSIDE[shape] or source_candidates("s/a.sh", shape))
    assert not any(path.startswith(("/", "..")) for path in source_candidates("s/a.sh", shape))


SHELLISH = st.lists(st.sampled_from([*"$\"'`(){}[]|&;<>#=-*\\ \n\t", "if ", "then ", "fi\n", "do ", "done\n", "case ", "esac\n",
                              " in ", ") ", ";;", "for ", "while ", "x", "read a", "<<E\n", "E\n", "f() {", "}\n", "é"]), max_size=60).map("".join)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=200)
@given(SHELLISH)
def test_no_script_is_too_odd(script: str) -> None:
    text = text_of(script)
    for call in text.calls:
        assert 0 <= call.start <= call.end <= len(script)
        assert 1 <= call.line <= script.count("\n") + 1


@given(
    st.lists(st.sampled_from([*"`~$ \n>#-", "```sh\n", "```\n", "    ", "docker x\n", "é"]), max_size=60).map("".join)
)
def test_no_document_is_too_odd(document: str) -> None:
    for snippet in markdown_snippets("a.md", document):
        assert 1 <= snippet.line <= document.count("\n") + 1


@given(
    st.lists(
        st.sampled_from([*":=$()\t\n\\#@-", "a", "a: b\n", "\tx\n", "$(A)", "A = $(A)\n", "ifdef "]), max_size=60
    ).map("".join)
)
def test_no_makefile_is_too_odd(document: str) -> None:
    for snippet in makefile_snippets("Makefile", document):
        assert 1 <= snippet.line <= document.count("\n") + 1
