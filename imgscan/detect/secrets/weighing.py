"""How bad a hit is where it lies: severity and confidence of the text, path and owner in, those of the place out.

This is the one place that demotes by place. Nothing is left out for its place but assignments below folders of other
people's files, where they are looked for only because the file may turn out to be the project's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from imgscan.detect.packages.claims import FileSums, Owner, Owners
from imgscan.detect.secrets.assignments import ENV_ASSIGNMENT
from imgscan.detect.secrets.hits import SecretHit
from imgscan.detect.secrets.places import Where, is_of_system, is_vendored, may_be_own, place_of, site_of
from imgscan.escape import path_text
from imgscan.model import Confidence, Severity

_DEMOTED: Final = {
    Severity.CRITICAL: Severity.MEDIUM,
    Severity.HIGH: Severity.LOW,
    Severity.MEDIUM: Severity.LOW,
    Severity.LOW: Severity.LOW,
    Severity.INFO: Severity.INFO,
}
_KEYS: Final = frozenset(
    {
        "secret-private-key",
        "secret-private-key-unframed",
        "secret-pgp-private-key",
        "secret-putty-private-key",
        "secret-jwk-private",
        "secret-keystore",
        "secret-nats-seed",
        "secret-age-key",
        "secret-bip39-mnemonic",
        "secret-bitcoin-wif",
        "secret-ethereum-key",
        "secret-solana-keypair",
    }
)
"""Of a key that comes with a package everybody has a copy, so nobody trusts it; a token of its author's would work."""
_OUTSIDE: Final = frozenset((Owner.NOBODY, Owner.CHANGED))


def owner_of(owners: Owners, path: bytes, sums: Iterable[FileSums]) -> Owner:
    """Whose a file of an image is. That nobody has it says something only where those who could have it were asked: of
    a folder of Python packages theirs and the system's, elsewhere the system's."""
    owner = owners.owner(path, sums)
    if owner is not Owner.NOBODY:
        return owner
    site = site_of(path_text(path))
    asked = owners.has_system
    if site is not None and not is_of_system(site):
        asked = owners.has_site(site.encode("utf-8", "surrogateescape"))
    return Owner.NOBODY if asked else Owner.UNKNOWN


def whose(path: str, owner: Owner) -> tuple[Where, bool]:
    """Whose a path is, and whether it is other people's, whatever else it is. `owner` is what the image's package
    databases say: proof goes before what the path looks like."""
    where, vendored = place_of(path), is_vendored(path)
    if owner is Owner.PACKAGE:
        vendored = True
        where = Where.VENDOR if where is Where.OWN else where
    elif owner in _OUTSIDE and may_be_own(path):
        vendored = False
        where = Where.OWN if where is Where.VENDOR else where
    return where, vendored


def weigh(hit: SecretHit, path: str, owner: Owner) -> tuple[Severity, Confidence] | None:
    """Severity and confidence of a hit at a path: less of both unless the place is the project's own; twice so in a
    compiled library, in the tests and manuals of other people's packages, and for their keys. A checksum that fits
    beats any place, but for a key's: it says that the key is whole, not that anybody trusts it. None: it is no finding
    there."""
    where, vendored = whose(path, owner)
    if hit.rule.id == ENV_ASSIGNMENT and vendored and is_vendored(path):
        return None
    severity, confidence = hit.severity, hit.confidence
    if hit.proven and not (hit.rule.id in _KEYS and where is not Where.OWN):
        return severity, confidence
    twice = where is Where.LIBRARY or (vendored and (where is not Where.VENDOR or hit.rule.id in _KEYS))
    for _ in range(0 if where is Where.OWN else 1 + twice):
        severity, confidence = _DEMOTED[severity], confidence.lowered
    return severity, confidence
