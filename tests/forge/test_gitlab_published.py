"""Our description of GitLab's notes against the published one: what is compared, on a document of the same shape."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from forge.gitlab_published import HERE, PREFIX, differences

ROOT = HERE.parent.parent
OURS = json.loads((HERE / "gitlab-openapi.json").read_text(encoding="utf-8"))
NOTES = f"{PREFIX}/projects/{{id}}/merge_requests/{{noteable_id}}/notes"


def parameter(name: str, place: str, *types: str) -> dict[str, Any]:
    """A parameter as GitLab's generator writes it."""
    schema = {"type": types[0]} if len(types) == 1 else {"oneOf": [{"type": one} for one in types]}
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def published() -> dict[str, Any]:
    """The operations in the shape of GitLab's file: bodies and entities by reference, a list as one object, nothing
    required of an answer."""
    path = [parameter("id", "path", "string", "integer"), parameter("noteable_id", "path", "integer")]
    one = [*path, parameter("note_id", "path", "integer")]
    paging = [parameter("page", "query", "integer"), parameter("per_page", "query", "integer")]
    order = [parameter("order_by", "query", "string"), parameter("sort", "query", "string")]
    note = {"description": "OK", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}}
    user = {"description": "OK", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}}
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}}
    names = {name: dict(schema) for name, schema in OURS["components"]["schemas"]["note"]["properties"].items()}
    names["author"] = {"$ref": "#/components/schemas/User"}
    return {
        "paths": {
            f"{PREFIX}/user": {"get": {"responses": {"200": user}}},
            NOTES: {
                "get": {"parameters": [*path, *order, *paging], "responses": {"200": note}},
                "post": {"parameters": path, "requestBody": body, "responses": {"201": note}},
            },
            f"{NOTES}/{{note_id}}": {
                "put": {"parameters": one, "requestBody": body, "responses": {"200": note}},
                "delete": {"parameters": one, "responses": {"204": {"description": "Deleted"}}},
            },
        },
        "components": {
            "schemas": {
                "Note": {"type": "object", "properties": names},
                "User": {"type": "object", "properties": OURS["components"]["schemas"]["user"]["properties"]},
                "Body": {"type": "object", "properties": {"body": {"type": "string"}}, "required": ["body"]},
            }
        },
    }


def test_ours_agrees_with_one_that_says_the_same() -> None:
    assert differences(OURS, published()) == []


def forget(document: dict[str, Any], *keys: str) -> None:
    for key in keys[:-1]:
        document = document[key]
    del document[keys[-1]]


CHANGES = [
    pytest.param(lambda d: forget(d, "paths", NOTES, "post"), "POST .*: is not there", id="operation"),
    pytest.param(lambda d: forget(d, "components", "schemas", "Note", "properties", "system"), "no system", id="field"),
    pytest.param(lambda d: forget(d, "components", "schemas", "Body", "properties", "body"), "no body", id="body"),
    pytest.param(lambda d: d["components"]["schemas"]["Body"]["required"].append("x"), "needs x", id="more-needed"),
    pytest.param(lambda d: forget(d, "paths", NOTES, "post", "responses", "201"), "no answer 201", id="status"),
    pytest.param(
        lambda d: d["components"]["schemas"]["User"]["properties"].update(id={"type": "string"}), "id in .* string",
        id="type",
    ),
    pytest.param(
        lambda d: d["paths"][NOTES]["get"]["parameters"].pop(), "no parameter per_page in query", id="parameter"
    ),
    pytest.param(
        lambda d: d["paths"][f"{PREFIX}/user"]["get"].update(parameters=[parameter("x", "path", "string")]),
        "parameter x is required", id="more-parameters",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_a_difference_is_told(change: Any, told: str) -> None:
    document = copy.deepcopy(published())
    change(document)
    assert any(re.search(told, line) for line in differences(OURS, document))


def test_the_script_compares_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "openapi_v3.yaml"

    def compared() -> subprocess.CompletedProcess[str]:
        command = ["bash", f"{ROOT}/.ci/gitlab-openapi.sh", str(path)]
        return subprocess.run(command, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True)

    assert compared().returncode == 2
    document = published()
    path.write_text(yaml.safe_dump(document))
    assert compared().returncode == 0
    forget(document, "paths", NOTES, "get")
    path.write_text(yaml.safe_dump(document))
    done = compared()
    assert (done.returncode, "GET /projects/{id}/merge_requests/{noteable_id}/notes" in done.stdout) == (1, True)
