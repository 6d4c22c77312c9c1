"""The images of Kubernetes objects: the text of a manifest (documents in YAML, or JSON) -> image references. Pure.

Containers are found wherever an object has a pod template, so that kinds of other vendors count as Deployments do; so
are image volumes. A document that cannot be read is a problem, and the others are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.compose.nodes import plain as plain_value
from imgscan.project.compose.yamltree import read_yaml
from imgscan.source.config import Json, parse_json

MAX_BYTES: Final = 16 << 20
_MOST_VALUES: Final = 500_000
_MAX_DOCUMENTS: Final = 20_000
_MAX_PROBLEMS: Final = 20
_CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")
_MARKER: Final = lazy_re(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_TEMPLATE: Final = lazy_re(r"\{\{")


@frozen
class Override:
    """An entry of a kustomization's `images`: what takes the place of an image's name, tag and digest ("": nothing)."""

    name: str
    new_name: str = ""
    new_tag: str = ""
    digest: str = ""

    def applied(self, image: str) -> str:
        """The image as kustomize writes it. A name counts as it stands: `nginx` is not `docker.io/library/nginx`."""
        whole, _, digest = image.partition("@")
        head, slash, last = whole.rpartition("/")
        short, colon, tag = last.partition(":")
        if f"{head}{slash}{short}" != self.name:
            return image
        name = self.new_name or self.name
        if self.digest:
            return f"{name}@{self.digest}"
        if self.new_tag:
            return f"{name}:{self.new_tag}"
        return name + (f":{tag}" if colon else "") + (f"@{digest}" if digest else "")


@frozen
class Kustomization:
    """What a kustomization puts together: files and folders as written, and what images it changes."""

    resources: tuple[str, ...]
    overrides: tuple[Override, ...]


@frozen
class Manifest:
    """What a file holds: images in their order, each once; how many objects; what could not be read of it."""

    images: tuple[str, ...]
    objects: int
    problems: tuple[str, ...]
    kustomization: Kustomization | None = None


@frozen(kw_only=False)
class _Unreadable:
    """Stands in for a document that cannot be read."""

    why: str


def is_manifest(text: str) -> bool:
    """Whether a text looks like that of Kubernetes objects, well-formed or not."""
    return (
        re.search(r"^(?:apiVersion[ \t]*:|[ \t]*\"apiVersion\"[ \t]*:|\{.*\"apiVersion\")", text, re.MULTILINE)
        is not None
    )


def read_manifest(text: str) -> Manifest:
    """The images of every object of a text."""
    images: dict[str, None] = {}
    problems: list[str] = []
    kustomization: Kustomization | None = None
    objects = 0
    for line, document in _documents(text):
        if isinstance(document, _Unreadable):
            problems.append(f"line {line:,}: {document.why}")
            if len(problems) >= _MAX_PROBLEMS:
                problems.append("what follows was not read")
                break
            continue
        if not isinstance(document, dict):
            continue
        if document.get("kind") == "Kustomization" or _is_bare_kustomization(document):
            kustomization = _kustomization(document)
        elif "kind" in document and "apiVersion" in document:
            objects += 1
            images.update(dict.fromkeys(_images(document)))
    return Manifest(images=tuple(images), objects=objects, problems=tuple(problems), kustomization=kustomization)


def _documents(text: str) -> Iterator[tuple[int, Json]]:
    """Each document with its line, decoded."""
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        try:
            decoded = parse_json(text.lstrip("\ufeff").encode("utf-8", "replace"), "the manifest")
        except InputError:
            # Flow style of YAML, or several documents of JSON.
            decoded = None
        if decoded is not None:
            yield from ((1, item) for item in (decoded if isinstance(decoded, list) else [decoded]))
            return
    # The marker can stand in no scalar: what is broken in one document does not reach the next.
    starts = [0, *(found.start() for found in _MARKER.finditer(text))]
    if len(starts) > _MAX_DOCUMENTS:
        yield 1, _Unreadable(f"more than {_MAX_DOCUMENTS:,} documents; none of them was read")
        return
    line = 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        if part.strip(" \t\r\n-."):
            yield from _of_part(part, line)
        line += part.count("\n")


def _of_part(part: str, line: int) -> Iterator[tuple[int, Json]]:
    found = read_yaml(part, "", most_nodes=_MOST_VALUES)
    fatal = next((problem for problem in found.problems if problem.kind in ("yaml", "limit")), None)
    for root in found.roots:
        yield line + root.at.line - 1, plain_value(root)
    if fatal is None:
        return
    if fatal.kind == "yaml" and _TEMPLATE.search(part):
        yield line, _Unreadable("it is a template: render it first (helm template … | imgscan fleet k8s:-)")
    else:
        why = f"the document cannot be read: {plain(shorten(fatal.message, 150))}"
        yield line + fatal.at.line - 1, _Unreadable(why)


def _images(document: Json) -> Iterator[str]:
    """The images of all containers and image volumes of an object, in the order written."""
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(reversed(value))
        elif isinstance(value, dict):
            for key in _CONTAINERS:
                yield from _texts(value.get(key), "image")
            if any(isinstance(value.get(key), list) for key in _CONTAINERS):
                volumes = value.get("volumes")
                for volume in volumes if isinstance(volumes, list) else []:
                    yield from _texts([volume.get("image")] if isinstance(volume, dict) else [], "reference")
            pending.extend(reversed(list(value.values())))


def _texts(items: Json, key: str) -> Iterator[str]:
    for item in items if isinstance(items, list) else []:
        found = item.get(key) if isinstance(item, dict) else None
        if isinstance(found, str) and found.strip():
            yield found.strip()


def _is_bare_kustomization(document: dict[str, Json]) -> bool:
    """Both fields may be left out of a kustomization."""
    keys = document.keys()
    return "kind" not in keys and "apiVersion" not in keys and bool({"resources", "bases"} & keys)


def _kustomization(document: dict[str, Json]) -> Kustomization:
    resources = [item for key in ("resources", "bases", "components") for item in _listed(document.get(key))]
    overrides = []
    for item in _listed(document.get("images")):
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            name, new_name, new_tag, digest = (
                str(item.get(key) or "") for key in ("name", "newName", "newTag", "digest")
            )
            overrides.append(Override(name=name, new_name=new_name, new_tag=new_tag, digest=digest))
    return Kustomization(
        resources=tuple(item for item in resources if isinstance(item, str)), overrides=tuple(overrides)
    )


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
