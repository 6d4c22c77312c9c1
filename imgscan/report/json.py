"""The report as JSON, and the JSON Schema of it. Both come from the dataclasses of `model`, by msgspec."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from imgscan.errors import InputError
from imgscan.escape import json_text
from imgscan.model import SCHEMA_VERSION, Report
from imgscan.report import Style

_SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def render(report: Report, style: Style | None = None) -> str:
    """Two spaces of indent, keys in the order of the dataclasses: same input, same bytes."""
    return indented_json(report)


def indented_json(data: object) -> str:
    """A dataclass, or a tree of builtins, as indented JSON that may be shown in a terminal."""
    return json_text(msgspec.json.format(msgspec.json.encode(data), indent=2).decode()) + "\n"


def decode(data: bytes, name: str = "") -> Report:
    """A report from its JSON; `name` is what it is called. Raises InputError naming the place that does not fit."""
    try:
        return msgspec.json.decode(data, type=Report)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise InputError(
            f"{f'{name} is ' if name else ''}not a report of imgscan (schema {SCHEMA_VERSION}): {error}"
        ) from error


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every JSON report of this version satisfies."""
    return schema_of(Report, "imgscan report")


def schema_of(kind: type, title: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what a dataclass is encoded to."""
    (out,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    return {"$schema": _SCHEMA_DIALECT, "title": title, **out, "$defs": components}
