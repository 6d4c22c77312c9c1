"""`imgscan schema`: the JSON Schemas, generated from the same definitions that the program runs on."""

from __future__ import annotations

import json
from typing import Any, Final

import click

_TYPES: Final[dict[str, dict[str, Any]]] = {
    "integer": {"type": "integer"},
    "integer range": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "choice": {"type": "string"},
}


@click.command("schema")
@click.argument("which", type=click.Choice(["report", "fleet", "config"]))
def schema(which: str) -> None:
    """Print the JSON Schema (draft 2020-12) of the JSON report, of a fleet's, or of the configuration file."""
    from imgscan.report.fleet.json import fleet_schema
    from imgscan.report.json import schema as report_schema

    schemas = {"report": report_schema, "fleet": fleet_schema, "config": config_schema}
    click.echo(json.dumps(schemas[which](), indent=2))


def config_schema() -> dict[str, Any]:
    """The schema of `.imgscan.toml` and `[tool.imgscan]`: every key is an option of a command, `allow` or `waiver`."""
    from imgscan.cli.main import COMMANDS, cli
    from imgscan.cli.options import SETTINGS, option_names

    properties: dict[str, Any] = {}
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        for key, option in option_names(command).items() if command else ():
            if key in SETTINGS:
                properties.setdefault(key, _property(option))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "imgscan configuration",
        "type": "object",
        "properties": dict(sorted({**properties, "allow": _allow(), "waiver": _waiver()}.items())),
        "additionalProperties": False,
    }


def _allow() -> dict[str, Any]:
    """The schema of `[[allow]]`; the rest of what holds for it is checked when it is read."""
    from imgscan.allowlist import CRITERIA, KEYS

    text = {"type": "string", "minLength": 1}
    return {
        "description": "Findings that do not count, each with the reason why.",
        "type": "array",
        "items": {
            "type": "object",
            "properties": {key: dict(text) for key in KEYS},
            "required": ["reason"],
            "anyOf": [{"required": [key]} for key in CRITERIA],
            "additionalProperties": False,
        },
    }


def _waiver() -> dict[str, Any]:
    """The schema of `[[waiver]]`."""
    from imgscan.risk.catalog import load_catalog
    from imgscan.waivers import KEYS

    text = {"type": "string", "minLength": 1}
    return {
        "description": "Risks that somebody answers for until a day, each with the reason why.",
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                **{key: dict(text) for key in KEYS},
                "risk": {"type": "string", "enum": list(load_catalog())},
            },
            "required": list(KEYS),
            "additionalProperties": False,
        },
    }


def _property(option: click.Option) -> dict[str, Any]:
    named = _TYPES.get(option.type.name, {"type": "string"})
    kind: dict[str, Any] = {"type": "boolean"} if option.is_flag else dict(named)
    if isinstance(option.type, click.Choice):
        kind["enum"] = list(option.type.choices)
    if option.multiple:
        strings = {"type": "array", "items": kind}
        table = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
        kind = {"anyOf": [kind, strings, table]}
    return {"description": option.help or "", **kind}
