"""A web server as a webhook: it notes what it is told, and answers as it is asked to."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from webserver import Asked, Reply, serving


class Hook:
    """`codes` are its answers, then 204; `bodies` what it was told."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.bodies: list[Any] = []
        self.url = ""

    def respond(self, asked: Asked) -> Reply:
        self.bodies.append(json.loads(asked.body))
        code = self.codes.pop(0) if self.codes else 204
        return Reply(status=code, headers={"Location": "http://127.0.0.1:1/"} if code == 302 else {})


@contextlib.contextmanager
def hooked(*codes: int) -> Iterator[Hook]:
    """A hook that listens, at an address with a token in it."""
    made = Hook(*codes)
    with serving(made.respond) as server:
        made.url = f"http://{server.host}/hook?token=geheim"
        yield made
