"""The JSON of images -> records. Everything in it is hostile: wrong types are left out, nothing is trusted to be there.

Names of fields match whatever their case and the last of two wins, as in Go's encoding/json: what the engine takes from
the text must be what is reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from imgscan.errors import InputError
from imgscan.model import Digest
from imgscan.source.records import HistoryEntry, ImageConfig

MAX_JSON_BYTES: Final = 16 << 20

Json = Any
"""A decoded JSON value; it is looked into only through the functions of this module."""


def parse_json(data: bytes, what: str) -> Json:
    """Decode JSON. `what` names it in messages. Raises InputError, which quotes nothing of the text."""
    if len(data) > MAX_JSON_BYTES:
        raise InputError(f"{what} is larger than {MAX_JSON_BYTES:,} bytes")
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except RecursionError:
        raise InputError(f"{what} is nested too deeply") from None
    except ValueError:
        raise InputError(f"{what} is not valid JSON") from None


def member(value: Json, name: str) -> Json:
    """A field of an object; None if there is none or `value` is no object."""
    if not isinstance(value, dict):
        return None
    found: Json = None
    wanted = name.lower()
    for key, content in value.items():
        if key.lower() == wanted:
            found = content
    return found


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
            for entry in objects(member(document, "history"))
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
    own, others = _all_texts(data), _all_texts(known)
    if own is None or others is None:
        return None
    return "\n".join(text for text in own if text not in others).encode("utf-8", "surrogatepass")


def _all_texts(data: bytes) -> dict[str, None] | None:
    """Every string of a JSON document, in order."""
    try:
        pending = [json.loads(data.decode("utf-8", "replace"), object_pairs_hook=list)]
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


def _keys(value: Json) -> tuple[str, ...]:
    return tuple(sorted(key for key in value if isinstance(key, str))) if isinstance(value, dict) else ()
