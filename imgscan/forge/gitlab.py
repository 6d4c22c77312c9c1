"""The notes of a merge request on GitLab: gitlab.com or an own one, by its REST API v4 (docs.gitlab.com/api/notes)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from imgscan.errors import EngineError
from imgscan.forge.api import Api, Credential
from imgscan.forge.refusals import GoneError, RefusedError
from imgscan.forge.sticky import Comment
from imgscan.frozen import frozen
from imgscan.source.backoff import Effects

PUBLIC_API: Final = "https://gitlab.com/api/v4"


@frozen
class _User:
    username: str


@frozen
class _Note:
    """`system` notes tell what happened; nobody wrote them."""

    id: int
    body: str | None = None
    author: _User | None = None
    system: bool = False


class GitLab:
    """One merge request. `project` is its number or GROUP/NAME, `iid` the merge request's number in it; `author` is
    whom the token writes as, asked for if it is ""."""

    def __init__(self, api: Api, project: str, iid: int, *, author: str = "") -> None:
        self.api = api
        self._notes = f"/projects/{quote(project, safe='')}/merge_requests/{iid}/notes"
        self._author = author

    def me(self) -> str:
        """The token's user name. Raises EngineError where the token may not ask for it."""
        if not self._author:
            try:
                self._author = self.api.ask("GET", "/user", _User).username
            except (RefusedError, GoneError) as error:
                raise EngineError(
                    f"{self.api.host} does not say whom the token in {self.api.variable} writes as",
                    cause=error.cause,
                    next_step="a project access token with scope api in GITLAB_TOKEN can ask, --author NAME says it",
                ) from error
        return self._author

    def comments(self) -> Iterator[Comment]:
        """The notes that somebody wrote, the oldest first."""
        path = f"{self._notes}?per_page=100&order_by=created_at&sort=asc"
        return (_comment(note) for note in self.api.pages(path, list[_Note]) if not note.system)

    def create(self, body: str) -> Comment:
        """A new note."""
        return _comment(self.api.ask("POST", self._notes, _Note, {"body": body}))

    def update(self, comment_id: int, body: str) -> None:
        """Another text."""
        self.api.ask("PUT", f"{self._notes}/{comment_id}", _Note, {"body": body})

    def delete(self, comment_id: int) -> None:
        """Take a note away."""
        self.api.tell("DELETE", f"{self._notes}/{comment_id}")


def open_api(url: str, credential: Credential, effects: Effects | None = None) -> Api:
    """GitLab's API at `url`. Raises InputError for an address that cannot be one."""
    return Api(url, credential, {"Accept": "application/json"}, effects=effects)


def _comment(note: _Note) -> Comment:
    return Comment(id=note.id, author=note.author.username if note.author else "", body=note.body or "")
