"""The name of an image in a registry, `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`, as written -> its parts.

The grammar is that of the distribution project's reference package, which Docker, containerd and Podman share; so is
the rule that a first part without dot, colon or capital letter (and not `localhost`) is no host: it is of Docker Hub.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from imgscan.errors import InputError
from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.layers.digests import ALGORITHMS
from imgscan.lazyre import lazy_re

SCHEME: Final = "registry://"
DOCKER_HUB: Final = "docker.io"
_HUB_NAMES: Final = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
_HUB_API_HOST: Final = "registry-1.docker.io"
_DEFAULT_TAG: Final = "latest"
_MAX_NAME: Final = 255
_MAX_PORT: Final = 65535

_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST: Final = lazy_re(rf"(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::(?P<port>[0-9]{{1,5}}))?", re.ASCII)
_REPOSITORY: Final = lazy_re(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII
)
_TAG: Final = lazy_re(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)


@frozen
class Reference:
    """An image in a registry, or, with nothing in it but `host`, a registry as a whole. `host` has the port where one
    is given; `tag` is None only where there is a digest."""

    host: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def api_host(self) -> str:
        """Where the registry answers: Docker Hub's API has a host of its own."""
        return _HUB_API_HOST if self.host == DOCKER_HUB else self.host

    @property
    def name(self) -> str:
        """Host and repository."""
        return f"{self.host}/{self.repository}" if self.repository else self.host

    @property
    def scope(self) -> str:
        """What a token is for (distribution, token scope): reading the repository, or the registry's catalogue."""
        return f"repository:{self.repository}:pull" if self.repository else "registry:catalog:*"

    @property
    def wanted(self) -> str:
        """What to ask the registry for: the digest where there is one, the tag may have moved."""
        return self.digest or self.tag or _DEFAULT_TAG

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str) -> Reference:
    """Take a reference apart, with or without `registry://`. Raises InputError, which never repeats a password."""
    rest = text.removeprefix(SCHEME)
    whole, at, digest = rest.partition("@")
    if at and not is_digest(digest):
        if "/" in digest or ":" not in digest:
            raise InputError(
                "a registry reference holds no user name and no password",
                next_step="docker login HOST, then registry://HOST/REPOSITORY[:TAG]",
            )
        raise _refused(digest, "the digest is not sha256:, sha384: or sha512: with its hexadecimal digits")
    if text.startswith(SCHEME) and _is_host_alone(whole):
        raise _refused(text, "no repository is named")
    name, tag = _split_tag(whole)
    if tag is not None and not _TAG.fullmatch(tag):
        raise _refused(
            text, "a tag has up to 128 letters, digits, `_`, `.` and `-`, and begins with none of the latter two"
        )
    host, repository = _split_host(name)
    if not _REPOSITORY.fullmatch(repository):
        raise _refused(text, _repository_fault(repository))
    if len(host) + 1 + len(repository) > _MAX_NAME:
        raise _refused(text, f"a name has at most {_MAX_NAME} characters")
    return Reference(
        host=host, repository=repository, tag=tag or (None if digest else _DEFAULT_TAG), digest=digest or None
    )


def check_name(text: str) -> None:
    """Raise InputError, which never repeats a password, for what can be no image's name in an engine, whose grammar is
    the same; ids and their beginnings are within it."""
    try:
        parse_reference(text)
    except InputError as error:
        if not error.cause:
            raise
        raise InputError(
            f"{plain(shorten(text, 200))} is no name of an image",
            cause=error.cause,
            next_step="docker images lists what the engine has; a file is named by its path, such as ./image.tar",
        ) from error


def registry_of(host: str) -> Reference:
    """A registry as a whole. Raises InputError for what is no `HOST[:PORT]`."""
    return Reference(host=parse_host(host), repository="", tag=None, digest=None)


def is_repository(text: str) -> bool:
    """Whether a text can be a repository's name."""
    return len(text) <= _MAX_NAME and _REPOSITORY.fullmatch(text) is not None


def parse_host(text: str) -> str:
    """A `HOST[:PORT]`, as `--insecure-registry` takes it. Raises InputError."""
    match = _HOST.fullmatch(text)
    if match is None or not _is_host(match):
        raise InputError(f"{plain(shorten(text, 200))!r} is not of the form HOST[:PORT]")
    return _normal(text)


def is_digest(text: str) -> bool:
    """Whether a text is a digest that can be checked."""
    algorithm, _, digits = text.partition(":")
    size = ALGORITHMS.get(algorithm)
    return size is not None and re.fullmatch(rf"[0-9a-f]{{{size}}}", digits) is not None


def is_tag(text: str) -> bool:
    """Whether a text can be a tag."""
    return _TAG.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Whether `HOST[:PORT]` is this machine itself, so that nothing on the way can listen."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["host"].lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_host_alone(whole: str) -> bool:
    """Whether what would be an image of Docker Hub is rather a registry: by its dots, or as this machine's name."""
    match = _HOST.fullmatch(whole)
    if match is None or not _is_host(match):
        return False
    return match["host"].startswith("[") or "." in match["host"] or match["host"].lower() == "localhost"


def _split_tag(whole: str) -> tuple[str, str | None]:
    """A colon behind the last slash begins the tag; one before it, a port."""
    head, slash, last = whole.rpartition("/")
    if head.startswith("[") and not slash:
        return whole, None
    name, colon, tag = last.partition(":")
    return f"{head}{slash}{name}", tag if colon else None


def _split_host(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not (set(".:[") & set(first) or first.lower() == "localhost" or first != first.lower()):
        return DOCKER_HUB, name if slash else f"library/{name}"
    match = _HOST.fullmatch(first)
    if match is None or not _is_host(match):
        raise _refused(name, "the part before the first slash is no host name")
    host = _normal(first)
    if host == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return host, rest


def _is_host(match: re.Match[str]) -> bool:
    if match["port"] is not None and not 0 < int(match["port"]) <= _MAX_PORT:
        return False
    if not match["host"].startswith("["):
        return True
    try:
        ipaddress.IPv6Address(match["host"][1:-1])
    except ValueError:
        return False
    return True


def _normal(host: str) -> str:
    lower = host.lower()
    return DOCKER_HUB if lower in _HUB_NAMES else lower


def _repository_fault(repository: str) -> str:
    if not repository.rpartition("/")[2]:
        return "no repository is named"
    if repository != repository.lower():
        return "a repository's name has no capital letters"
    return "a repository's name has small letters and digits, with single `.`, `_`, `__` or `-` between them, and `/`"


def _refused(text: str, cause: str) -> InputError:
    return InputError(
        f"{plain(shorten(text, 200))} is no reference to an image in a registry",
        cause=cause,
        next_step="registry://HOST[:PORT]/REPOSITORY[:TAG][@DIGEST], such as registry://registry.example/team/app:1.2",
    )
