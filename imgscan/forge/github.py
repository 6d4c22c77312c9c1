"""The comments of a pull request on GitHub: github.com or an Enterprise Server, by its REST API of 2022-11-28.

A pull request is an issue to it, and so are its comments (docs.github.com/rest/issues/comments).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, urlencode

from imgscan.forge.api import Api, Credential
from imgscan.forge.refusals import RefusedError
from imgscan.forge.sticky import Comment
from imgscan.frozen import frozen
from imgscan.source.backoff import Effects

PUBLIC_API: Final = "https://api.github.com"
ACTIONS_BOT: Final = "github-actions[bot]"
_HEADERS: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


@frozen
class _User:
    login: str


@frozen
class _Comment:
    """`user` is null for an account that was deleted."""

    id: int
    body: str | None = None
    user: _User | None = None


@frozen
class _Head:
    sha: str


@frozen
class _Pull:
    number: int
    head: _Head


class GitHub:
    """One pull request. `repository` is OWNER/NAME; `author` is whom the token writes as, asked for if it is ""."""

    def __init__(self, api: Api, repository: str, number: int, *, author: str = "") -> None:
        self.api = api
        self._repository = f"/repos/{quote(repository, safe='/')}"
        self._number = number
        self._author = author

    def me(self) -> str:
        """The token's login; a workflow's own token may not ask for it, it writes as github-actions[bot]."""
        if not self._author:
            try:
                self._author = self.api.ask("GET", "/user", _User).login
            except RefusedError:
                self._author = ACTIONS_BOT
        return self._author

    def comments(self) -> Iterator[Comment]:
        """The comments of the conversation, the oldest first."""
        path = f"{self._repository}/issues/{self._number}/comments?per_page=100"
        return (_comment(found) for found in self.api.pages(path, list[_Comment]))

    def create(self, body: str) -> Comment:
        """A new comment."""
        path = f"{self._repository}/issues/{self._number}/comments"
        return _comment(self.api.ask("POST", path, _Comment, {"body": body}))

    def update(self, comment_id: int, body: str) -> None:
        """Another text."""
        self.api.ask("PATCH", f"{self._repository}/issues/comments/{comment_id}", _Comment, {"body": body})

    def delete(self, comment_id: int) -> None:
        """Take a comment away."""
        self.api.tell("DELETE", f"{self._repository}/issues/comments/{comment_id}")


def open_api(url: str, credential: Credential, effects: Effects | None = None) -> Api:
    """GitHub's API at `url`. Raises InputError for an address that cannot be one."""
    return Api(url, credential, _HEADERS, effects=effects)


def find_pull_request(api: Api, repository: str, *, owner: str, branch: str, sha: str) -> int | None:
    """The number of the open pull request into `repository` whose head is commit `sha` of `branch` of `owner`'s fork;
    None if there is none, or not just one. What a run of a fork says itself is not to be believed."""
    query = urlencode({"state": "open", "head": f"{owner}:{branch}", "per_page": 100})
    pulls = api.ask("GET", f"/repos/{quote(repository, safe='/')}/pulls?{query}", list[_Pull])
    numbers = [pull.number for pull in pulls if pull.head.sha == sha]
    return numbers[0] if len(numbers) == 1 else None


def _comment(found: _Comment) -> Comment:
    return Comment(id=found.id, author=found.user.login if found.user else "", body=found.body or "")
