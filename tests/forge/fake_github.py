"""GitHub's issue comments with a memory, held to GitHub's published description."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from forge.contract import github_contract
from forge.fake_forge import TOKEN, FakeForge, Written, answer, matched
from webserver import Asked, Reply

REPOSITORY = "acme/shop"
NUMBER = 7


@dataclass
class FakeGitHub(FakeForge):
    """Pull request 7 of acme/shop. `pulls` are (number, head label, commit)."""

    pulls: list[tuple[int, str, str]] = field(default_factory=list)

    def knows_token(self, asked: Asked) -> bool:
        return asked.headers.get("authorization") == f"Bearer {TOKEN}"

    def route(self, asked: Asked, path: str) -> Reply:
        if path == "/user":
            return self._user()
        if path == f"/repos/{REPOSITORY}/pulls":
            return self._pulls(asked.query["head"][0])
        if path == f"/repos/{REPOSITORY}/issues/{NUMBER}/comments":
            return self._conversation(asked)
        found = matched(f"/repos/{REPOSITORY}/issues/comments/{{}}", path)
        if found and int(found[0]) in self.comments:
            return self._comment(asked, int(found[0]))
        return answer(
            404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}
        )

    def _user(self) -> Reply:
        if self.bot:
            return answer(403, {"message": "Resource not accessible by integration"})
        user = self.contract.minimal("components/schemas/public-user")
        return answer(200, self.mistake({**user, "login": self.me, "user_view_type": "public"}))

    def _pulls(self, head: str) -> Reply:
        least = self.contract.minimal("components/schemas/pull-request-simple")
        found = [
            {**least, "number": number, "head": {**least["head"], "label": label, "sha": sha}}
            for number, label, sha in self.pulls
            if label == head
        ]
        return answer(200, found)

    def _conversation(self, asked: Asked) -> Reply:
        if asked.method == "GET":
            shown = [self._document(number, written) for number, written in sorted(self.comments.items())]
            return self.page(asked, self.mistake(shown), 30)
        body = json.loads(asked.body)["body"]
        if len(body) > 65_536:
            return answer(422, self._too_long())
        number = self.write(self.me, body)
        return answer(
            201, self.mistake(self._document(number, self.comments[number])), {"Location": "https://x.example"}
        )

    def _comment(self, asked: Asked, number: int) -> Reply:
        written = self.comments[number]
        if asked.method == "DELETE":
            del self.comments[number]
            return answer(204, None)
        if written.author != self.me:
            return answer(403, {"message": "Must have admin rights to Repository."})
        body = json.loads(asked.body)["body"]
        if len(body) > 65_536:
            return answer(422, self._too_long())
        written.body = body
        return answer(200, self.mistake(self._document(number, written)))

    def _too_long(self) -> dict[str, Any]:
        return {
            "message": "Validation Failed",
            "documentation_url": "https://docs.github.com/rest",
            "errors": [
                {
                    "resource": "IssueComment",
                    "code": "unprocessable",
                    "field": "data",
                    "message": "Body is too long (maximum is 65536 characters)",
                }
            ],
        }

    def _document(self, number: int, written: Written) -> dict[str, Any]:
        user = self.contract.minimal("components/schemas/simple-user")
        return {
            **self.contract.minimal("components/schemas/issue-comment"),
            "id": number,
            "body": written.body,
            "user": {**user, "login": written.author} if written.author else None,
        }


def fake_github(**changes: Any) -> FakeGitHub:
    """A GitHub that has nothing yet."""
    return FakeGitHub(contract=github_contract(), **changes)
