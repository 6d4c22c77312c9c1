"""The parser against BuildKit's own (the `dockerfile` package binds moby/buildkit v0.12.5): same instructions, same spans,
same flags, same files refused.

Newer frontends differ from that version in four things, which the parser follows and these inputs leave out; they are
in test_parse.py and test_published_vectors.py: text behind a JSON list makes it shell form (since v0.15), `check` is a
directive (since v0.14), the escape character of the directive counts in flags, and blanks may stand between `<<` and the
name of a heredoc.
"""

from __future__ import annotations

import re
from typing import Any

import dockerfile
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from imgscan.dockerfile.syntax import Node, read_nodes
from imgscan.errors import InputError

NODE_API = """\
# syntax=docker/dockerfile:1.4
FROM --platform=$BUILDPLATFORM node:18-alpine AS development

WORKDIR /usr/src/app

COPY package.json /usr/src/app/package.json
COPY package-lock.json /usr/src/app/package-lock.json
RUN npm ci

COPY . /usr/src/app

EXPOSE 3000

CMD ["npm", "run", "dev"]

FROM development as dev-envs
RUN <<EOF
apt-get update
apt-get install -y --no-install-recommends git
EOF

RUN <<EOF
useradd -s /bin/bash -m vscode
groupadd docker
usermod -aG docker vscode
EOF
# install Docker tools (cli, buildx, compose)
COPY --from=gloursdocker/docker / /
CMD ["npm", "run", "dev"]
"""
FLASK = """\
# syntax=docker/dockerfile:1.4
FROM --platform=$BUILDPLATFORM python:3.10-alpine AS builder

WORKDIR /code
COPY requirements.txt /code
RUN --mount=type=cache,target=/root/.cache/pip \\
    pip3 install -r requirements.txt

COPY . .
ENTRYPOINT ["python3"]
CMD ["app.py"]

FROM builder as dev-envs
RUN <<EOF
apk update
apk add git bash
EOF
RUN <<EOF
addgroup -S docker
adduser -S --shell /bin/bash --ingroup docker vscode
EOF
"""
GO_SERVICE = """\
ARG GO_VERSION=1.20
FROM golang:${GO_VERSION}-alpine AS build
ENV CGO_ENABLED=0 \\
    GOFLAGS="-trimpath -mod=readonly"
WORKDIR /src
RUN --mount=type=bind,source=go.mod,target=go.mod \\
    --mount=type=bind,source=go.sum,target=go.sum \\
    --mount=type=cache,target=/go/pkg/mod \\
    go mod download -x
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build go build -o /out/app ./cmd/app

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /out/app /app
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=3s CMD ["/app", "healthz"]
ENTRYPOINT ["/app"]
"""
LAMP = """\
FROM php:8.0-apache
MAINTAINER Someone <someone@example.org>
RUN apt-get update \\
  && apt-get install -y \\
     # the database client
     default-mysql-client \\

     libpng-dev \\
  && rm -rf /var/lib/apt/lists/* ; \\
  docker-php-ext-install gd mysqli
VOLUME /var/www/html /var/log/apache2
ENV APACHE_RUN_USER www-data
ENV MSG hello   world "quoted" \\
    and more
LABEL org.opencontainers.image.title="LAMP" \\
      org.opencontainers.image.description='a b "c"'
ONBUILD COPY . /var/www/html
ONBUILD RUN ["chown", "-R", "www-data", "/var/www/html"]
STOPSIGNAL SIGQUIT
EXPOSE 80 443/tcp
CMD apache2-foreground
"""
WINDOWS = """\
# escape=`
FROM mcr.microsoft.com/windows/servercore:ltsc2022
SHELL ["powershell", "-Command", "$ErrorActionPreference = 'Stop';"]
WORKDIR C:\\build
COPY src\\ C:\\build\\
RUN Write-Host 'hello'; `
    # a comment
    New-Item -ItemType Directory C:\\out
ENV PATHS="C:\\a;C:\\b" QUOTED="`"x`""
CMD C:\\out\\app.exe
"""
HEREDOC_ZOO = """\
FROM alpine
RUN <<EOF
# not a comment
FROM not-a-stage
EOF
RUN <<-EOT cat >/x
\tindented
\t\tEOT
\tEOT
RUN <<'RAW' python3 -
print("$HOME", '''EOF''')
RAW
COPY <<one.txt <<"two.txt" /etc/conf/
value=$X
one.txt
value=$X
two.txt
ADD <<x /y
x y
 x
x
RUN 3<<FD4 4<<FD5 cat <&3 <&4
three
FD4
four
FD5
ONBUILD RUN <<EOF
echo later
EOF
RUN echo "<<EOF" '<<EOF' \\<<EOF
RUN ["cat", "<<EOF"]
CMD <<EOF
"""
CORPUS = {
    "node-api": NODE_API,
    "flask": FLASK,
    "go-service": GO_SERVICE,
    "lamp": LAMP,
    "windows": WINDOWS,
    "heredoc-zoo": HEREDOC_ZOO,
    "one-line": "FROM scratch",
    "lower-case": "from scratch as x\nrun true\nCoPy --From=x a b\n",
    "crlf": NODE_API.replace("\n", "\r\n"),
    "crlf-windows": WINDOWS.replace("\n", "\r\n"),
    "crlf-heredoc": HEREDOC_ZOO.replace("\n", "\r\n"),
    "lone-carriage-returns": "FROM a\r\rRUN b\r\nRUN c\r\r\n",
    "bom": "\ufeffFROM scratch\nRUN a\n",
    "bom-directive": "\ufeff# escape=`\nFROM a\nRUN a `\n b\n",
    "bom-later": "FROM scratch\n\ufeffRUN a\n",
    "no-newline-at-end": "FROM a\nRUN b",
    "continuation-at-end": "FROM a\nRUN b \\",
    "continuation-then-nothing": "FROM a\nRUN b \\\n",
    "continuation-then-blank": "FROM a\nRUN b \\\n\n\n",
    "continuation-then-comment": "FROM a\nRUN b \\\n# c",
    "continuation-trailing-blanks": "FROM a\nRUN b \\  \t\n c\n",
    "continuation-escaped": "FROM a\nRUN b \\\\\nRUN c\n",
    "continuation-escaped-thrice": "FROM a\nRUN b \\\\\\\nRUN c\n",
    "continuation-alone": "FROM a\n\\\nRUN c\n",
    "continuation-swallows": "FROM a\nRUN b \\\nFROM c\nRUN d\n",
    "blank-continuations": "FROM a\nRUN b \\\n\n   \n\t\n  && c \\\n\n# x\n\n  && d\n",
    "comments-everywhere": "# a\n\n  # b\nFROM a # not a comment\n#c\nRUN d # e\n\t# f\n",
    "comment-after-heredoc": "FROM a\nRUN <<E\nx\nE\n# c\nRUN y\n",
    "indented": "  FROM a\n\tRUN b \\\n\t\t&& c\n\v RUN d\n",
    "escape-backtick": "# escape=`\nFROM a\nRUN b `\n  c\n",
    "escape-backslash": "# escape=\\\nFROM a\nRUN b \\\n  c\n",
    "escape-after-comment": "# hello\n# escape=`\nFROM a\nRUN b `\nRUN c\n",
    "escape-after-blank": "\n# escape=`\nFROM a\nRUN b `\nRUN c\n",
    "escape-after-syntax": "# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nRUN b `\n c\n",
    "escape-unknown-before": "# flavour=sweet\n# escape=`\nFROM a\nRUN b `\nRUN c\n",
    "escape-upper-case": "#ESCAPE = `\nFROM a\nRUN b `\n c\n",
    "escape-invalid": "# escape=x\nFROM a\n",
    "escape-empty": "# escape=\nFROM a\nRUN b \\\n c\n",
    "escape-twice": "# escape=`\n# escape=`\nFROM a\n",
    "syntax-twice": "# syntax=a\n# syntax=b\nFROM a\n",
    "shebang": "#!/usr/bin/env docker\n# escape=`\nFROM a\nRUN b `\nRUN c\n",
    "empty": "",
    "only-newlines": "\n\n\n",
    "only-comments": "# a\n# b\n",
    "only-arg": "ARG A=1\n",
    "unknown-keyword": "FROM a\nFOO bar\nRUN b\n",
    "no-keyword": "FROM a\n= b\n",
    "env-forms": "FROM a\nENV a b\nENV a=b c=d\nENV a=\"b c\" d=e\\ f g='h i'\nENV a b=c d\nENV a=\n",
    "env-no-value": "FROM a\nENV a\n",
    "env-mixed": "FROM a\nENV a=b c\n",
    "env-empty": "FROM a\nENV\n",
    "env-blank-name": "FROM a\nENV =b\n",
    "label-forms": 'FROM a\nLABEL a b c\nLABEL "a b"="c d" e=f\nLABEL a="x\\\ny"\n',
    "label-mixed": "FROM a\nLABEL a=b c\n",
    "arg-forms": 'ARG A B=1 C="x y"\nFROM a\nARG\nARG A=\nARG "B"\n',
    "json-forms": 'FROM a\nRUN ["a","b"]\nCMD []\nENTRYPOINT [ "a" ]\nSHELL ["a"]\nVOLUME ["/a"]\nCOPY ["a b","c"]\n',
    "json-single-quotes": "FROM a\nCMD ['a','b']\nCOPY ['a', 'b']\n",
    "json-open": 'FROM a\nCMD ["a","b"\nCMD ["a\n',
    "json-number": 'FROM a\nCMD ["a", 1]\n',
    "json-nested": 'FROM a\nRUN [["a"]]\n',
    "json-null": "FROM a\nCOPY [null]\n",
    "json-object": 'FROM a\nCMD {"a": 1}\n',
    "json-escapes": 'FROM a\nCMD ["\\u00e9\\n", "\\ud83d\\ude00", "\\ud800", "\\\\"]\nCMD ["\\q"]\n',
    "json-overflow": "FROM a\nCMD [1e999]\nRUN [NaN]\n",
    "json-over-lines": 'FROM a\nCMD ["a", \\\n  "b", \\\n  # c\n  "d"]\n',
    "flags": "FROM --platform=x a\nCOPY --from=b --chown=c:d --chmod=755 --link e f\nRUN --network=none --security=sandbox g\n",
    "flags-repeated": "FROM a\nRUN --mount=type=cache,target=/a --mount=type=tmpfs,target=/b c\n",
    "flags-quoted": "FROM a\nRUN --mount=type=bind,source=\"a b\",target='c d' e\nRUN --x=a\\ b c\n",
    "flags-end": "FROM a\nRUN -- --x\nRUN --a=b -- --c d\nRUN --\nCOPY --a\n",
    "flags-over-lines": "FROM a\nRUN --mount=type=cache,target=/a \\\n    --mount=type=cache,target=/b \\\n    c\n",
    "flags-not-first": "FROM a\nRUN make --jobs=4 --x\n",
    "flags-non-ascii": "FROM a\nCOPY --chown=é:ü ünï çödé\nRUN --x=à y\n",
    "healthcheck": 'FROM a\nHEALTHCHECK NONE\nHEALTHCHECK --interval=5s CMD curl x\nHEALTHCHECK CMD ["a"]\nHEALTHCHECK\n',
    "onbuild": "FROM a\nONBUILD RUN a\nONBUILD COPY --from=b c d\nONBUILD ENV a=b\nONBUILD\nONBUILD FOO x\n",
    "onbuild-bad-env": "FROM a\nONBUILD ENV a\n",
    "onbuild-bad-json": "FROM a\nONBUILD CMD [1]\n",
    "heredoc-unterminated": "FROM a\nRUN <<EOF\nb\n",
    "heredoc-terminator-indented": "FROM a\nRUN <<EOF\nb\n EOF\n",
    "heredoc-terminator-trailing": "FROM a\nRUN <<EOF\nb\nEOF \n",
    "heredoc-tabs": "FROM a\nRUN <<-EOF\n\tb\n\t\tEOF\nRUN c\n",
    "heredoc-empty": "FROM a\nRUN <<EOF\nEOF\nRUN b\n",
    "heredoc-no-name": "FROM a\nRUN cat <<\nRUN cat <<-\n",
    "heredoc-glued": "FROM a\nRUN cat<<EOF\nRUN b\n",
    "heredoc-here-string": "FROM a\nRUN cat <<<EOF\nRUN b\n",
    "heredoc-in-quotes": 'FROM a\nRUN echo "a <<EOF b"\nRUN b\n',
    "heredoc-open-quote": "FROM a\nRUN echo 'it <<EOF\nRUN b\n",
    "heredoc-quoted-name": 'FROM a\nRUN <<"E O F" cat\nb\nE O F\nRUN c\n',
    "heredoc-half-quoted": "FROM a\nRUN <<E'O'F\nb\nEOF\nRUN c\n",
    "heredoc-escaped-name": "FROM a\nRUN <<E\\OF\nb\nEOF\nRUN c\n",
    "heredoc-variable-name": "FROM a\nRUN <<$X\nb\n$X\nRUN <<${Y}\nb\n${Y}\nRUN c\n",
    "heredoc-with-redirect": "FROM a\nRUN cat <<EOF >/x\nb\nEOF\nRUN cat <<EOF>/x\nb\nEOF>/x\n",
    "heredoc-continued-line": "FROM a\nRUN cat <<EOF \\\n  >/x\nb\nEOF\nRUN c\n",
    "heredoc-body-continues": "FROM a\nRUN <<EOF\nb \\\nEOF\nRUN c\n",
    "heredoc-directive-inside": "FROM a\nRUN <<EOF\n# escape=`\n\nEOF\nRUN c \\\n d\n",
    "heredoc-copy-json": 'FROM a\nCOPY ["<<EOF", "/x"]\nRUN b\n',
    "heredoc-not-for-env": "FROM a\nENV a=<<EOF\nLABEL b=<<EOF\nENTRYPOINT <<EOF\n",
    "heredoc-same-name-twice": "FROM a\nRUN <<E cat; <<E cat\nx\nE\ny\nE\nRUN z\n",
    "stages": "FROM a AS one\nFROM b as TWO\nFROM one\nCOPY --from=0 a b\nCOPY --from=TWO a b\n",
    "from-forms": "FROM a b\nFROM\nFROM a AS\nFROM a as b c\n",
    "words-by-tabs": "FROM\ta\nCOPY\ta\t\tb\v c\nEXPOSE 1\f2\n",
    "unicode-spaces": "FROM\u00a0a\nRUN\u2003b\nENV a=b\u2003c=d\nENV a\u00a0b\n",
    "nul-free-controls": "FROM a\nRUN \x01\x1b[0m\nRUN \x1c\x1d\n",
    "long-line": f"FROM a\nRUN {'x' * 60_000}\n",
    "longest-line": f"FROM a\nRUN {'x' * (65_535 - 4)}\n",
    "too-long-line": f"FROM a\nRUN {'x' * (65_536 - 4)}\n",
    "too-long-last-line": f"FROM a\nRUN {'x' * (65_536 - 4)}",
    "too-long-bytes": f"FROM a\nRUN {'é' * 32_767}\n",
    "too-long-in-heredoc": f"FROM a\nRUN <<E\n{'x' * 65_536}\nE\n",
}


def theirs(text: str) -> tuple[Any, ...] | None:
    try:
        return tuple(dockerfile.parse_string(text))
    except dockerfile.GoParseError:
        return None


def ours(text: str) -> list[Node] | None:
    try:
        return read_nodes(text, "Dockerfile")[0]
    except InputError:
        return None


def assert_same(text: str) -> None:
    nodes, commands = ours(text), theirs(text)
    assert (nodes is None) == (commands is None), f"one of them refuses: {nodes=} {commands=}"
    if nodes is None or commands is None:
        return
    assert [node.keyword or None for node in nodes] == [command.cmd for command in commands]
    assert [(node.line, node.end_line) for node in nodes] == [(c.start_line, c.end_line) for c in commands]
    assert [node.flags for node in nodes] == [tuple(map(unmangled, command.flags)) for command in commands]
    for node, command in zip(nodes, commands, strict=True):
        inner = node.trigger if node.trigger else node
        assert (node.trigger.keyword if node.trigger else None) == command.sub_cmd
        assert inner.arguments.is_json == command.json
        assert node.text == (command.original or "").split("\n")[0].strip(GO_STRIP)
        assert flattened(inner) == (tuple(command.value) if inner.keyword.lower() in BUILDKIT_KEYWORDS else ())
        if not node.trigger:  # the binding loses the heredocs of an ONBUILD
            bodies = [(heredoc.name, heredoc.content) for heredoc in command.heredocs]
            assert [(heredoc.name, heredoc.body) for heredoc in node.heredocs] == bodies


GO_STRIP = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


BUILDKIT_KEYWORDS = {keyword.lower() for keyword in dockerfile.all_cmds()} - {"onbuild"}


def flattened(node: Node) -> tuple[str, ...]:
    """The arguments as BuildKit's parser gives them: name and value of a pair apart."""
    words = node.arguments.words
    if node.keyword.lower() not in ("env", "label"):
        return words if node.keyword.lower() != "onbuild" else ()
    return tuple(part for word in words for part in word.split("=", 1))


def unmangled(flag: str) -> str:
    """BuildKit takes each byte of a flag for a character; undo that."""
    try:
        return flag.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return flag


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in CORPUS.items()])
def test_corpus(text: str) -> None:
    assert_same(text)


def test_corpus_has_both_kinds() -> None:
    refused = {name for name, text in CORPUS.items() if theirs(text) is None}
    assert len(CORPUS) - len(refused) > 60
    assert len(refused) > 15


KEYWORDS = [
    "FROM",
    "RUN",
    "COPY",
    "ADD",
    "ENV",
    "ARG",
    "LABEL",
    "CMD",
    "ENTRYPOINT",
    "EXPOSE",
    "VOLUME",
    "USER",
    "WORKDIR",
]
KEYWORDS += ["SHELL", "STOPSIGNAL", "HEALTHCHECK", "ONBUILD", "MAINTAINER", "run", "Copy", "FOO"]
PIECES = [
    "a",
    "b=c",
    '"x y"',
    "'q r'",
    "\\",
    '\\"',
    "`",
    "$X",
    "${X:-y}",
    "${",
    '["a","b"',
    "]",
    '["a", 1',
    "<<EOF",
    "<<-EOF",
]
PIECES += [
    '<<"EOF"',
    "<<'E O'",
    "3<<F",
    "<<EOF<<F",
    "<<",
    "<<$X",
    "--from=x",
    "--mount=type=cache,target=/x",
    "--",
    "--x",
    "--link",
]
PIECES += [
    '--mount="a',
    "=",
    "a=",
    "=b",
    "as",
    "NONE",
    "CMD",
    "#",
    "é",
    "\u00a0",
    "\u2003",
    "\t",
    "\v",
    '"',
    "'",
    "&&",
    "[]",
    "{}",
]
ENDS = [
    "\n",
    "\n",
    "\n",
    "\r\n",
    " \\\n",
    "\\\r\n",
    "\\  \n",
    "`\n",
    "\\\\\n",
    "\n\n",
    "\n# c\n",
    " \\\n# c\n",
    " \\\n\n",
]
ENDS += ["\nEOF\n", "\n\tEOF\n", "\nF\n", "\nE O\n", "\\", ""]
HEADS = ["", "", "# escape=`\n", "# syntax=x\n", "\ufeff", "#escape = `\n", "# c\n# escape=`\n", "# escape=x\n"]


@st.composite
def instructions(draw: st.DrawFn) -> str:
    pieces = draw(st.lists(st.tuples(st.sampled_from([" ", " ", "", "\t"]), st.sampled_from(PIECES)), max_size=5))
    words = "".join(space + piece for space, piece in pieces)
    return (
        draw(st.sampled_from(["", "", " ", "\u2003"]))
        + draw(st.sampled_from(KEYWORDS))
        + words
        + draw(st.sampled_from(ENDS))
    )


dockerfiles = st.builds(
    lambda head, body: head + "".join(body), st.sampled_from(HEADS), st.lists(instructions(), min_size=1, max_size=6)
)


# Blanks, or what leaves blanks when a continuation is taken away.
BLANKS_IN_HEREDOC = re.compile(r"<<-?(?:\\\s*\n)?[ \t]|<<-?\\|<\\[ \t]*\r?\n")


def has_known_difference(text: str) -> bool:
    """JSON lists with text behind them, flags under another escape character, blanks behind `<<`: see above."""
    return "[" in text or ("escape" in text and "--" in text) or BLANKS_IN_HEREDOC.search(text) is not None


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(dockerfiles.filter(lambda text: not has_known_difference(text)))
def test_generated(text: str) -> None:
    assert_same(text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("RUN FOMCPYEV\n\\<-EOF'\"=$ {}#\t"), max_size=80))
def test_character_soup(text: str) -> None:
    assume(not has_known_difference(text))
    assert_same(text)


@pytest.mark.parametrize(
    "text",
    [
        "ONBUILD ONBUILD ENV FROM\n",
        "ONBUILD \\\nONBUILD \\\nENV \\\nFROM\n",
        "ONBUILD ONBUILD ONBUILD LABEL a\n",
        "ONBUILD ONBUILD RUN true\n",
        "ONBUILD ONBUILD\n",
    ],
)
def test_a_chain_of_triggers(text: str) -> None:
    assert_same(text)
