"""Makes github-openapi.json.gz: of GitHub's published description of its API (`@octokit/openapi`, MIT) the operations that
imgscan calls, with every component they refer to. `.ci/github-openapi.sh` fetches the description and runs this.

In: the path of `api.github.com.json` and of the file to write. The version stands in the file's `info`.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

OPERATIONS = {
    "/user": ("get",),
    "/repos/{owner}/{repo}/pulls": ("get",),
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": ("get", "post"),
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": ("patch", "delete"),
}
TELLING = frozenset({"description", "summary", "example", "examples", "externalDocs", "tags"})


def subset(whole: dict[str, Any]) -> dict[str, Any]:
    """The operations, and in `components` what they refer to, at any depth; without what is for readers only."""
    paths: dict[str, dict[str, Any]] = {
        path: {method: _bare(whole["paths"][path][method]) for method in methods}
        for path, methods in OPERATIONS.items()
    }
    components: dict[str, dict[str, Any]] = {}
    left = _references(paths)
    while left:
        kind, name = left.pop()
        if name not in components.setdefault(kind, {}):
            components[kind][name] = _bare(whole["components"][kind][name])
            left |= _references(components[kind][name])
    return {
        "openapi": whole["openapi"],
        "info": whole["info"],
        "servers": whole["servers"],
        "paths": paths,
        "components": {kind: dict(sorted(found.items())) for kind, found in sorted(components.items())},
    }


def _bare(node: Any, *, names: bool = False) -> Any:
    """Without texts for readers and extensions; `names`: the keys of this one are names of properties."""
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _bare(item, names=key == "properties" and not names)
        for key, item in node.items()
        if names or (key == "description" and "content" in node) or not (key in TELLING or key.startswith("x-"))
    }


def _references(node: Any) -> set[tuple[str, str]]:
    if isinstance(node, list):
        return {found for item in node for found in _references(item)}
    if not isinstance(node, dict):
        return set()
    found = {found for item in node.values() for found in _references(item)}
    reference = node.get("$ref")
    if isinstance(reference, str):
        _, _, kind, name = reference.split("/")
        found.add((kind, name))
    return found


def main(source: str, target: str) -> None:
    """Write the file: the same bytes from the same description."""
    made = subset(json.loads(Path(source).read_text(encoding="utf-8")))
    # A response has to have a description.
    for operation in [found for path in made["paths"].values() for found in path.values()]:
        for response in operation["responses"].values():
            if "$ref" not in response:
                response.setdefault("description", "")
    for response in made["components"].get("responses", {}).values():
        response.setdefault("description", "")
    data = json.dumps(made, separators=(",", ":")).encode()
    Path(target).write_bytes(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
