"""What of an image's configuration and of a project's files may hold a secret, as documents to scan.

An image configuration gives one document for each environment variable, label, command, history entry and attestation;
a Dockerfile one for each instruction; compose and env files one for each assignment. Names and values that are known to
be apart travel as `assignments`.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from imgscan.detect.secrets.beside import Neighbours, beside
from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.validators import decode_base64
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Place
from imgscan.source.config import Json, all_texts, fields, parse_json

if TYPE_CHECKING:
    from imgscan.detect.secrets.scanner import SecretScanner
    from imgscan.dockerfile.tree import Command, Dockerfile

Assignments = tuple[tuple[str, str], ...]

_NOP: Final = lazy_re(r"^/bin/sh -c #\(nop\)\s+")
_BUILDKIT_COMMENT: Final = lazy_re(r"\s+# buildkit$")
_BUILD_ARGS: Final = lazy_re(r"^(?:RUN )?\|(\d{1,4}) ")
_KEYWORD: Final = lazy_re(r"^(ENV|ARG|LABEL)\s+", re.IGNORECASE)
_ASSIGNING: Final = frozenset({"ARG", "ENV", "LABEL"})
_NAME: Final = lazy_re(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ENV_LINE: Final = lazy_re(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]{0,200})\s*=\s*(.*?)\s*$")
_COMPOSE_ITEM: Final = lazy_re(r"^\s*(?:-\s+)?[\"']?([A-Za-z_][A-Za-z0-9_.-]{0,200})[\"']?\s*[:=]\s*(.*?)\s*$")
_SHELL: Final = lazy_re(
    r" (?:/[^\s=]+/)?(?:ba|da|a|z|k)?sh(?: -[A-Za-z]+(?: pipefail| errexit| nounset)?){0,8}? -[a-z]*c |"
    r" (?:powershell|pwsh|cmd)(?:\.exe)? "
)
_DEEPEST_JSON: Final = 64
_SHORTEST_ENCODED: Final = 16
_LONGEST_LINE: Final = 64 * 1024


@frozen
class Document:
    """Something to scan.

    `path` says where it is in words that locate it for a reader (`ENV NPM_TOKEN`, `history[3]`, `Dockerfile`), `layer`
    the layer a history entry made (None for entries that made none), `line` the line of its file where it starts.
    `text` is scanned as bytes, `assignments` as names and values.
    """

    place: Place
    path: str
    layer: int | None = None
    line: int | None = None
    text: bytes = b""
    assignments: Assignments = ()


class HistoryLike(Protocol):
    """An entry of an image's history."""

    @property
    def created_by(self) -> str | None: ...
    @property
    def comment(self) -> str | None: ...
    @property
    def empty_layer(self) -> bool: ...


class ImageConfigLike(Protocol):
    """The parts of an image configuration that are text."""

    @property
    def env(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def cmd(self) -> tuple[str, ...]: ...
    @property
    def entrypoint(self) -> tuple[str, ...]: ...
    @property
    def healthcheck(self) -> tuple[str, ...] | None: ...
    @property
    def onbuild(self) -> tuple[str, ...]: ...
    @property
    def user(self) -> str: ...
    @property
    def workdir(self) -> str: ...
    @property
    def history(self) -> Sequence[HistoryLike]: ...


def image_documents(
    config: ImageConfigLike, documents: Iterable[tuple[str, bytes]] = (), raw_config: bytes = b""
) -> Iterator[Document]:
    """The documents of an image configuration, then what else its JSON (`raw_config`) says, then those of its
    attestations, given as (name, JSON)."""
    for entry in config.env:
        name, _, value = entry.partition("=")
        yield Document(place=Place.ENV, path=f"ENV {name}", assignments=((name, value),))
    for name, value in config.labels:
        yield Document(place=Place.LABEL, path=f"LABEL {name}", assignments=((name, value),))
    yield from _command(Place.CMD, "CMD", config.cmd)
    yield from _command(Place.ENTRYPOINT, "ENTRYPOINT", config.entrypoint)
    yield from _command(Place.HEALTHCHECK, "HEALTHCHECK", config.healthcheck or ())
    for number, trigger in enumerate(config.onbuild):
        yield _instruction(trigger, Document(place=Place.ONBUILD, path=f"ONBUILD[{number}]"))
    for key, value in (("User", config.user), ("WorkingDir", config.workdir)):
        if value:
            yield Document(place=Place.CONFIG, path=key, text=_encode(value))
    yield from history_documents(config.history)
    yield from _further_documents(config, raw_config)
    for name, data in documents:
        yield Document(place=Place.ATTESTATION, path=name, text=data, assignments=_json_build_args(data))


def _further_documents(config: ImageConfigLike, raw_config: bytes) -> Iterator[Document]:
    """What the configuration says in members of which `config` knows nothing: those of other builders (the classic
    builder's `container_config`), annotations, build information, which is JSON in base64."""
    known = {config.user, config.workdir, *config.env, *config.cmd, *config.entrypoint, *config.onbuild}
    known.update(config.healthcheck or (), *config.labels)
    known.update(text for entry in config.history for text in (entry.created_by, entry.comment) if text)
    rest = [text for text in all_texts(raw_config) or () if text not in known]
    if rest:
        yield Document(place=Place.CONFIG, path="configuration", text=_encode("\n".join(rest)))
    for text in rest:
        inner = decode_base64(text.encode("utf-8", "replace")) if len(text) >= _SHORTEST_ENCODED else None
        if inner is not None and inner[:1] == b"{":
            yield Document(
                place=Place.CONFIG, path="build information", text=inner, assignments=_json_build_args(inner)
            )


def history_documents(history: Sequence[HistoryLike]) -> Iterator[Document]:
    """One document for each history entry; the layer counts the entries that made one."""
    layer = 0
    for number, entry in enumerate(history):
        made = None if entry.empty_layer else layer
        layer += not entry.empty_layer
        document = Document(place=Place.HISTORY, path=f"history[{number}]", layer=made)
        if entry.created_by:
            yield _instruction(entry.created_by, document)
        if entry.comment:
            yield replace(document, text=_encode(entry.comment))


def _command(place: Place, keyword: str, words: Sequence[str]) -> Iterator[Document]:
    """An argument list: as one text, and its `NAME=value` words and `--name value` pairs as assignments."""
    if not words:
        return
    options = [
        (left.lstrip("-"), right)
        for left, right in itertools.pairwise(words)
        if left.startswith("--") and "=" not in left
    ]
    equations = [split for word in words if (split := _split_word(word.lstrip("-"))) is not None]
    yield Document(place=place, path=keyword, text=_encode(" ".join(words)), assignments=(*equations, *options))


def _split_word(word: str) -> tuple[str, str] | None:
    name, equals, value = word.partition("=")
    return (name, value) if equals and _NAME.fullmatch(name) is not None else None


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _instruction(created_by: str, document: Document) -> Document:
    """A history entry or trigger. Forms: `ENV A=b`, `/bin/sh -c #(nop)  ENV A=b`, `RUN |2 A=b C=d /bin/sh -c … #
    buildkit` and the classic builder's `|2 A=b C=d /bin/sh -c …`."""
    text = _BUILDKIT_COMMENT.sub("", _NOP.sub("", created_by))
    assignments: Assignments = ()
    build_args = _BUILD_ARGS.match(text)
    keyword = _KEYWORD.match(text)
    if build_args is not None:
        assignments, text = split_build_args(text[build_args.end() :], int(build_args.group(1)))
    elif keyword is not None:
        assignments = parse_pairs(text[keyword.end() :])
    return replace(document, text=_encode(text), assignments=assignments)


def split_build_args(text: str, count: int) -> tuple[Assignments, str]:
    """`A=b C=d e /bin/sh -c …` with `count` arguments, which are not quoted: a value ends where the next name, or the
    shell, starts. Returns the assignments and the command (everything, when no known shell is in it)."""
    shell = _SHELL.search(text)
    head, command = (text[: shell.start()], text[shell.start() + 1 :]) if shell is not None else (text, text)
    starts = list(itertools.islice(re.finditer(r"(?:^| )([A-Za-z_][A-Za-z0-9_]*)=", head), max(count, 0)))
    ends = [*(m.start() for m in starts[1:]), len(head)]
    return tuple((m.group(1), head[m.end() : end]) for m, end in zip(starts, ends, strict=False)), command


def parse_pairs(text: str) -> Assignments:
    """The rest of an ENV, ARG or LABEL: `A=b C="d e"`, the old `A b c` (one pair), or, as history writes them, `A=b c`
    without quotes."""
    text = text[:_LONGEST_LINE]
    first = text.split(None, 1)[:1]
    if not first or "=" not in first[0]:
        name, _, value = text.strip().partition(" ")
        return ((name, value.strip()),) if name and value else ()
    try:
        words = shlex.split(text, posix=True)
    except ValueError:
        words = text.split()
    pairs: list[tuple[str, str]] = []
    for word in words:
        split = _split_word(word)
        if split is not None:
            pairs.append(split)
        elif pairs:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {word}")
    return tuple(pairs)


def _json_build_args(data: bytes) -> Assignments:
    """Build arguments of a provenance attestation: keys `build-arg:NAME`, at any depth."""
    try:
        root = parse_json(data, "an attestation")
    except InputError:
        return ()
    found: list[tuple[str, str]] = []
    _collect_build_args(root, found, 0)
    return tuple(found)


def _collect_build_args(value: Json, found: list[tuple[str, str]], depth: int) -> None:
    if depth > _DEEPEST_JSON:
        return
    if isinstance(value, dict):
        for key, inner in fields(value):
            if isinstance(inner, str) and key.startswith(("build-arg:", "label:")):
                found.append((key.partition(":")[2], inner))
            else:
                _collect_build_args(inner, found, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _collect_build_args(inner, found, depth + 1)


def dockerfile_documents(dockerfile: Dockerfile) -> Iterator[Document]:
    """One document for each assignment of ARG, ENV and LABEL, with its own line, and one for each other instruction:
    its text as it is written, heredocs included."""
    commands = [*dockerfile.global_args, *(command for stage in dockerfile.stages for command in stage.commands)]
    for command in commands:
        document = Document(place=Place.DOCKERFILE, path=dockerfile.file, line=command.instruction.line)
        yield from _command_documents(dockerfile.text[command.start : command.end], command, document)


def _command_documents(source: str, command: Command, document: Document) -> Iterator[Document]:
    target = command.trigger or command
    if target.instruction.keyword.upper() not in _ASSIGNING:
        yield replace(document, text=_encode(source))
        return
    at = 0
    for name, value in (word.partition("=")[::2] for word in target.words if "=" in word):
        found = source.find(name, at)
        at = found + len(name) if found >= 0 else at
        yield replace(document, line=(document.line or 1) + source.count("\n", 0, at), assignments=((name, value),))


def env_file_documents(text: str, path: str, *, place: Place = Place.CONTEXT) -> Iterator[Document]:
    """One document for each `NAME=value` line of an env file, quotes and comments taken off."""
    for number, line in enumerate(text.splitlines(), 1):
        found = _ENV_LINE.match(line[:_LONGEST_LINE]) if not line.lstrip().startswith("#") else None
        if found is not None:
            pair = (found.group(1), _unquoted(found.group(2)))
            yield Document(place=place, path=path, line=number, assignments=(pair,))


def compose_documents(text: str, path: str) -> Iterator[Document]:
    """One document for each line of a compose file that assigns a scalar (`NAME: value`, `- NAME=value`); other lines
    as text. Read line by line, so that lines are right and broken YAML is still scanned."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        found = _COMPOSE_ITEM.match(line[:_LONGEST_LINE])
        value = _unquoted(found.group(2)) if found is not None else ""
        document = Document(place=Place.COMPOSE, path=path, line=number)
        if found is not None and value:
            yield replace(document, assignments=((found.group(1), value),))
        else:
            yield replace(document, text=_encode(line))


def _unquoted(value: str) -> str:
    """A value without its quotes, or without the comment after it."""
    if len(value) >= 2 and value[0] in "\"'":
        end = value.find(value[0], 1)
        return value[1:end] if end > 0 else value[1:]
    return re.split(r"\s#", value, maxsplit=1)[0].strip().rstrip("\"'")


def scan_document(scanner: SecretScanner, document: Document) -> list[SecretHit]:
    """The secrets of a document: its assignments, then its text without what the assignments already gave. Lines count
    in the file that the document is part of."""
    hits = [
        hit for name, value in document.assignments for hit in scanner.scan_assignment(name, value, path=document.path)
    ]
    known = {hit.secret for hit in hits}
    if document.text:
        hits += [
            hit
            for hit in scanner.scan_bytes(document.text, path=document.path, literal=True)
            if not _is_known(hit, known)
        ]
    if document.line is None:
        return hits
    return [replace(hit, line=hit.line + document.line - 1) for hit in hits]


def scan_documents(scanner: SecretScanner, documents: Iterable[Document]) -> Iterator[tuple[Document, SecretHit]]:
    """The secrets of documents that make up one thing, an image's configuration or a Dockerfile; variables of one
    environment stand beside each other, though each is a document of its own."""
    together = list(documents)
    texts: dict[tuple[Place, str], list[bytes]] = {}
    for each in together:
        texts.setdefault(_environment(each), []).extend(
            _encode(f"{name}={value}\n") for name, value in each.assignments if len(value) <= _LONGEST_LINE
        )
    around = {environment: Neighbours(b"".join(lines)) for environment, lines in texts.items()}
    for each in together:
        for hit in scan_document(scanner, each):
            name = each.assignments[0][0] if len(each.assignments) == 1 and not hit.beside else ""
            words = beside(name, around[_environment(each)].all) if name else ""
            yield each, replace(hit, beside=words) if words else hit


def _environment(document: Document) -> tuple[Place, str]:
    return document.place, document.path if document.place in (Place.DOCKERFILE, Place.COMPOSE) else ""


def _is_known(hit: SecretHit, known: set[bytes]) -> bool:
    return any(hit.secret in secret or secret in hit.secret for secret in known)
