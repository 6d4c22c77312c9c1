"""GitLab's notes of a merge request with a memory, held to a description written from its pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from forge.contract import gitlab_contract
from forge.fake_forge import TOKEN, FakeForge, Written, answer, matched
from webserver import Asked, Reply

PROJECT = "acme/shop"
IID = 7
_NOTES = f"/projects/{PROJECT.replace('/', '%2F')}/merge_requests/{IID}/notes"


@dataclass
class FakeGitLab(FakeForge):
    """Merge request 7 of acme/shop. With `job` the token is a job's, which no note may be read with."""

    job: bool = False

    def knows_token(self, asked: Asked) -> bool:
        if self.job:
            return False
        return asked.headers.get("authorization") == f"Bearer {TOKEN}"

    def route(self, asked: Asked, path: str) -> Reply:
        if path == "/user":
            return answer(200, self.mistake(self._user(self.me)))
        if path == _NOTES:
            return self._conversation(asked)
        found = matched(f"{_NOTES}/{{}}", path)
        if found and int(found[0]) in self.comments:
            return self._note(asked, int(found[0]))
        return answer(404, {"message": "404 Note Not Found"})

    def _conversation(self, asked: Asked) -> Reply:
        if asked.method == "GET":
            shown = [self._document(number, written) for number, written in sorted(self.comments.items())]
            if asked.query.get("sort", ["desc"]) != ["asc"]:
                shown.reverse()
            return self.page(asked, self.mistake(shown), 20)
        number = self.write(self.me, json.loads(asked.body)["body"])
        return answer(201, self.mistake(self._document(number, self.comments[number])))

    def _note(self, asked: Asked, number: int) -> Reply:
        if asked.method == "DELETE":
            del self.comments[number]
            return answer(204, None)
        written = self.comments[number]
        if written.author != self.me:
            return answer(403, {"message": "403 Forbidden"})
        written.body = json.loads(asked.body)["body"].strip()
        return answer(200, self.mistake(self._document(number, written)))

    def _user(self, name: str) -> dict[str, Any]:
        return {
            "id": 3,
            "username": name,
            "name": name.title(),
            "state": "active",
            "web_url": "https://gitlab.example/x",
        }

    def _document(self, number: int, written: Written) -> dict[str, Any]:
        return {
            **self.contract.minimal("components/schemas/note"),
            "id": number,
            "body": written.body,
            "author": self._user(written.author),
            "system": written.system,
            "noteable_iid": IID,
        }


def fake_gitlab(**changes: Any) -> FakeGitLab:
    """A GitLab that has nothing yet."""
    return FakeGitLab(contract=gitlab_contract(), prefix="/api/v4", **changes)
