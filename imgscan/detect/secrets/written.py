"""How the name and the value of a match are written in their document: as a literal or an expression, in quotes, in an
address, in a comment. A match and the block that it is in go in; nothing is told of what the value is."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from imgscan.detect.secrets import assignments, filekinds
from imgscan.detect.secrets.confirm import Match
from imgscan.detect.secrets.places import is_vendored, may_be_own
from imgscan.lazyre import lazy_re

_OF_TESTS: Final = lazy_re(rb"PASS[\"']?[ \t]{0,8}:|,")
"""In front of a value under a lone `pass`: what a test printed, or an element of a list."""
_NAMES_NEXT: Final = lazy_re(rb"[\"'][ \t]{0,4}(?::|=>)")
"""Behind a name in quotes."""
_OF_CLASSES: Final = (b"class ", b"interface ", b"struct ", b"trait ")
_KEYWORD_BYTES: Final = 10
_ESCAPES: Final = (b"n", b"r", b"t", b"b", b"f", b"v")
_BACKSLASHES: Final = 16
_COMMENT: Final = lazy_re(rb"^[ \t]{0,40}(?:#|//|;|--|\*|<!--|>>>[ \t])")
_LINE_BYTES: Final = 400
_QUOTES: Final = frozenset((b'"', b"'", b"`"))
_OPENING: Final = (b"[", b"(")
"""Behind a name whose element is taken, or that is called."""
_JOINTS: Final = (b"?", b"&")
_ADDRESS: Final = lazy_re(rb"[a-z]://[^\s\"'`<>?]*\?(?:[^\s\"'`<>]*&)?$")
_ADDRESS_BYTES: Final = 300
_DEFAULT: Final = b"${"
"""Of `${name:value}`, as Spring writes it: a literal, though no quote stands before it."""


def is_literal(match: Match, data: bytes, path: str) -> bool:
    """Whether what stands before a value makes it a literal in a document of that kind."""
    before, _, _ = assigned_in(path)
    is_default = data[match.match_start : match.match_start + len(_DEFAULT)] == _DEFAULT
    return before is None or is_default or data[match.start - 1 : match.start] in before or _is_in_query(match, data)


def _is_in_query(match: Match, data: bytes) -> bool:
    """Whether a value is a parameter of an address, which a program has in a string."""
    if data[match.start - 1 : match.start] != b"=" or data[match.match_start - 1 : match.match_start] not in _JOINTS:
        return False
    return _ADDRESS.search(bytes(data[max(match.match_start - _ADDRESS_BYTES, 0) : match.match_start])) is not None


def written_as(match: Match, data: bytes, *, env_file: bool) -> assignments.Written:
    """How a value stands: as the variable of an environment, between quotes, or neither."""
    if env_file:
        return assignments.Written.LITERAL
    before, after = data[match.start - 1 : match.start], data[match.end : match.end + 1]
    return assignments.Written.QUOTED if before in _QUOTES and before == after else assignments.Written.PLAIN


def names_file_or_arn(match: Match, data: bytes) -> bool:
    """Whether a name is that of a program's file, or a part of an ARN: between colons, as the kinds of what cloud
    providers address are."""
    if filekinds.is_code(match.name):
        return True
    return data[max(match.match_start - 1, 0) : match.match_start] == b":" == data[match.start - 1 : match.start]


def names_no_variable(match: Match, data: bytes) -> bool:
    """Whether a name is what a test came to, that of a class whose base follows, of a file or a part of an ARN, or the
    end of a type's name as CloudFormation has them."""
    if bytes(data[max(match.match_start - _KEYWORD_BYTES, 0) : match.match_start]).endswith(_OF_CLASSES):
        return True
    if assignments.is_lone(match.name):
        return _OF_TESTS.search(data[match.match_start : match.start]) is not None
    if names_file_or_arn(match, data):
        return True
    name_end = match.match_start + len(match.name)
    return data[max(match.match_start - 2, 0) : match.match_start] == b"::" and data[name_end : name_end + 1] == b'"'


@lru_cache(maxsize=64)
def assigned_in(path: str) -> tuple[frozenset[bytes] | None, bool, bool]:
    """What a value must follow in a document of a path to be taken for a literal (None: anything), and whether it is an
    env file, or holds settings at least."""
    before: frozenset[bytes] | None = None
    settings = filekinds.is_settings(path)
    if is_vendored(path) and not may_be_own(path):
        before, settings = frozenset(), False
    elif filekinds.is_code(path):
        before = frozenset((b'"', b"'", b"`", b">", b"["))
    elif filekinds.is_shell(path):
        before = frozenset((b'"', b"'", b"="))
    return before, filekinds.is_env_file(path), settings or before is None


def is_element(match: Match, data: bytes) -> bool:
    """Whether a name stands in the place of the value, of which an element is taken, or that is called."""
    return data[match.end : match.end + 1] in _OPENING and data[match.start - 1 : match.start] not in _QUOTES


def is_shown(match: Match, data: bytes, path: str) -> bool:
    """Whether a value is there to be read: in a comment, or without quotes on a page."""
    plain = filekinds.is_page(path) and data[match.start - 1 : match.start] not in _QUOTES
    return plain or is_in_comment(match, data)


def is_repeated(match: Match, data: bytes) -> bool:
    """Whether a password is that of a user of the same name, who stands before it."""
    return match.secret.lower() in bytes(data[match.match_start : match.start]).lower()


def is_in_comment(match: Match, data: bytes) -> bool:
    """True when the line of a match begins as comments do: a word for a password there is a manual's."""
    before = bytes(data[max(match.start - _LINE_BYTES, 0) : match.start])
    return _COMMENT.match(before.rpartition(b"\n")[2]) is not None


def begins_in_escape(match: Match, data: bytes) -> bool:
    """Whether the first letter is the second of an escape: `nfc_…` in `call_1\\nfc_2`, where the token is `fc_2`."""
    if data[match.start : match.start + 1] not in _ESCAPES:
        return False
    before = bytes(data[max(match.start - _BACKSLASHES, 0) : match.start])
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 1


def is_next_name(match: Match, data: bytes) -> bool:
    """Whether what stands on the line below a name is a name, too: of a list's values the last one, and of the next
    pair the first."""
    below = b"\n" in bytes(data[match.match_start : match.start])
    return below and _NAMES_NEXT.match(data, match.end) is not None


def is_inside_word(match: Match, data: bytes) -> bool:
    """True when the letters go on before or after a token: a piece of base64 or of a digest, not a token."""
    before, after = data[match.match_start - 1 : match.match_start + 1], data[match.match_end - 1 : match.match_end + 1]
    return (len(before) == 2 and bytes(before).isalnum()) or (len(after) == 2 and bytes(after).isalnum())
