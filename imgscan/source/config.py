"""The JSON of images -> records. Everything in it is hostile: wrong types are left out, nothing is trusted to be there.

Names of fields match whatever their case, and of a field that comes more than once each value is laid over those
before it, as in Go's encoding/json: what the engine takes from the text must be what is reported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from imgscan.errors import InputError
from imgscan.lazyre import lazy_re
from imgscan.model import Digest
from imgscan.source.records import HistoryEntry, ImageConfig

MAX_JSON_BYTES: Final = 16 << 20
_LONGEST_NUMBER: Final = 20
_MAX_VALUES: Final = 2_000_000
"""Decoded, `[]` takes twenty times its two bytes. The largest documents, lists of packages, have a tenth of this."""

# Every escape, a pair of surrogates as one. The group is a surrogate alone, for which Go puts U+FFFD.
_ESCAPE: Final = lazy_re(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_GO_FOLD: Final = str.maketrans({"\u017f": "s", "\u212a": "k"})
"""The two characters beyond ASCII that Go takes for a letter of a field's name: the long s and the Kelvin sign."""

Json = Any
"""A decoded JSON value; it is looked into only through the functions of this module."""


class _Object(dict[str, Json]):
    """An object in which a name comes more than once: `members` holds all of it in order."""

    __slots__ = ("members",)

    def __init__(self, members: Sequence[tuple[str, Json]]) -> None:
        super().__init__(members)
        self.members = members


def parse_json(data: bytes, what: str) -> Json:
    """Decode JSON. `what` names it in messages. Raises InputError, which quotes nothing of the text."""
    if len(data) > MAX_JSON_BYTES:
        raise InputError(f"{what} is larger than {MAX_JSON_BYTES:,} bytes")
    if _has_too_many_values(data):
        raise InputError(f"{what} has more than {_MAX_VALUES:,} values")
    try:
        return json.loads(_as_go_reads(data), object_pairs_hook=_object, parse_int=_number, parse_constant=_refuse)
    except RecursionError:
        raise InputError(f"{what} is nested too deeply") from None
    except ValueError:
        raise InputError(f"{what} is not valid JSON") from None


def _as_go_reads(data: bytes) -> str:
    """JSON whose strings, once decoded, are all Unicode text: U+FFFD for what is no UTF-8 and for half a pair."""
    text = data.decode("utf-8", "replace")
    return _ESCAPE.sub(lambda escape: "\\ufffd" if escape[1] else escape[0], text) if "\\u" in text else text


def _has_too_many_values(data: bytes) -> bool:
    return sum(map(data.count, (b",", b"[", b"{"))) > _MAX_VALUES


def _object(members: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(members)
    return found if len(found) == len(members) else _Object(members)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _number(digits: str) -> int | float:
    """A number; one that no size can be may be of any length, and Python refuses to make an integer of it."""
    return int(digits) if len(digits) <= _LONGEST_NUMBER else float(digits)


def member(value: Json, name: str) -> Json:
    """A field of an object; None if there is none or `value` is no object."""
    if not isinstance(value, dict):
        return None
    wanted = name.lower()
    found = [content for key, content in fields(value) if _fold(key) == wanted]
    return _overlaid(found) if len(found) > 1 else found[0] if found else None


def _fold(key: str) -> str:
    return key.lower() if key.isascii() else key.translate(_GO_FOLD).lower()


def fields(value: dict[str, Json]) -> Iterable[tuple[str, Json]]:
    """All members of an object, names that come again included."""
    return value.members if isinstance(value, _Object) else value.items()


def _overlaid(values: Sequence[Json]) -> Json:
    """What Go has in a field after all its values: objects add members, lists replace lists element by element (empty
    ones as a whole), null clears them both and leaves anything else."""
    last = values[-1]
    if last is None:
        left = [value for value in values if value is not None]
        return left[-1] if left and not isinstance(left[-1], dict | list) else None
    cleared = max((index for index, value in enumerate(values) if value is None or value == []), default=-1)
    values = values[cleared + 1 :]
    if isinstance(last, dict):
        return _Object([pair for value in values if isinstance(value, dict) for pair in fields(value)])
    if isinstance(last, list):
        lists = [value for value in values if isinstance(value, list)]
        return [_element([items[index] for items in lists if index < len(items)]) for index in range(len(last))]
    return last


def _element(values: Sequence[Json]) -> Json:
    # What lists hold are strings and structures, never pointers: null leaves what was there.
    left = [value for value in values if value is not None]
    return _overlaid(left) if left else None


def text(value: Json) -> str:
    """A string, or "" for anything else."""
    return value if isinstance(value, str) else ""


def texts(value: Json) -> tuple[str, ...]:
    """The strings of a list; a lone string counts as a list of one, as in old images' Cmd."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def objects(value: Json) -> Iterator[dict[str, Json]]:
    """The objects of a list."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def pairs(value: Json) -> tuple[tuple[str, str], ...]:
    """The string members of an object, sorted."""
    if not isinstance(value, dict):
        return ()
    return tuple(sorted((name, content) for name, content in value.items() if isinstance(content, str)))


def has_root_file_system(document: Json) -> bool:
    """Whether a document is an image's configuration: it lists its layers' diffIDs, or, where there are no layers
    (FROM scratch with nothing but settings), says at least that it would."""
    root_fs = member(document, "rootfs")
    diff_ids = member(root_fs, "diff_ids")
    return isinstance(diff_ids, list) or (diff_ids is None and text(member(root_fs, "type")) == "layers")


def parse_config(document: Json) -> ImageConfig:
    """An image configuration; what is missing stays empty."""
    settings = member(document, "config")
    health = member(settings, "Healthcheck")
    return ImageConfig(
        env=texts(member(settings, "Env")),
        labels=pairs(member(settings, "Labels")),
        cmd=texts(member(settings, "Cmd")),
        entrypoint=texts(member(settings, "Entrypoint")),
        user=text(member(settings, "User")),
        workdir=text(member(settings, "WorkingDir")),
        healthcheck=texts(member(health, "Test")) if isinstance(health, dict) else None,
        onbuild=texts(member(settings, "OnBuild")),
        exposed_ports=_keys(member(settings, "ExposedPorts")),
        volumes=_keys(member(settings, "Volumes")),
        history=tuple(
            HistoryEntry(
                created_by=text(member(entry, "created_by")),
                comment=text(member(entry, "comment")),
                empty_layer=member(entry, "empty_layer") is True,
            )
            for entry in _items(member(document, "history"))
        ),
        diff_ids=tuple(Digest(diff_id) for diff_id in texts(member(member(document, "rootfs"), "diff_ids"))),
    )


def platform_of(document: Json) -> str | None:
    """`os/architecture[/variant]` of a configuration or a platform object, None if it does not say."""
    parts = (text(member(document, "os")), text(member(document, "architecture")), text(member(document, "variant")))
    return "/".join(part for part in parts if part) if parts[0] and parts[1] else None


def further_texts(data: bytes, known: bytes) -> bytes | None:
    """What strings (names of members too) a JSON document has that another has not, one below the other; None where
    either is no JSON. Members that come twice count twice: what a reader would drop is text all the same."""
    own, others = all_texts(data), all_texts(known)
    if own is None or others is None:
        return None
    return "\n".join(text for text in own if text not in others).encode()


def all_texts(data: bytes) -> dict[str, None] | None:
    """Every string of a JSON document, in order; None where it is none that `parse_json` takes."""
    if _has_too_many_values(data):
        return None
    try:
        pending = [json.loads(_as_go_reads(data), object_pairs_hook=list, parse_int=_number)]
    except (ValueError, RecursionError):
        return None
    found: dict[str, None] = {}
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            found[value] = None
        elif isinstance(value, list | tuple):
            pending.extend(reversed(value))
    return found


def _items(value: Json) -> list[Json]:
    """A list; what of it is no object counts as an empty one, so that places in the history stay what they are."""
    return value if isinstance(value, list) else []


def _keys(value: Json) -> tuple[str, ...]:
    return tuple(sorted(key for key in value if isinstance(key, str))) if isinstance(value, dict) else ()
