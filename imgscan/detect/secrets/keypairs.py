"""Private keys and what trusts them in the same image: public keys seen in its files in, what a key is used for out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from imgscan.detect.secrets.publickeys import SeenKey
from imgscan.escape import path_text, plain
from imgscan.frozen import frozen

_MOST_SHOWN: Final = 100


@frozen
class KeyUse:
    """What a private key is good for, in words; `live` says that it is so today, `login` that it opens an
    account of the image."""

    text: str
    live: bool
    login: bool = False


class KeyUses:
    """The public keys of an image, by their fingerprints."""

    def __init__(self, seen: Iterable[tuple[bytes, SeenKey]], *, now: float | None = None) -> None:
        self._now = time.time() if now is None else now
        self._seen: dict[str, list[tuple[bytes, SeenKey]]] = {}
        for path, key in seen:
            self._seen.setdefault(key.fingerprint, []).append((path, key))

    def of(self, fingerprint: str) -> KeyUse | None:
        """What the key of a public half is used for. A certificate that is valid goes before one that has ended, that
        before a login."""
        found = self._seen.get(fingerprint) if fingerprint else None
        if not found:
            return None
        path, key = min(found, key=lambda item: (not item[1].certificate, -item[1].expires, item[0]))
        where = plain("/" + path_text(path))
        if not key.certificate:
            return KeyUse(text=f"{where} lets it log in", live=True, login=True)
        name = f"CN {plain(key.name)[:_MOST_SHOWN]}, " if key.name else ""
        ends = time.strftime("%Y-%m-%d", time.gmtime(key.expires)) if 0 < key.expires < _LAST else "never"
        live = not 0 < key.expires < self._now
        return KeyUse(
            text=f"its certificate is {where} ({name}{'expires' if live else 'expired'} {ends})",
            live=live,
        )


_LAST: Final = 253402300799
"""The end of the year 9999, which certificates without an end have (RFC 5280, section 4.1.2.5)."""
