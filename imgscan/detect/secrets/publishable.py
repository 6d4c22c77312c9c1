"""What stands where a secret would and is made to be seen: keys of pages and apps, ids without their secret, digests.

Publishable keys and ids are told, but as what they are: low. Keys that everybody has, as those of test suites, are told
for information. Digests, declarations of build secrets, and the specimens of manuals are nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from typing import Final

from imgscan.detect.secrets.namewords import name_words
from imgscan.detect.secrets.pem import key_digest_text
from imgscan.detect.secrets.wordlists import public_digests, publishable
from imgscan.lazyre import lazy_re

MADE_PUBLIC: Final = "made to be shown to users"
"""Said of a key that a service tells its users to put into pages and apps."""
ID_ALONE: Final = "an id, of no use without its secret"
_BEFORE_BYTES: Final = 120
_AROUND_BYTES: Final = 400
_INTO_PAGES: Final = lazy_re(r"^(?:NEXT_PUBLIC|NUXT_PUBLIC|EXPO_PUBLIC|GATSBY|REACT_APP|VUE_APP|VITE|PUBLIC)_(?=\w+_)")
_SECRET_WORDS: Final = frozenset({"SECRET", "PRIVATE", "ADMIN", "SERVER", "PASSWORD", "SERVICE"})
# A lock file of NuGet, npm, Composer; Subresource Integrity; a baseline of detect-secrets.
_DIGEST_NAME: Final = lazy_re(
    rb"(?:\b(?:content_?hash|hashed_secret|integrity|check_?sums?|digest|sha[-_]?(?:1|224|256|384|512)|hash|shasum)"
    rb"[\"']?[ \t]{0,4}[:=,][ \t]{0,8}|\bchecksum/[\w.-]{1,60}[\"']?[ \t]{0,4}:[ \t]{0,4})"
    rb"[\"']?(?:sha[0-9]{1,3}[-:])?$",
    re.IGNORECASE,
)
_DIGEST: Final = lazy_re(
    rb"[0-9A-Fa-f]{32}(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{24}|[0-9A-Fa-f]{32}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{96})?|"
    rb"[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{27}=|[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{64}|[A-Za-z0-9+/]{86}=="
)
"""Of 16 to 64 bytes, in hexadecimal or base64."""
_SIGNING_KEY_NAME: Final = lazy_re(rb"(?:^|[\s.])signingkey[ \t]{0,4}[= ][ \t]{0,4}[\"']?$", re.IGNORECASE)
_GPG_ID: Final = lazy_re(rb"(?:0x)?(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{16}|[0-9A-Fa-f]{40})!?")
# BuildKit's `--secret id=token,env=TOKEN` and Earthly's `--secret NPM_TOKEN=npm_token` say which secret a step gets.
_SECRET_FLAG: Final = lazy_re(rb"--secret[ \t=]{1,4}[\"']?$")
_DECLARATION: Final = lazy_re(rb"(?:id|env|src|source|type|target|required|[A-Z][A-Z0-9_]{1,60})=[^=]")
_WEB_CONFIG: Final = lazy_re(
    rb"authDomain|messagingSenderId|measurementId|firebaseapp\.com|firebaseio\.com|GCM_SENDER_ID|GOOGLE_APP_ID|"
    rb"\"current_key\"|mobilesdk_app_id"
)
_OF_A_LINK: Final = lazy_re(rb"[?&]alt=media&(?:amp;|\\u0026)?token=$")
_LINK_BYTES: Final = 32
_OTHER_HALF: Final = lazy_re(
    rb"secret[\w.-]{0,20}[\"']{0,2}[ \t]{0,4}(?:=>|[=:,])[ \t]{0,4}[\"']?[A-Za-z0-9]", re.IGNORECASE
)
_OF_32_BYTES: Final = lazy_re(rb"(?:0x)?([0-9A-Fa-f]{64})")
_GOOGLE_KEY: Final = b"AIza"


def is_no_secret(data: bytes, start: int, secret: bytes) -> bool:
    """True for a digest by its name, the id of an OpenPGP key that commits are signed with, and a build secret that is
    declared: what stands before `start` says so."""
    before = bytes(data[max(start - _BEFORE_BYTES, 0) : start]).rpartition(b"\n")[2]
    if _DIGEST.fullmatch(secret) is not None and _DIGEST_NAME.search(before) is not None:
        return True
    if _GPG_ID.fullmatch(secret) is not None and _SIGNING_KEY_NAME.search(before) is not None:
        return True
    return _SECRET_FLAG.search(before) is not None and _DECLARATION.match(secret) is not None


def is_specimen(secret: bytes) -> bool:
    """True for what a manual has in place of a secret, and nobody for one."""
    return _digest(secret) in public_digests("specimens")


def published_in(secret: bytes) -> str:
    """Where a key is known from that was published on purpose, as with a test suite. "" for any other."""
    return public_digests("keys").get(_digest(secret), "")


def _digest(secret: bytes) -> str:
    """By which `public_keys.yml` knows a text."""
    text = key_digest_text(secret)
    number = _OF_32_BYTES.fullmatch(text)
    return hashlib.sha256(text if number is None else number[1].lower()).hexdigest()


def why_public(name: str, secret: bytes) -> str:
    """Why a value under a name (or "") is no secret though it is a key: in words, "" if it is one."""
    text, plain = secret.decode("latin-1"), _plain(name)
    if not _SECRET_WORDS.isdisjoint(plain.split("_")):
        return ""
    if _patterns("forms").fullmatch(text) is not None or _patterns("names").fullmatch(plain) is not None:
        return MADE_PUBLIC
    is_id = _patterns("ids").fullmatch(plain) is not None and _patterns("id_forms").fullmatch(text) is not None
    return ID_ALONE if is_id else ""


def has_other_half(data: bytes, end: int) -> bool:
    """True when a secret is assigned close behind an id that ends at `end`."""
    return _OTHER_HALF.search(bytes(data[end : end + _AROUND_BYTES])) is not None


def is_for_pages(data: bytes, start: int, secret: bytes) -> bool:
    """True for a key of Google in the configuration that Firebase has its users put into pages and apps, and for what
    stands in the links of its storage to one file."""
    if _OF_A_LINK.search(bytes(data[max(start - _LINK_BYTES, 0) : start])) is not None:
        return True
    if not secret.startswith(_GOOGLE_KEY):
        return False
    return _WEB_CONFIG.search(bytes(data[max(start - _AROUND_BYTES, 0) : start + _AROUND_BYTES])) is not None


def _plain(name: str) -> str:
    """`NEXT_PUBLIC_POSTHOG_KEY` and `posthogKey` as POSTHOG_KEY."""
    return _INTO_PAGES.sub("", "_".join(name_words(name)).upper())


@cache
def _patterns(kind: str) -> re.Pattern[str]:
    patterns: Sequence[str] = publishable()[kind]
    return re.compile("|".join(patterns))
