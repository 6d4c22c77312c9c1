"""Logging in to a registry: challenges -> the value of the Authorization header (distribution, token authentication).

Credentials go to the registry they belong to and, over https, to the realm it names; nowhere else. Over plain HTTP only
where registry and realm are both this machine, or the user allowed plain HTTP for the registry.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Final, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from imgscan.errors import EngineError
from imgscan.escape import plain, shorten
from imgscan.lazyre import lazy_re
from imgscan.source.challenge import Challenge
from imgscan.source.config import member, text
from imgscan.source.credentials import Credentials, Login
from imgscan.source.reference import Reference, is_loopback

_CLIENT_ID: Final = "imgscan"
_TOKEN: Final = lazy_re(r"[!-~]{1,60000}")
_WEB_ADDRESS: Final = lazy_re(r"https?://[!-~]+", re.IGNORECASE)
_REFUSALS: Final = frozenset({400, 401, 403})


class TokenAnswer(Protocol):
    """What the realm said, its body read."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def data(self) -> bytes:
        """The body, cut off at a limit that no token comes near."""
        ...


FetchToken = Callable[[str, Mapping[str, str], bytes | None], TokenAnswer]
"""Asks a realm: URL, headers, and the form of a POST (None: GET). Retries are its business."""


class Authorizer:
    """Holds the Authorization of one repository, or of a catalogue, and renews it when the registry asks. Threads may
    share it."""

    def __init__(self, reference: Reference, login: Login, fetch: FetchToken, *, plain_http: bool) -> None:
        self._reference = reference
        self._login = login
        self._fetch = fetch
        self._plain_http = plain_http
        self._lock = threading.Lock()
        self._current: str | None = None
        registry_token = login.credentials.registry_token if login.credentials is not None else ""
        if registry_token:
            self._current = f"Bearer {registry_token}"

    @property
    def current(self) -> str | None:
        """What to send now; None before the registry has asked for anything."""
        return self._current

    def renew(self, challenges: tuple[Challenge, ...], rejected: str | None) -> None:
        """Answer the challenges of a 401 that `rejected` earned. Raises EngineError when there is no further way in."""
        with self._lock:
            if self._current != rejected:
                # Another layer's stream has renewed it meanwhile.
                return
            self._current = self._answer(challenges)
            if self._current == rejected:
                raise self.denied()

    def denied(self, words: str = "") -> EngineError:
        """The error for a registry that does not let us in; `words` are its own."""
        host = self._reference.host
        name = self._reference.name if self._reference.repository else "its catalogue"
        credentials = self._login.credentials
        if credentials is not None:
            cause = f"the login from {credentials.origin} is wrong, has expired, or may not read {name}"
        else:
            cause = self._login.problem or f"there is no login for {host} on this machine, or no such repository"
        if words and not self.tells_secret(words):
            cause = f"{cause}; the registry says: {words}"
        return EngineError(f"{host} refuses access to {name}", cause=cause, next_step=f"docker login {host}")

    def tells_secret(self, words: str) -> bool:
        """Whether a registry's words repeat what we sent it."""
        credentials = self._login.credentials
        sent = (*(credentials.secrets if credentials is not None else ()), (self._current or "").partition(" ")[2])
        return any(secret and secret in words for secret in sent)

    def _answer(self, challenges: tuple[Challenge, ...]) -> str:
        credentials = self._login.credentials
        bearer = next((item for item in challenges if item.scheme == "bearer" and item.get("realm")), None)
        if bearer is not None:
            return f"Bearer {self._token(bearer)}"
        if any(item.scheme == "basic" for item in challenges) and credentials is not None and credentials.password:
            return credentials.basic
        raise self.denied()

    def _token(self, challenge: Challenge) -> str:
        realm = challenge.get("realm") or ""
        self._check_realm(realm)
        asked = {"service": challenge.get("service") or ""}
        asked["scope"] = challenge.get("scope") or self._reference.scope
        credentials = self._login.credentials
        if credentials is not None and credentials.identity_token:
            answer = self._refresh(realm, asked, credentials.identity_token)
        else:
            answer = self._fetch(*self._question(realm, asked, credentials), None)
        return self._read_token(answer, realm)

    def _question(
        self, realm: str, asked: Mapping[str, str], credentials: Credentials | None
    ) -> tuple[str, dict[str, str]]:
        """URL and headers of a GET of the token."""
        parts = urlsplit(realm)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        pairs += [("service", asked["service"])] if asked["service"] else []
        pairs += [("scope", scope) for scope in asked["scope"].split()]
        headers: dict[str, str] = {}
        if credentials is not None and credentials.password:
            pairs.append(("account", credentials.username))
            headers["Authorization"] = credentials.basic
        return urlunsplit(parts._replace(query=urlencode(pairs))), headers

    def _refresh(self, realm: str, asked: Mapping[str, str], identity_token: str) -> TokenAnswer:
        """The token for an identity token (distribution, OAuth2 token authentication)."""
        form = {"grant_type": "refresh_token", "refresh_token": identity_token, "client_id": _CLIENT_ID, **asked}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._fetch(realm, headers, urlencode(form).encode("ascii"))

    def _read_token(self, answer: TokenAnswer, realm: str) -> str:
        if answer.status in _REFUSALS:
            raise self.denied()
        host = plain(shorten(urlsplit(realm).hostname or "", 200))
        try:
            document = json.loads(answer.data) if answer.status == 200 else None
        except (ValueError, RecursionError):
            document = None
        token = text(member(document, "token")) or text(member(document, "access_token"))
        if not _TOKEN.fullmatch(token):
            raise EngineError(
                f"{host}, where {self._reference.host} has logins checked, gives no token",
                cause=f"it answered with status {answer.status}",
                next_step="run the same command again later",
            )
        return token

    def _check_realm(self, realm: str) -> None:
        """Only a web address, and only where nobody on the way can listen. Raises EngineError."""
        parts = urlsplit(realm) if _WEB_ADDRESS.fullmatch(realm) else None
        try:
            usable = parts is not None and bool(parts.hostname) and "@" not in parts.netloc and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if parts is None or not usable or parts.fragment:
            raise EngineError(
                f"{self._reference.host} wants logins checked where none can be",
                cause=f"the realm is {plain(shorten(realm, 200))!r}" if "@" not in realm else "",
                next_step="check that the host is the registry that is meant",
            )
        here = is_loopback(self._reference.host) and is_loopback(parts.netloc)
        if parts.scheme.lower() == "http" and not (here or self._plain_http):
            raise EngineError(
                f"{self._reference.host} wants logins checked over plain HTTP, where anybody can read them",
                cause=f"the realm is at {plain(shorten(parts.netloc, 200))}",
                next_step=f"--insecure-registry {self._reference.host} allows it",
            )
