"""Holds a fake forge to a description of its API: every request it gets, every answer it gives."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.responses.exceptions import ResponseNotFound
from openapi_core.testing import MockRequest, MockResponse
from webserver import Asked, Reply

HERE = Path(__file__).parent
# What every part of both APIs may answer, as their pages say, although no operation lists it.
EVERYWHERE = frozenset({301, 302, 307, 308, 401, 403, 404, 429, 500, 502, 503, 504})


class Contract:
    """The operations of one description. `violations` tells what went against it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.violations: list[str] = []
        server = urlsplit(document["servers"][0]["url"])
        self._server, self._prefix = f"{server.scheme}://{server.netloc}", server.path
        self._api = OpenAPI.from_dict(document)

    def request(self, asked: Asked, path: str) -> bool:
        """Whether a request is as described; `path` is the part below the API's address."""
        return self._holds(f"{asked.method} {path}", lambda: self._api.validate_request(self._request(asked, path)))

    def response(self, asked: Asked, path: str, reply: Reply) -> bool:
        """Whether an answer is as described."""
        assert isinstance(reply.body, bytes)
        told = MockResponse(
            reply.body,
            status_code=reply.status,
            headers=reply.headers,
            content_type=reply.headers.get("Content-Type", "application/json"),
        )
        return self._holds(
            f"{asked.method} {path} -> {reply.status}",
            lambda: self._api.validate_response(self._request(asked, path), told),
            lenient=reply.status in EVERYWHERE,
        )

    def minimal(self, reference: str) -> Any:
        """The least document that a schema allows: what the fake has no state for."""
        schema = self.document
        for part in reference.split("/"):
            schema = schema[part]
        return self._least(schema)

    def _request(self, asked: Asked, path: str) -> MockRequest:
        return MockRequest(
            self._server,
            asked.method.lower(),
            f"{self._prefix}{path}",
            args={name: values[0] for name, values in asked.query.items()},
            headers=asked.headers,
            data=asked.body or None,
            content_type=asked.headers.get("content-type", ""),
        )

    def _holds(self, what: str, check: Any, *, lenient: bool = False) -> bool:
        try:
            check()
        except ResponseNotFound as error:
            if not lenient:
                self.violations.append(f"{what}: {error}")
            return lenient
        except OpenAPIError as error:
            causes = [str(error), *(str(found) for found in getattr(error.__cause__, "schema_errors", ()))]
            self.violations.append(f"{what}: {'; '.join(causes)}")
            return False
        return True

    def _least(self, schema: dict[str, Any]) -> Any:
        if "$ref" in schema:
            return self.minimal(schema["$ref"].removeprefix("#/"))
        if schema.get("nullable"):
            return None
        for many in ("oneOf", "anyOf"):
            if many in schema:
                return self._least(schema[many][0])
        if "allOf" in schema:
            return {key: item for part in schema["allOf"] for key, item in self._least(part).items()}
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "array":
                return []
            case "integer" | "number":
                return max(1, schema.get("minimum", 1))
            case "boolean":
                return False
            case "string":
                return _TEXTS.get(schema.get("format", ""), "text")
            case _:
                pass
        properties = schema.get("properties", {})
        return {name: self._least(properties[name]) for name in schema.get("required", ()) if name in properties}


_TEXTS = {
    "date-time": "2026-01-02T03:04:05Z",
    "uri": "https://forge.example/x",
    "email": "a@forge.example",
}


def github_contract() -> Contract:
    """GitHub's published description, as far as imgscan calls it."""
    return Contract(json.loads(gzip.decompress((HERE / "github-openapi.json.gz").read_bytes())))


def gitlab_contract() -> Contract:
    """GitLab's notes, written down by hand from the pages of its API, in the names of its published description."""
    return Contract(json.loads((HERE / "gitlab-openapi.json").read_text(encoding="utf-8")))
