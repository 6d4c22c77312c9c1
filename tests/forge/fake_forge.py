"""What the fakes of GitHub and GitLab share: a memory of comments, pages of them, planned failures, the contract."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from forge.contract import Contract
from webserver import Asked, Reply, Server, serving

TOKEN = "forge-" + "token-0123456789"


@dataclass
class Written:
    """A comment as it is kept."""

    author: str
    body: str
    system: bool = False


@dataclass
class FakeForge(ABC):
    """A forge with one conversation. `bot`: the token may not ask who it is. `mistake` spoils documents before they are
    sent, `failures` are replies for the requests to come, each for the first that its method fits."""

    contract: Contract
    prefix: str = ""
    me: str = "someone"
    bot: bool = False
    read_only: bool = False
    host: str = ""
    comments: dict[int, Written] = field(default_factory=dict)
    failures: list[tuple[str, Reply]] = field(default_factory=list)
    mistake: Callable[[Any], Any] = lambda document: document
    before: Callable[[Asked], None] = lambda asked: None
    asked: list[Asked] = field(default_factory=list)
    _last_id: int = 1000

    def write(self, author: str, body: str, *, system: bool = False) -> int:
        """A comment that is there; its number."""
        self._last_id += 1
        self.comments[self._last_id] = Written(author=author, body=body, system=system)
        return self._last_id

    def bodies(self) -> list[str]:
        """The texts, the oldest first."""
        return [written.body for _, written in sorted(self.comments.items())]

    def done(self) -> list[str]:
        """The methods of the requests that change something."""
        return [asked.method for asked in self.asked if asked.method != "GET"]

    def respond(self, asked: Asked) -> Reply:
        """The answer to a request; 500 with what is wrong if request or answer are not as described."""
        path = asked.path.removeprefix(self.prefix)
        self.asked.append(asked)
        self.before(asked)
        if not asked.path.startswith(self.prefix) or not self.contract.request(asked, path):
            return answer(500, {"message": "violation"})
        planned = next((plan for plan in self.failures if plan[0] in (asked.method, "*")), None)
        if planned is not None:
            self.failures.remove(planned)
        reply = planned[1] if planned else self._checked(asked, path)
        if not self.contract.response(asked, path, reply):
            return answer(500, {"message": "violation"})
        return reply

    def _checked(self, asked: Asked, path: str) -> Reply:
        if not self.knows_token(asked):
            return answer(401, {"message": "Bad credentials"})
        if self.read_only and asked.method != "GET":
            return answer(403, {"message": "Resource not accessible by integration"})
        return self.route(asked, path)

    def page(self, asked: Asked, documents: list[Any], default: int) -> Reply:
        """One page, with the links of RFC 8288 that both forges send."""
        size = min(100, int(asked.query.get("per_page", [str(default)])[0]))
        number = int(asked.query.get("page", ["1"])[0])
        shown = documents[(number - 1) * size : number * size]
        last = max(1, -(-len(documents) // size))
        others = {name: values[0] for name, values in asked.query.items() if name != "page"}
        query = "".join(f"&{name}={value}" for name, value in others.items())
        targets = {"prev": number - 1, "next": number + 1, "first": 1, "last": last}
        links = [
            f'<http://{self.host}{asked.path}?page={page}{query}>; rel="{name}"'
            for name, page in targets.items()
            if 1 <= page <= last
        ]
        return answer(200, shown, {"Link": ", ".join(links)})

    @abstractmethod
    def knows_token(self, asked: Asked) -> bool:
        """Whether the request bears the token."""

    @abstractmethod
    def route(self, asked: Asked, path: str) -> Reply:
        """The answer of the API."""

    @contextmanager
    def running(self) -> Iterator[Server]:
        """Served on this machine."""
        with serving(self.respond) as server:
            self.host = server.host
            yield server


def answer(status: int, document: Any, headers: dict[str, str] | None = None) -> Reply:
    """A reply in JSON; None: without a body."""
    body = b"" if document is None else json.dumps(document).encode()
    return Reply(
        status=status, headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})}, body=body
    )


def matched(pattern: str, path: str) -> tuple[str, ...] | None:
    """The parts of a path that fit `{}`."""
    found = re.fullmatch(pattern.replace("{}", "([^/]+)"), path)
    return found.groups() if found else None
