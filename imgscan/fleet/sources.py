"""What a SOURCE means: the argument as written -> its kind. Only what it names on disk is looked at, never a network.

-                            a list of images on standard input
list:FILE                    a list of images; so is FILE where it ends with .txt, .list or .toml
registry://HOST[/]           a registry: its catalogue
registry://HOST/PREFIX/      every repository below the prefix
registry://HOST/GLOB[:GLOB]  repositories by glob, and tags by glob
registry://HOST/REPO:GLOB    tags of a repository
engine://[GLOB[:GLOB]]       the images of the engine
compose:FILE|FOLDER          the images of a compose file's services; so is FILE.y[a]ml that has services
k8s:FILE|FOLDER|-            the images of Kubernetes manifests; so is FILE.y[a]ml or FILE.json of such
./FOLDER, FOLDER/            image archives and OCI layouts below it
anything else                one image, as `imgscan scan` takes it
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Final

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.fleet.catalogue import RegistryPart
from imgscan.fleet.listing import repository_glob
from imgscan.fleet.tags import TagRules, prepare
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.source.reference import DOCKER_HUB, SCHEME, parse_host, parse_reference

ENGINE: Final = "engine://"
_LIST_ENDINGS: Final = (".txt", ".list", ".toml")
_YAML_ENDINGS: Final = (".yaml", ".yml")
_GLOB: Final = lazy_re(r"[*?\[]")
_LONGEST: Final = 4_096


class Kind(StrEnum):
    """The kinds of sources."""

    IMAGES = "list of images"
    REGISTRY = "registry"
    ENGINE = "engine"
    COMPOSE = "compose file"
    KUBERNETES = "Kubernetes manifests"
    MANIFEST = "YAML file"  # of compose or Kubernetes: what is in it says which
    FOLDER = "folder"
    FILE = "archive or layout"
    IMAGE = "image"


@frozen
class Source:
    """A source. `rest` is what follows its prefix, `part` what is meant of a registry."""

    kind: Kind
    rest: str
    part: RegistryPart | None = None


def read_source(text: str) -> Source:
    """The kind of a source. Raises InputError for one that means nothing."""
    if not text or "\0" in text or len(text) > _LONGEST:
        raise InputError("no source given" if not text else f"{plain(shorten(text, 60))!r} is no source")
    if text.startswith(SCHEME):
        part = registry_part(text)
        return Source(kind=Kind.REGISTRY if part is not None else Kind.IMAGE, rest=text, part=part)
    if text.startswith(ENGINE):
        return Source(kind=Kind.ENGINE, rest=_engine_part(text.removeprefix(ENGINE)))
    for prefix, kind in (("list:", Kind.IMAGES), ("compose:", Kind.COMPOSE), ("k8s:", Kind.KUBERNETES)):
        if text.startswith(prefix) and not os.path.lexists(text):
            return Source(kind=kind, rest=_named(text, prefix))
    if text == "-":
        return Source(kind=Kind.IMAGES, rest=text)
    return Source(kind=_on_disk(text), rest=text)


def registry_part(text: str) -> RegistryPart | None:
    """The part of a registry that `registry://…` stands for; None where it names one image.

    A host without a slash behind it needs a dot in its name, or to be `localhost` or an IPv6 address: `nginx:1` is an
    image of Docker Hub, `registry:5000/` a registry. Raises InputError.
    """
    rest = text.removeprefix(SCHEME)
    if "@" in rest:
        return None
    head, slash, tail = rest.partition("/")
    if not slash and _is_registry(head):
        return RegistryPart(host=parse_host(head))
    if slash and not tail:
        if not (set(".:[") & set(head) or head.lower() == "localhost"):
            raise InputError(
                f"{plain(shorten(text, 200))} is no registry",
                cause="a host without a dot needs its port",
                next_step=f"registry://{plain(shorten(head, 100))}:PORT/",
            )
        return RegistryPart(host=parse_host(head))
    if not _GLOB.search(tail if slash else head) and not tail.endswith("/"):
        return None
    if slash and (set(".:[") & set(head) or head.lower() == "localhost"):
        host, path = parse_host(head), tail
    else:
        host, path = DOCKER_HUB, rest
    return _part_of(host, path)


def _part_of(host: str, path: str) -> RegistryPart:
    """A path with a glob in it, or a slash at its end."""
    folder, slash, last = path.rpartition("/")
    name, colon, tags = last.partition(":")
    repository = f"{folder}{slash}{name}"
    if host == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    glob = tags if colon else None
    if glob is not None:
        prepare(TagRules(include=(glob,)))
    if not repository.endswith("/") and not _GLOB.search(repository):
        # Checked as an image's name is.
        known = parse_reference(f"{SCHEME}{host}/{repository}")
        return RegistryPart(host=known.host, repository=known.repository, tags=glob)
    repository_glob(repository)
    return RegistryPart(host=host, repositories=repository, tags=glob)


def _engine_part(pattern: str) -> str:
    """A pattern of the engine's images, checked."""
    folder, slash, last = pattern.rpartition("/")
    name, colon, tags = last.partition(":")
    if name or folder:
        repository_glob(f"{folder}{slash}{name}")
    if colon:
        prepare(TagRules(include=(tags,)))
    return pattern


def _is_registry(head: str) -> bool:
    name = head.partition(":")[0]
    if not (head.startswith("[") or "." in name or name.lower() == "localhost"):
        return False
    try:
        parse_host(head)
    except InputError:
        return False
    return True


def _named(text: str, prefix: str) -> str:
    rest = text.removeprefix(prefix)
    if not rest:
        raise InputError(f"{text} names no file")
    if rest != "-" and not Path(rest).exists():
        raise InputError(f"there is no file {plain(shorten(rest, 300))}")
    return rest


def _on_disk(text: str) -> Kind:
    """The kind of a source by what it is called and what lies there; a plain word is an image, whatever folder has its
    name."""
    from imgscan.source import local_file, looks_like_a_path

    path = Path(text)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError:
        is_folder = is_file = False
    if is_folder and (text.endswith("/") or text in (".", "..") or text.startswith(("/", "./", "../"))):
        return Kind.FOLDER
    if text.endswith(_LIST_ENDINGS) or text.endswith(_YAML_ENDINGS) or (is_file and text.endswith(".json")):
        _named(text, "")
        return Kind.IMAGES if text.endswith(_LIST_ENDINGS) else Kind.MANIFEST
    if local_file(text) is not None:
        return Kind.FILE
    if looks_like_a_path(text):
        raise InputError(f"no such file: {plain(shorten(text, 300))}")
    return Kind.IMAGE
