"""The user's registry logins: the configuration files of docker and Podman, and the credential helpers these name.

In: a `Reference` and the environment. Out: credentials for exactly that registry, or why there are none. Formats:
docker/cli `cli/config`, docker-credential-helpers, containers-auth.json(5).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from imgscan.escape import plain, shorten
from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.source.reference import DOCKER_HUB, Reference

_MAX_FILE_BYTES: Final = 4 << 20
_HELPER_TIMEOUT_S: Final = 30
_HUB_KEY: Final = "https://index.docker.io/v1/"
_HUB_KEYS: Final = (_HUB_KEY, "index.docker.io", DOCKER_HUB, "registry-1.docker.io")
_HELPER_NAME: Final = lazy_re(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TOKEN_USER: Final = "<token>"  # noqa: S105 - what helpers say instead of a user name
_NOT_FOUND: Final = "credentials not found"

RunHelper = Callable[[str, str], "HelperAnswer"]
"""Asks a credential helper (its program's name) for a server's credentials."""


@frozen
class Credentials:
    """What to log in with: a user's password, an identity token (OAuth2 refresh token), or a registry token that is
    sent as it is. `origin` says where it comes from, for messages."""

    origin: str
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header with user name and password (RFC 7617)."""
        pair = f"{self.username}:{self.password}".encode("utf-8", "surrogateescape")
        return "Basic " + base64.b64encode(pair).decode("ascii")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every spelling of a secret in it, for keeping them out of messages."""
        basic = self.basic.removeprefix("Basic ") if self.password else ""
        return tuple(filter(None, (basic, self.password, self.identity_token, self.registry_token)))


@frozen
class Login:
    """What was found: `credentials`, or None for an anonymous user; `problem` is what went wrong on the way."""

    credentials: Credentials | None = None
    problem: str = ""


@frozen
class HelperAnswer:
    """What a helper printed, and whether it succeeded."""

    ok: bool
    output: str = field(repr=False)


class _HelperError(Exception):
    """A helper that cannot be used; the text says why, without what it printed."""


def find_login(
    reference: Reference, *, environment: Mapping[str, str], home: Path, run: RunHelper | None = None
) -> Login:
    """The login for a reference. Broken files and helpers are no errors as long as the image is public: they are the
    `problem` of an anonymous login."""
    problem = ""
    for path in _files(environment, home):
        document, fault = _read(path)
        problem = problem or fault
        login = _from_document(document, reference, path, run or run_helper)
        if login.credentials is not None:
            return login
        problem = problem or login.problem
    return Login(problem=problem)


def run_helper(program: str, server: str) -> HelperAnswer:
    """`program get`, with the server on standard input. Raises _HelperError when it is missing or hangs."""
    try:
        done = subprocess.run(  # noqa: S603 - the user's own configuration names it
            [program, "get"],
            input=server,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_HELPER_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise _HelperError(f"the credential helper {program} is not on PATH") from None
    except subprocess.TimeoutExpired:
        raise _HelperError(f"the credential helper {program} did not answer within {_HELPER_TIMEOUT_S} s") from None
    except OSError as error:
        raise _HelperError(f"the credential helper {program} cannot be run: {plain(str(error.strerror))}") from None
    return HelperAnswer(ok=done.returncode == 0, output=done.stdout)


def _files(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """The files that may hold logins, the ones that the user names first."""
    if environment.get("REGISTRY_AUTH_FILE"):
        yield Path(environment["REGISTRY_AUTH_FILE"])
    yield Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    if environment.get("XDG_RUNTIME_DIR"):
        yield Path(environment["XDG_RUNTIME_DIR"]) / "containers" / "auth.json"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """The object in a file, and what is wrong with it; a file that is not there is an empty one."""
    shown = plain(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}, ""
    except OSError as error:
        return {}, f"{shown} cannot be read: {error.strerror}"
    try:
        document = json.loads(data) if len(data) <= _MAX_FILE_BYTES else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return {}, f"{shown} is no configuration of docker or Podman"
    return document, ""


def _from_document(document: Mapping[str, Any], reference: Reference, path: Path, run: RunHelper) -> Login:
    """A helper for this very registry, then the store for all, then what the file holds itself."""
    helpers = document.get("credHelpers")
    problem = ""
    for key in _keys(reference):
        if isinstance(helpers, dict) and isinstance(helpers.get(key), str) and helpers[key]:
            return _ask(helpers[key], _server(reference), run)
    store = document.get("credsStore")
    if isinstance(store, str) and store:
        login = _ask(store, _server(reference), run)
        if login.credentials is not None:
            return login
        problem = login.problem
    entry = _entry(document.get("auths"), reference)
    if entry is None:
        return Login(problem=problem)
    login = _from_entry(entry, plain(str(path)))
    return Login(credentials=login.credentials, problem=problem or login.problem)


def _server(reference: Reference) -> str:
    """The name that docker gives helpers for the registry."""
    return _HUB_KEY if reference.host == DOCKER_HUB else reference.host


def _keys(reference: Reference) -> tuple[str, ...]:
    return _HUB_KEYS if reference.host == DOCKER_HUB else (reference.host,)


def _entry(auths: object, reference: Reference) -> Mapping[str, Any] | None:
    """The entry that fits best: the longest prefix of the repository, then the host as it stands, then the host in one
    of its other spellings (`https://HOST/v1/`)."""
    if not isinstance(auths, dict):
        return None
    entries = {key: value for key, value in auths.items() if isinstance(key, str) and isinstance(value, dict) and value}
    parts = reference.repository.split("/")
    exact = [f"{host}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1) for host in _keys(reference)]
    for key in (*exact, *_keys(reference)):
        if key in entries:
            return entries[key]
    return next((value for key, value in entries.items() if _host_of(key) in _keys(reference)), None)


def _host_of(key: str) -> str | None:
    """The host that a key stands for as a whole; None for one that names a repository."""
    for scheme in ("https://", "http://"):
        if key.lower().startswith(scheme):
            return key[len(scheme) :].partition("/")[0].lower()
    host, _, path = key.partition("/")
    return host.lower() if path.strip("/") in ("", "v1", "v2") else None


def _from_entry(entry: Mapping[str, Any], origin: str) -> Login:
    def text(name: str) -> str:
        value = entry.get(name)
        return value if isinstance(value, str) else ""

    username, password = text("username"), text("password")
    if text("auth") and not (username and password):
        try:
            decoded = base64.b64decode(text("auth"), validate=True).decode("utf-8", "surrogateescape")
        except (binascii.Error, ValueError):
            return Login(problem=f"the login in {origin} is not valid base64")
        username, colon, password = decoded.rstrip("\0").partition(":")
        if not colon:
            return Login(problem=f"the login in {origin} has no password")
    credentials = Credentials(
        origin=origin,
        username=username,
        password=password,
        identity_token=text("identitytoken"),
        registry_token=text("registrytoken"),
    )
    return _checked(credentials) if credentials.secrets else Login()


def _ask(name: str, server: str, run: RunHelper) -> Login:
    """The credentials a helper has for a server."""
    if not _HELPER_NAME.fullmatch(name):
        return Login(problem=f"{plain(shorten(name, 100))!r} is no name of a credential helper")
    program = f"docker-credential-{name}"
    try:
        answer = run(program, server)
    except _HelperError as error:
        return Login(problem=str(error))
    if not answer.ok:
        known = _NOT_FOUND in answer.output.lower()
        return Login(problem="" if known else f"the credential helper {program} failed")
    try:
        document = json.loads(answer.output)
        username, secret = document["Username"], document["Secret"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return Login(problem=f"the credential helper {program} printed no credentials")
    if not isinstance(username, str) or not isinstance(secret, str) or not secret:
        return Login(problem=f"the credential helper {program} printed no credentials")
    if username == _TOKEN_USER:
        return _checked(Credentials(origin=program, identity_token=secret))
    return _checked(Credentials(origin=program, username=username, password=secret))


def _checked(credentials: Credentials) -> Login:
    """A user name with a colon would move part of itself into the password; tokens go into a header as they are."""
    if ":" in credentials.username:
        return Login(problem=f"the user name from {credentials.origin} has a colon in it")
    if not re.fullmatch(r"[!-~]*", credentials.registry_token):
        return Login(problem=f"the registry token from {credentials.origin} has characters that no token has")
    return Login(credentials=credentials)
