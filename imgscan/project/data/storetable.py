"""The table of data stores in rules/data.yml, and what an image's name or a path says about them. Pure.

In: an image's name, its tag, a path in a container. Out: rows of the table.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.rulebook import load_yaml, rules_dir

NEWEST: Final = 99
_MAJOR: Final = lazy_re(r"^v?(\d{1,3})(?=[.\-]|$)")
_DEFAULT_TAGS: Final = frozenset({"", "latest", "alpine", "bookworm", "trixie", "bullseye", "slim"})
_COMMON_WORDS: Final = frozenset(
    {"server", "community-server", "free", "registry", "distribution", "vault", "ghost", "consul", "cockroach", "citus"}
)
"""Last parts of images' names that say nothing by themselves: `acme/server` is no database."""
_VERSION_IN_NAME: Final = lazy_re(r"-?v?\d+(?:\.\d+)*$")
_HOST: Final = lazy_re(r"[.:]|^localhost$")
_BESIDE: Final = lazy_re(
    r"(?:^|[-_.])(?:exporters?|backups?|dumps?|clients?|migrations?|admin|operators?|proxy|tools?)$"
)
"""Folders below an owner's with images that look after a store."""


@frozen(kw_only=False)
class Store:
    """A row of the table. `data` is the path the server writes to, `volumes` what the image declares; `since` the major
    version from which the row holds."""

    name: str
    images: frozenset[str]
    data: str
    volumes: tuple[str, ...]
    keeps: str
    since: int = 0


@cache
def load_stores() -> tuple[Store, ...]:
    """The table, rows for newer versions first."""
    return tuple(
        Store(
            name=row["name"],
            images=frozenset(row["images"]),
            data=row["data"],
            volumes=tuple(row["volumes"]),
            keeps=row["keeps"],
            since=row.get("from", 0),
        )
        for row in load_yaml(rules_dir() / "data.yml")["stores"]
    )


def split_image(reference: str) -> tuple[str, str | None]:
    """The repository as the table has it (without Docker Hub's host and `library/`) and the tag, None where it hangs on
    an unset variable or a digest stands alone."""
    name, _, digest = reference.partition("@")
    slash = name.rfind("/")
    colon = name.find(":", slash + 1)
    tag = name[colon + 1 :] if colon >= 0 else ("" if not digest else None)
    repository = name[:colon] if colon >= 0 else name
    for prefix in (
        "docker.io/",
        "index.docker.io/",
        "registry-1.docker.io/",
        "library/",
        "public.ecr.aws/docker/library/",
    ):
        repository = repository.removeprefix(prefix)
    return repository, tag


def row_of(repository: str, tag: str | None) -> tuple[Store | None, int | None]:
    """The row of an image's name, and the version that its tag says; None where the table does not have the name."""
    rows = [row for row in load_stores() if repository in row.images or _mirrored(repository, row)]
    if not rows:
        return None, None
    major = major_version(tag)
    if major is None:
        return rows[-1], None
    return next((row for row in rows if row.since <= major), rows[-1]), major


def rows_alike(repository: str) -> tuple[Store, ...]:
    """The rows of a store whose name an image of somebody else's bears: `acme/postgres`, `rhel9/postgresql-15`,
    `registry.example.com/hub/postgres`. What only looks after a store (`acme/postgres-backup`) bears another."""
    *folders, last = repository.lower().split("/")
    owned = folders[1:] if folders and _HOST.search(folders[0]) else folders
    if not folders or any(_BESIDE.search(folder) for folder in owned[1:]):
        return ()
    name = _VERSION_IN_NAME.sub("", last)
    kinds = {row.name for row in load_stores() if name in _own_names(row)}
    return tuple(row for row in load_stores() if row.name in kinds)


def rows_at(path: str) -> tuple[Store, ...]:
    """The rows of the stores that keep their data at this very path, or declare it as the volume for them."""
    return tuple(row for row in load_stores() if path == row.data or (path in row.volumes and within(row.data, path)))


def _own_names(row: Store) -> frozenset[str]:
    return frozenset(image.rpartition("/")[2] for image in row.images) - _COMMON_WORDS


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _mirrored(repository: str, row: Store) -> bool:
    """Docker Hub's own images in another registry: `registry.example.com/postgres`, `…/library/postgres`."""
    host, _, rest = repository.partition("/")
    if "." not in host and ":" not in host:
        return False
    name = rest.rpartition("library/")[2] if "library/" in rest else rest
    return name in row.images and "/" not in name


def major_version(tag: str | None) -> int | None:
    """The major version of a tag; 99 for one that follows the newest, None where it cannot be told."""
    if tag is None:
        return None
    found = _MAJOR.match(tag)
    if found:
        return int(found[1])
    first = re.split(r"[-.\d]", tag, maxsplit=1)[0]
    return NEWEST if tag in _DEFAULT_TAGS or first in _DEFAULT_TAGS else None
