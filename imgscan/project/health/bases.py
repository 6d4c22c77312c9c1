"""Which programs are surely not in an image, by its base and what its Dockerfile installs. Data and one question.

In: a `ServiceImage`. Out: whether a program may be in it. From the Dockerfiles of the official images: Alpine has
busybox (wget, nc) and no curl; Debian's slim images have none of them; distroless and scratch have no shell.
"""

from __future__ import annotations

import re
from typing import Final

from imgscan.dockerfile.parse import Command
from imgscan.dockerfile.shellwords import simple_commands
from imgscan.lazyre import lazy_re
from imgscan.project.knownimages import split_image
from imgscan.project.serviceimages import ServiceImage

_LANGUAGES: Final = frozenset(
    {"node", "python", "ruby", "debian", "golang", "rust", "openjdk", "eclipse-temurin", "perl"}
)
_SLIM_TAG: Final = lazy_re(r"(?:.*-)?slim(?:-.*)?")
_ALPINE_TAG: Final = lazy_re(r"(?:.*-)?alpine[\d.]*")
_BUSYBOX: Final = frozenset({"wget", "nc"})
_CLIENTS: Final = frozenset({"curl", "wget", "nc", "ncat", "http"})
_SHELLS: Final = frozenset({"sh", "bash", "ash"})
_INSTALLERS: Final = frozenset({"apt-get", "apt", "apk", "xargs"})
_NO_CURL_ALPINE: Final = frozenset({"alpine", "node", "python", "golang", "ruby", "rust", "redis", "postgres"})
_NO_CLIENTS: Final = frozenset({"postgres", "redis", "mariadb", "mongo"})
"""Official images on Debian that come with neither curl nor wget."""


def lacks(image: ServiceImage, program: str) -> bool:
    """Whether an image surely comes without a client of HTTP or a shell: true only for images that are known to, whose
    Dockerfile does nothing that may bring it."""
    if image.base is None or program not in _CLIENTS | _SHELLS:
        return False
    if program in _base_tools(image.base, program):
        return False
    return not any(_may_bring(command, program) for key in ("RUN", "COPY", "ADD") for command in image.commands(key))


def installs(image: ServiceImage, program: str) -> bool:
    """Whether a RUN installs a package of that name."""
    return any(
        simple.words[0].rpartition("/")[2] in _INSTALLERS and program in simple.words
        for command in image.commands("RUN")
        for simple in simple_commands(command.value[:20_000])
        if simple.words
    )


def base_kind(image: ServiceImage) -> str:
    """`alpine`, `slim`, `distroless`, `scratch`, or empty for any other base."""
    if image.base is None:
        return ""
    name = split_image(image.base)
    if name.repository == "scratch":
        return "scratch"
    if "distroless" in name.repository or name.repository.startswith("cgr.dev/chainguard/"):
        return "distroless"
    if name.repository == "alpine" or _ALPINE_TAG.fullmatch(name.tag):
        return "alpine"
    if name.repository == "debian" or _SLIM_TAG.fullmatch(name.tag):
        return "slim"
    return ""


def _base_tools(base: str, program: str) -> frozenset[str]:
    """What a base has of the programs asked for; the program itself where that is not known."""
    name = split_image(base)
    if name.repository == "scratch":
        return frozenset()
    if name.repository.startswith("gcr.io/distroless/"):
        return frozenset() if "debug" not in name.tag else frozenset({program})
    if name.repository == "alpine" or (_ALPINE_TAG.fullmatch(name.tag) and name.repository in _NO_CURL_ALPINE):
        return _BUSYBOX | {"sh", "ash"} if program != "bash" or name.repository != "postgres" else frozenset({program})
    slim = name.repository in _LANGUAGES and _SLIM_TAG.fullmatch(name.tag)
    if slim or name.repository == "debian" or (name.repository in _NO_CLIENTS and "alpine" not in name.tag):
        return _SHELLS
    return frozenset({program})


def _may_bring(command: Command, program: str) -> bool:
    """Whether an instruction names the program, or runs or copies what cannot be seen through."""
    text = "\n".join((command.value, *(heredoc.body for heredoc in command.heredocs)))
    if re.search(rf"(?<![\w-]){re.escape(program)}(?![\w-])", text):
        return True
    if command.keyword != "RUN":
        return bool(re.search(r"busybox|rootfs|/bin\b|(?:^|\s)/\s*$", text))
    return any(
        simple.words[0].rpartition("/")[2] in _INSTALLERS and re.search(r"[$@*]", " ".join(simple.words))
        for simple in simple_commands(text[:20_000])
        if simple.words
    )
