"""A file's bytes -> the same file with a harmless change, different each time. Pure.

A source file gets a comment in its own syntax, a lockfile white space or a comment that its manager ignores. The
change must differ in every repeat and in every run: content that the engine has seen before is a cache hit.
"""

from __future__ import annotations

import hashlib
import posixpath
from typing import Final

_HASH: Final = ("# ", "")
_SLASHES: Final = ("// ", "")
_BLOCK: Final = ("/* ", " */")
_DASHES: Final = ("-- ", "")
_ANGLE: Final = ("<!-- ", " -->")
_SEMICOLON: Final = ("; ", "")

_COMMENTS: Final[dict[tuple[str, str], str]] = {
    _HASH: "py pyi rb sh bash zsh fish yaml yml toml pl pm r ex exs nix tf hcl cr jl ps1 graphql gql conf properties"
    " nim",
    _SLASHES: "js mjs cjs jsx ts mts cts tsx go rs java kt kts scala groovy gradle c h cc cpp cxx hpp hh cs swift dart"
    " proto zig sol fs fsx v m mm scss less jsonc json5 prisma",
    _BLOCK: "css",
    _DASHES: "sql lua hs elm adb ads",
    _ANGLE: "html htm xml svg vue svelte md markdown",
    _SEMICOLON: "clj cljs cljc edn lisp el scm ini asm s",
}
_BY_EXTENSION: Final = {extension: mark for mark, group in _COMMENTS.items() for extension in group.split()}
_COMMENTED_LOCKS: Final = frozenset(
    {"pnpm-lock.yaml", "yarn.lock", "poetry.lock", "uv.lock", "pdm.lock", "cargo.lock", "pubspec.lock", "mise.lock"}
)
_REQUIREMENTS: Final = ("requirements", "constraints")
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
