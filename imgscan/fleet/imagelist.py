"""Lists of images: the text of a list -> its entries, each with the options it changes. Pure.

A plain list has an image or source a line, `#` before comments, and `team=NAME` and `platform=LIST` behind it. In TOML
there are `[[image]]` tables with `ref`, `team`, `platform`, and `[[source]]` tables with the options of sources.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from typing import Any, Final

import msgspec

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.fleet.listing import ListOptions, NamesFrom, check_options
from imgscan.fleet.tags import parse_age
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

MAX_BYTES: Final = 32 << 20
_MAX_ENTRIES: Final = 1_000_000
_LONGEST_LINE: Final = 4_096
_COMMENT: Final = lazy_re(r"(?:^|\s)#.*")
_TABLE: Final = lazy_re(r"^[ \t]*\[\[[ \t]*(image|source)[ \t]*\]\]", re.MULTILINE)
_PLACE: Final = lazy_re(r"(.*?) - at `\$(?:\.(image|source))?(?:\[(\d+|\.\.\.)\])?(?:\.(\S+))?`", re.DOTALL)


@frozen
class Entry:
    """One image or source of a list. `where` says where it stands, for messages; `single`: it has to be one image.
    `options` are the names of `ListOptions` with what they are here, `tags` those of `TagRules`."""

    source: str
    where: str
    single: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    tags: tuple[tuple[str, Any], ...] = ()

    def options_over(self, options: ListOptions) -> ListOptions:
        """The options of all with those of this entry. Raises InputError for one that means nothing."""
        rules = replace(options.tags, **dict(self.tags)) if self.tags else options.tags
        try:
            return check_options(replace(options, tags=rules, **dict(self.options)))
        except InputError as error:
            raise InputError(f"{self.where}: {error.what}", cause=error.cause, next_step=error.next_step) from error


class _Image(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A table `[[image]]`."""

    ref: str
    team: str | None = None
    platform: str | list[str] | None = None


class _Source(msgspec.Struct, forbid_unknown_fields=True, rename="kebab", frozen=True, kw_only=True):
    """A table `[[source]]`: the options are those of the command line."""

    source: str
    team: str | None = None
    platform: str | list[str] | None = None
    tag: str | list[str] | None = None
    exclude_tag: str | list[str] | None = None
    exclude_repository: str | list[str] | None = None
    semver: str | None = None
    prereleases: bool | None = None
    newest: int | None = None
    since: str | None = None
    dangling: bool | None = None
    names_from: NamesFrom | None = None


class _Tables(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A list in TOML."""

    image: list[_Image] = []
    source: list[_Source] = []


def read_list(data: bytes, name: str) -> tuple[Entry, ...]:
    """The entries of a plain list. Raises InputError that names the line."""
    entries: list[Entry] = []
    for number, line in enumerate(_text(data, name).split("\n"), start=1):
        where = f"{name}, line {number:,}"
        if len(line) > _LONGEST_LINE or not line.replace("\t", " ").removesuffix("\r").isprintable():
            raise InputError(
                f"{where} is no line of a list of images",
                cause="it is too long, or has control characters in it",
                next_step="write one image a line",
            )
        words = _COMMENT.sub("", line).split()
        if words:
            entries.append(_entry(words, where))
        if len(entries) > _MAX_ENTRIES:
            raise InputError(f"{name} has more than {_MAX_ENTRIES:,} images")
    return tuple(entries)


def read_toml_list(data: bytes, name: str) -> tuple[Entry, ...]:
    """The entries of a list in TOML. Raises InputError that names the line."""
    text = _text(data, name)
    try:
        tables = msgspec.convert(tomllib.loads(text), _Tables)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{name} is no TOML", cause=plain(shorten(str(error), 200))) from error
    except msgspec.ValidationError as error:
        raise _invalid(str(error), text, name) from error
    lines = _lines(text)
    entries = [_of_image(table, _where(name, lines, "image", index)) for index, table in enumerate(tables.image)]
    entries += [_of_source(table, _where(name, lines, "source", index)) for index, table in enumerate(tables.source)]
    if len(entries) > _MAX_ENTRIES:
        raise InputError(f"{name} has more than {_MAX_ENTRIES:,} images")
    return tuple(entries)


def _text(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise InputError(f"{name} is larger than {MAX_BYTES:,} bytes")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}, line {line:,} is not UTF-8", next_step="is it a list of images?") from error


def _entry(words: list[str], where: str) -> Entry:
    source, *rest = words
    options: dict[str, Any] = {}
    for word in rest:
        key, equals, value = word.partition("=")
        if not equals or not value or key not in ("team", "platform") or key in options:
            raise InputError(
                f"{where}: `{plain(shorten(word, 60))}` means nothing behind an image",
                next_step="one image a line, and behind it team=NAME, platform=OS/ARCHITECTURE, or a # and a comment",
            )
        options[key] = value
    return Entry(
        source=_checked_source(source, where),
        where=where,
        options=_common(options.get("team"), options.get("platform")),
    )


def _checked_source(source: str, where: str) -> str:
    if source == "k8s:-":
        raise InputError(f"{where}: standard input is no source of a list", next_step="give it to the command")
    if source == "-" or source.startswith("list:") or not source:
        raise InputError(f"{where}: a list holds no other list", next_step="give both to the command")
    return source


def _common(team: str | None, platform: str | list[str] | None) -> tuple[tuple[str, Any], ...]:
    """The options that every entry may have. A team that is named here counts more than one by path."""
    found: list[tuple[str, Any]] = []
    if team is not None:
        found += [("team", team), ("teams", ())]
    if platform is not None:
        found.append(("platforms", tuple(part for item in _many(platform) for part in item.split(","))))
    return tuple(found)


def _many(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _of_image(table: _Image, where: str) -> Entry:
    return Entry(
        source=_checked_source(table.ref, where),
        where=where,
        single=True,
        options=_common(table.team, table.platform),
    )


def _of_source(table: _Source, where: str) -> Entry:
    rules = {
        "include": _many(table.tag) if table.tag is not None else None,
        "exclude": _many(table.exclude_tag) if table.exclude_tag is not None else None,
        "semver": table.semver,
        "prereleases": table.prereleases,
        "newest": table.newest,
        "since_s": _age(table.since, where) if table.since is not None else None,
    }
    options = {
        "not_repositories": _many(table.exclude_repository) if table.exclude_repository is not None else None,
        "dangling": table.dangling,
        "names_from": table.names_from,
    }
    return Entry(
        source=_checked_source(table.source, where),
        where=where,
        options=(*_common(table.team, table.platform), *_given(options)),
        tags=_given(rules),
    )


def _given(options: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in options.items() if value is not None)


def _age(text: str, where: str) -> float:
    try:
        return parse_age(text)
    except InputError as error:
        raise InputError(f"{where}: {error.what}", next_step=error.next_step) from error


def _lines(text: str) -> dict[str, list[int]]:
    """The lines of the tables' headers by kind."""
    found: dict[str, list[int]] = {"image": [], "source": []}
    at = line = 0
    for header in _TABLE.finditer(text):
        line += text.count("\n", at, header.start())
        at = header.start()
        found[header[1]].append(line + 1)
    return found


def _where(name: str, lines: dict[str, list[int]], kind: str, index: int) -> str:
    known = lines[kind]
    place = f", line {known[index]:,}" if index < len(known) else ""
    return f"{name}{place} ([[{kind}]] {index + 1:,})"


def _invalid(message: str, text: str, name: str) -> InputError:
    """The error for a table with a wrong field, with the place that msgspec tells."""
    found = _PLACE.fullmatch(message)
    what, kind, index, field = found.groups() if found else (message, None, None, None)
    where = _where(name, _lines(text), kind, int(index)) if kind and index and index.isdigit() else name
    of_field = f"`{plain(shorten(field, 60))}`: " if field else ""
    return InputError(
        f"{where}: {of_field}{plain(shorten(what, 200))}",
        next_step="[[image]] has ref, team and platform; [[source]] has source and the options of the command line",
    )
