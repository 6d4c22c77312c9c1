"""Compares gitlab-openapi.json with GitLab's own description of its API: what the one says and the other does not.

In: the path of a copy of `doc/api/openapi/openapi_v3.yaml`. Out: a line for each difference, exit code 1 if there is one.
`.ci/gitlab-openapi.sh` runs this. GitLab's file leaves more open: it requires nothing of an answer, and gives one object
where there is a list of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
PREFIX = "/api/v4"


def differences(ours: dict[str, Any], published: dict[str, Any]) -> list[str]:
    """What our description has that the published one has not, or has otherwise."""
    found: list[str] = []
    for path, item in ours["paths"].items():
        theirs = published["paths"].get(PREFIX + path, {})
        shared = [_resolved(ours, parameter) for parameter in item.get("parameters", ())]
        for method, operation in item.items():
            if method == "parameters":
                continue
            where = f"{method.upper()} {path}"
            if method not in theirs:
                found.append(f"{where}: is not there")
                continue
            parameters = [*shared, *(_resolved(ours, one) for one in operation.get("parameters", ()))]
            found += (f"{where}: {text}" for text in _parameters(parameters, published, theirs[method]))
            found += (f"{where}: {text}" for text in _body(ours, operation, published, theirs[method]))
            found += (f"{where}: {text}" for text in _answers(ours, operation, published, theirs[method]))
    return found


def _parameters(ours: list[dict[str, Any]], published: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    known = {(one["name"], one["in"]): one for one in (_resolved(published, p) for p in theirs.get("parameters", ()))}
    for one in ours:
        other = known.get((one["name"], one["in"]))
        if other is None:
            yield f"no parameter {one['name']} in {one['in']}"
        elif one["schema"]["type"] not in _types(published, other["schema"]):
            yield f"parameter {one['name']} is {one['schema']['type']}"
    needed = {key for key, one in known.items() if one.get("required")}
    yield from (f"parameter {name} is required" for name, _ in needed - {(one["name"], one["in"]) for one in ours})


def _body(
    ours: dict[str, Any], operation: dict[str, Any], published: dict[str, Any], theirs: dict[str, Any]
) -> Iterator[str]:
    if "requestBody" not in operation:
        return
    mine = _schema(ours, operation["requestBody"])
    other = _schema(published, theirs.get("requestBody", {}))
    yield from _properties(ours, mine, published, other, "the body")
    yield from (f"the body needs {name}" for name in set(other.get("required", ())) - set(mine.get("required", ())))


def _answers(
    ours: dict[str, Any], operation: dict[str, Any], published: dict[str, Any], theirs: dict[str, Any]
) -> Iterator[str]:
    for code, response in operation["responses"].items():
        if not code.startswith("2"):
            continue
        if code not in map(str, theirs["responses"]):
            yield f"no answer {code}"
            continue
        mine = _schema(ours, response)
        mine = _resolved(ours, mine["items"]) if mine.get("type") == "array" else mine
        other = _schema(published, {str(key): value for key, value in theirs["responses"].items()}[code])
        other = _resolved(published, other["items"]) if other.get("type") == "array" else other
        yield from _properties(ours, mine, published, other, f"the answer {code}")


def _properties(
    ours: dict[str, Any], mine: dict[str, Any], published: dict[str, Any], other: dict[str, Any], where: str
) -> Iterator[str]:
    for name, schema in mine.get("properties", {}).items():
        known = other.get("properties", {}).get(name)
        if known is None:
            yield f"{where} has no {name}"
        elif not _types(ours, schema) & _types(published, known):
            yield f"{name} in {where} is {' or '.join(sorted(_types(published, known)))}"


def _schema(document: dict[str, Any], holder: dict[str, Any]) -> dict[str, Any]:
    content = _resolved(document, holder).get("content", {})
    return _resolved(document, content.get("application/json", {}).get("schema", {}))


def _types(document: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    found = _resolved(document, schema)
    many = found.get("oneOf") or found.get("anyOf") or [found]
    return {str(one.get("type", "object")) for one in (_resolved(document, part) for part in many)}


def _resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def main(path: str) -> int:
    """Print the differences."""
    ours = json.loads((HERE / "gitlab-openapi.json").read_text(encoding="utf-8"))
    # The pure reader takes minutes for a file of 4 MB.
    published = yaml.load(Path(path).read_bytes(), Loader=yaml.CSafeLoader)
    found = differences(ours, published)
    sys.stdout.writelines(f"{line}\n" for line in found)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
