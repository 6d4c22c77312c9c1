"""Sources of a fleet for the tests: a registry that says what it is told to, and how sources are expanded."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from imagemaker import Blobs, Made, add_manifest, gzipped, small_layer
from webserver import Asked, Reply

from imgscan.errors import ImgscanError
from imgscan.fleet.expand import ListOptions, World, expand
from imgscan.fleet.listing import Listed
from imgscan.fleet.tags import TagRules
from imgscan.source.backoff import Effects

QUICK = Effects(sleep=lambda _: None, now=lambda: 1_800_000_000.0)
TAG_RULES = frozenset({"include", "exclude", "semver", "prereleases", "newest", "since_s"})


def nowhere(home: Path, stdin: bytes = b"", effects: Effects = QUICK) -> World:
    """A machine without logins, and with this on its standard input."""
    return World(environment={}, home=home, certs_dirs=(), effects=effects, stdin=lambda: io.BytesIO(stdin))


def expanded(*sources: str, world: World, say: Callable[[str], None] = lambda _: None, **options: Any) -> Listed:
    rules = {name: options.pop(name) for name in TAG_RULES & options.keys()}
    return expand(sources, ListOptions(tags=TagRules(**rules), **options), say=say, world=world)


def names(listed: Listed) -> list[str]:
    return [wanted.name for wanted in listed.wanted]


def reasons(listed: Listed) -> list[str]:
    return [f"{item.source}: {item.reason}" for item in listed.not_listed]


@contextmanager
def told() -> Iterator[list[str]]:
    """What errors for the user, and no others, the block ends with."""
    errors: list[str] = []
    try:
        yield errors
    except ImgscanError as error:
        errors.append(error.what)


class FakeRegistry:
    """Repositories with their tags; `page` names at once. `manifests` are by repository and tag."""

    def __init__(self, repositories: Mapping[str, Sequence[str]], *, page: int = 100) -> None:
        self.repositories = {name: list(tags) for name, tags in repositories.items()}
        self.page = page
        self.data: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}

    def add(self, repository: str, tag: str, made: Made) -> None:
        """An image under a tag."""
        blobs = Blobs()
        top = add_manifest(blobs, made, gzipped)
        self.put(repository, tag, blobs, top)

    def put(self, repository: str, tag: str, blobs: Blobs, top: Mapping[str, Any]) -> None:
        self.data.update(blobs.data)
        self.manifests[repository, tag] = blobs.data[top["digest"].partition(":")[2]]
        tags = self.repositories.setdefault(repository, [])
        if tag not in tags:
            tags.append(tag)

    def respond(self, asked: Asked) -> Reply:
        path = asked.path.removeprefix("/v2/")
        if path == "_catalog":
            return self.paged(asked, "repositories", sorted(self.repositories))
        for ending in ("/tags/list", "/manifests/", "/blobs/"):
            repository, found, name = path.partition(ending)
            if found:
                return self._of(repository, ending, name, asked)
        return Reply()

    def _of(self, repository: str, ending: str, name: str, asked: Asked) -> Reply:
        if ending == "/tags/list":
            tags = self.repositories.get(repository)
            return Reply(status=404) if tags is None else self.paged(asked, "tags", tags)
        data = self.data.get(name.removeprefix("sha256:")) or self.manifests.get((repository, name))
        return Reply(status=404) if data is None else Reply(body=data)

    def paged(self, asked: Asked, kind: str, found: Sequence[str]) -> Reply:
        """A page as the distribution spec has it: `last` is the last name of the page before."""
        last = asked.query.get("last", [""])[0]
        start = list(found).index(last) + 1 if last else 0
        listed = list(found)[start : start + self.page]
        headers = {}
        if start + self.page < len(found):
            query = urlencode({"n": self.page, "last": listed[-1]})
            headers["Link"] = f'<{asked.path}?{query}>; rel="next"'
        return Reply(body=json.dumps({kind: listed}).encode(), headers=headers)


def made(created: str | None = None, content: bytes = b"x", architecture: str = "amd64") -> Made:
    """A small image that says when it was made."""
    return Dated(layers=(small_layer(b"file", content),), created=created, architecture=architecture)


class Dated(Made):
    """With a `created` in its configuration."""

    def __init__(self, *, created: str | None, **more: Any) -> None:
        super().__init__(**more)
        object.__setattr__(self, "created", created)

    @property
    def config(self) -> bytes:
        document = json.loads(super().config)
        created: str | None = getattr(self, "created", None)
        return json.dumps(document | ({"created": created} if created is not None else {})).encode()
