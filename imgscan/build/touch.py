"""A file's bytes -> the same file with a harmless change, different each time. Pure.

A source file gets a comment in its own syntax, a lockfile white space or a comment that its manager ignores. The
change must differ in every repeat and in every run: content that the engine has seen before is a cache hit.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from datetime import UTC, datetime
from typing import Final

from imgscan.lazyre import lazy_re

_HASH: Final = ("# ", "")
_SLASHES: Final = ("// ", "")
_BLOCK: Final = ("/* ", " */")
_DASHES: Final = ("-- ", "")
_ANGLE: Final = ("<!-- ", " -->")
_SEMICOLON: Final = ("; ", "")

_COMMENTS: Final[dict[tuple[str, str], str]] = {
    _HASH: "py pyi rb sh bash zsh fish yaml yml toml pl pm r ex exs nix tf hcl cr jl ps1 graphql gql conf properties"
    " nim gemfile pipfile dockerfile containerfile",
    _SLASHES: "js mjs cjs jsx ts mts cts tsx go rs java kt kts scala groovy gradle c h cc cpp cxx hpp hh cs swift dart"
    " proto zig sol fs fsx v m mm scss less jsonc json5 prisma mod",
    _BLOCK: "css",
    _DASHES: "sql lua hs elm adb ads",
    _ANGLE: "html htm xml svg vue svelte md markdown csproj fsproj vbproj",
    _SEMICOLON: "clj cljs cljc edn lisp el scm ini asm s",
}
_BY_EXTENSION: Final = {extension: mark for mark, group in _COMMENTS.items() for extension in group.split()}
_COMMENTED_LOCKS: Final = frozenset(
    {"pnpm-lock.yaml", "yarn.lock", "poetry.lock", "uv.lock", "pdm.lock", "cargo.lock", "pubspec.lock", "mise.lock"}
)
_REQUIREMENTS: Final = ("requirements", "constraints")
_SCRIPT_TABLES: Final = {"package.json": "scripts", "composer.json": "scripts", "deno.json": "tasks"}
# A key's own text is its group; escapes in it would only make the key one that is not looked for.
_JSON_TOKEN: Final = lazy_re(rb'"((?:[^"\\]|\\.)*)"(?:\s*:)|"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_BINARY_LOCKS: Final = frozenset({"bun.lockb"})
_SNIFFED_BYTES: Final = 8192
_BITS: Final = 40
# Bundler takes a line of blanks behind its own version for a version, but skips any number of line ends.
_LINE_ENDS_ONLY: Final = frozenset({"gemfile.lock", "gems.locked"})


def touch_source(path: str, content: bytes, nonce: str) -> bytes:
    """The source file with a comment that holds `nonce`; with white space where its syntax has no comments or is not
    known."""
    mark = _BY_EXTENSION.get(_extension(path))
    if mark is None or content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content + _blank(nonce)
    opening, closing = mark
    return content + _line_end(content) + f"{opening}imgscan {nonce}{closing}\n".encode()


def touch_lockfile(path: str, content: bytes, nonce: str) -> bytes | None:
    """The lockfile with a change that resolves to the same packages; None for a binary one."""
    name = posixpath.basename(path).lower()
    if name in _BINARY_LOCKS or b"\0" in content[:_SNIFFED_BYTES]:
        return None
    if name in _COMMENTED_LOCKS or name.startswith(_REQUIREMENTS):
        return content + _line_end(content) + f"# imgscan {nonce}\n".encode()
    # go.sum and mix.lock refuse lines they do not know and JSON has no comments, but all of them skip white space.
    return content + (_coded(nonce, (b"\n", b"\r\n")) if name in _LINE_ENDS_ONLY else _blank(nonce))


def touch_manifest(path: str, content: bytes, nonce: str) -> bytes | None:
    """The manifest with one more script, which nothing calls, or, where its format has none, a comment: dependencies
    stay as they are. None for one that cannot be read."""
    table = _SCRIPT_TABLES.get(posixpath.basename(path).lower())
    if b"\0" in content[:_SNIFFED_BYTES]:
        return None
    return touch_source(path, content, nonce) if table is None else _with_script(content, table, nonce)


def touch_dockerfile(path: str, content: bytes, nonce: str) -> bytes:
    """The Dockerfile with a comment behind its last instruction."""
    return content + _line_end(content) + f"# imgscan {nonce}\n".encode()


def argument_value(name: str, nonce: str) -> str:
    """A value of the kind that an argument of that name gets from a build: a date, a number, a version, a commit."""
    digest = hashlib.sha256(nonce.encode()).hexdigest()
    lowered = name.lower()
    if "date" in lowered or "time" in lowered:
        stamp = datetime.fromtimestamp(int(digest[:7], 16) + 1_600_000_000, UTC)
        return stamp.strftime("%Y-%m-%dT%H:%M:%SZ")
    if lowered.endswith(("number", "num", "run_id", "build_id", "pipeline_id", "job_id")):
        return str(int(digest[:7], 16))
    return f"0.0.0+{digest[:12]}" if "version" in lowered else digest[:40]


def _with_script(content: bytes, table: str, nonce: str) -> bytes | None:
    """The JSON object with an entry more in the object `table` at its top, all other bytes as they were."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get(table, {}), dict):
        return None
    entry = f'"imgscan-{nonce}": "true"'
    if table in document:
        at, empty = _brace_of(content, table), not document[table]
    else:
        at, empty, entry = content.index(b"{") + 1, not document, f'"{table}": {{{entry}}}'
    return None if at is None else content[:at] + f"{entry}{'' if empty else ','}".encode() + content[at:]


def _brace_of(content: bytes, key: str) -> int | None:
    """The place behind the brace that opens the value of a key of the outermost object; of the last one, if the key is
    there twice, as JSON readers take that."""
    depth, name, found = 0, b"", None
    for token in _JSON_TOKEN.finditer(content):
        mark = token[0][:1]
        if mark == b"{" and depth == 1 and name == key.encode():
            found = token.end()
        if mark in b"{[":
            depth += 1
        elif mark in b"}]":
            depth -= 1
        name = token[1] or b"" if mark == b'"' else b""
    return found


def _blank(nonce: str) -> bytes:
    """A last line of spaces and tabs that spell `nonce`: white space in JSON and every text format."""
    return b"\n" + _coded(nonce, (b" ", b"\t")) + b"\n"


def _coded(nonce: str, symbols: tuple[bytes, bytes]) -> bytes:
    """The first `_BITS` bits of the nonce's SHA-256, each as one of two symbols."""
    number = int.from_bytes(hashlib.sha256(nonce.encode()).digest()[: _BITS // 8], "big")
    return b"".join(symbols[number >> bit & 1] for bit in range(_BITS))


def _line_end(content: bytes) -> bytes:
    """What is missing to the end of the last line, in the file's own style."""
    if not content or content.endswith(b"\n"):
        return b""
    return b"\r\n" if b"\r\n" in content[:_SNIFFED_BYTES] else b"\n"


def _extension(path: str) -> str:
    name = posixpath.basename(path).lower()
    return name.rpartition(".")[2] if "." in name.lstrip(".") else name
