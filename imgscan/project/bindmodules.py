"""Folders of the host that are mounted over the packages an image has installed: `tech-mount-hides-modules` (TECH-001).

In: a `Setup`. Out: findings. Only node_modules are looked at: other managers install outside of the project as a rule.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from imgscan.dockerfile.install import Ecosystem, find_installs, installs_in
from imgscan.dockerfile.parse import Command
from imgscan.dockerfile.stages import expand_or_none
from imgscan.model import Evidence, Finding, Fix
from imgscan.project.compose.records import Service, ServiceMount
from imgscan.project.data.places import in_compose
from imgscan.project.data.storetable import within
from imgscan.project.serviceimages import ServiceImage, service_image
from imgscan.project.setup import Setup
from imgscan.rulebook import make_finding

_MODULES: Final = "node_modules"
_PLUG_AND_PLAY: Final = (".pnp.cjs", ".pnp.js")
"""With these files of yarn there are no node_modules to be hidden."""
_MOST: Final = 50
_NAMED: Final = 4


def detect(setup: Setup) -> Iterator[Finding]:
    """One finding for each mount; what several projects share by the same file comes once."""
    seen: set[tuple[str, int]] = set()
    if any(True for _ in setup.tree.named(*_PLUG_AND_PLAY)):
        return
    for project in setup.composes:
        for service in project.services.values():
            image = service_image(service, setup) if service.build is not None else None
            folders = _installed(image) if image is not None and image.built else []
            if image is None or not folders or _installs_at_start(setup, service, image):
                continue
            for mount in service.mounts:
                hidden = [folder for folder in folders if _hides(setup, service, mount, folder)]
                place = (mount.at.file, mount.at.start)
                if hidden and place not in seen:
                    seen.add(place)
                    yield _finding(service, mount, hidden)


def _installed(image: ServiceImage) -> list[str]:
    """The node_modules of the image, by the instructions whose working directory is known."""
    found: dict[str, None] = {}
    folder: str | None = None
    escape = image.dockerfile.escape if image.dockerfile is not None else "\\"
    for stage in reversed(image.chain):
        for command in stage.commands:
            if command.keyword == "WORKDIR":
                folder = _joined(folder, expand_or_none(command.value.strip(), image.env, escape))
            elif folder is not None and command.keyword == "RUN" and _installs_here(command):
                found[posixpath.join(folder, _MODULES)] = None
            elif command.keyword == "COPY" and command.words and command.words[-1].rstrip("/").endswith(_MODULES):
                path = _joined(folder, expand_or_none(command.words[-1], image.env, escape))
                found.update({path: None} if path is not None else {})
    return list(found)[:_MOST]


def _joined(folder: str | None, path: str | None) -> str | None:
    if path is None or not (path.startswith("/") or folder is not None):
        return None
    return posixpath.normpath(posixpath.join(folder or "/", path))


def _installs_here(command: Command) -> bool:
    """Whether a RUN installs a project's packages in its working directory."""
    text = command.value
    if "cd " in text or "--prefix" in text or "--dir" in text:
        return False
    return any(one.ecosystem is Ecosystem.NODE and one.manifests for one in find_installs(command))


def _installs_at_start(setup: Setup, service: Service, image: ServiceImage) -> bool:
    """Whether the container installs when it starts: by its command, or by a script that this names."""
    given = [part.words for part in (service.entrypoint, service.command) if part is not None]
    written = [command for command in (image.last("ENTRYPOINT"), image.last("CMD")) if command is not None]
    words = [word for part in given for word in part] + [word for command in written for word in command.words]
    texts = [" ".join(words), *words, *(command.value for command in written)]
    for word in words:
        if word.endswith((".sh", "entrypoint")):
            texts += [setup.tree.text(path) or "" for path in setup.tree.named(posixpath.basename(word))]
    return any(one.ecosystem is Ecosystem.NODE for text in texts for one in installs_in(text))


def _hides(setup: Setup, service: Service, mount: ServiceMount, folder: str) -> bool:
    """Whether a mount of the project's sources lies above installed packages, and no other between the two."""
    target = posixpath.normpath(mount.target)
    if mount.kind != "bind" or mount.source is None or folder == target or not within(folder, target):
        return False
    if any(
        within(folder, other) and within(other, target) and other != target
        for other in (posixpath.normpath(one.target) for one in service.mounts)
    ):
        return False
    below = posixpath.relpath(posixpath.dirname(folder), target)
    return posixpath.normpath(posixpath.join(mount.source, below, "package.json")) in setup.tree.files


def _finding(service: Service, mount: ServiceMount, hidden: list[str]) -> Finding:
    names = ", ".join(hidden[:_NAMED]) + (" …" if len(hidden) > _NAMED else "")
    lines = ", ".join(f"`- {folder}`" for folder in hidden[:_NAMED])
    return make_finding(
        "tech-mount-hides-modules",
        message=(
            f"{service.name} mounts {mount.source} at {mount.target}, over {names} of its image: the container has the "
            "packages of the host, and where the host has none it does not start."
        ),
        location=in_compose(mount.at),
        evidence=Evidence.DERIVED,
        identity=(service.at.file, service.name, mount.target),
        fix=Fix(text=f"Keep the image's packages with a volume below the mount ({lines}), or mount the sources alone."),
    )
