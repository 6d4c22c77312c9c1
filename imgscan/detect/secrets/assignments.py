"""`NAME=value` with a name that promises a secret: what is left when no known token format fits.

This is the rule that finds most and errs most, so it is gated: by the words of the name, by what the value looks like,
and by where it stands (see `filekinds`; and image configuration, never vendored code).
"""

from __future__ import annotations

import itertools
import re
from enum import Enum
from functools import lru_cache
from typing import Final

from imgscan.detect.secrets import filters, publishable, wording
from imgscan.detect.secrets.namewords import is_random, name_words
from imgscan.detect.secrets.rarity import letters_per_piece
from imgscan.detect.secrets.redact import shannon_bits
from imgscan.detect.secrets.wordlists import words
from imgscan.lazyre import lazy_re
from imgscan.model import Confidence, Severity

ENV_ASSIGNMENT: Final = "secret-env-assignment"
_SHORTEST: Final = 4
_LONGEST: Final = 4096
_LONGEST_MARKED: Final = 200
"""With blanks, quotes or commas in it; what is longer is a text or data."""
_MARKS: Final = lazy_re(rb"[\s\"'`,;<>]")
_LONGEST_NAME: Final = 100
# Names whose only word is one of these mean something else: a directory, a pass, a path, a cooking recipe.
_ALONE_HARMLESS: Final = frozenset({"pwd", "pw", "oldpwd", "pass", "pat", "salt", "pepper", "tokens"})
_LONE: Final = frozenset({"pass", "pw", "pwd"})
_COMPOUND: Final = lazy_re(
    r"(?:pswr?d|secret|(?:password|auth|secure)salt"
    r"|(?:api|secret|private|access|auth|encryption|signing|master)keys?|(?:access|auth|api|refresh|bearer|secret|bot)token)$"
)
"""What ends a name whose words are written as one: `mysqlpassword`."""
_COMPOUND_PASSWORD: Final = lazy_re(
    r"passw(?:o?r)?d$|passphrase$|passcode$"
    r"|(?:control|remote|user|db|mysql|sql|root|admin|smtp|mail|ftp|auth|ldap|bind|dn|ssl|redis|http|login|key|store)pass$"
)
_NO_LITERAL: Final = lazy_re(
    rb"\{[\w.:$-]*\}|\{\{|\$[({]|<[a-z/!]|%[sdvr]|%\(\w|&\w+;|\\u[0-9a-f]{4}|"
    rb"\[[\w-]*\]$|\[\^|\[[^\[\]]{0,60}?\w-\w|\\[dwsbDWS]|\(\?[:=!<]|\.[*+]|"
    rb"\w\(\)|^[\w.]+\(.*\)(?:\\[nrt])*$|=>|^[#.@][A-Za-z][\w-]*$|^[\w.@-]+(?:/[\w.@-]+)+\.[a-z]{2,4}$|"
    rb"^[a-z_][\w-]*:[x*!]?:[0-9]|^#[0-9A-Fa-f]{3,8}$|^chr[0-9XYM]{1,2}:[0-9]+|"
    rb"^[a-z0-9][\w.-]*(?:\[[\w,-]+\])?(?:[~=!<>]=[0-9]+|[<>][0-9]+\.)[0-9.*]*\b",
    re.IGNORECASE,
)
"""A template, a pattern, a selector, a call, a line of /etc/passwd, a colour, a place in a genome, a package with its
version: in quotes, too."""
_NO_PLAIN: Final = lazy_re(rb"^[({\[&*|>!]|[)\]}]$|\s\+\s|\)[{;]|^[A-Za-z_]\w*(?:\.\w+)+\([&\w.({]*(?:\\[nr])*$")
"""What begins and ends so, or goes on so, without quotes, is written in the language of its file."""
_DOTTED: Final = lazy_re(rb"[A-Za-z_]\w*(?:\.\w+)+")
_ACCOUNT: Final = lazy_re(rb"0x[0-9A-Fa-f]{40}")
"""The address of an account or a contract (Ethereum): a token's, in the other meaning of the word."""
_GROUPS_OF_FOUR: Final = lazy_re(rb"[a-z]{4}(?: [a-z]{4}){3}|[a-z]{4}(?:-[a-z]{4}){3}")
"""A password that Google or Apple makes for an application."""
_ARMOUR: Final = b"-----BEGIN"
"""Of a key, of which there are rules: without one behind it, it is a specimen."""
_DEFAULT: Final = lazy_re(rb"\s*[\"']?\$\{\w{1,100}:?-([^{}$]{1,4096})\}[\"']?\s*")
_YEAR_END: Final = lazy_re(rb"\.[0-9]{2,8}[^\w.]?$")
_OBJECT: Final = lazy_re(rb"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)+|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_KEY_ID: Final = lazy_re(rb"[A-Z0-9]{16,24}")
_LANGUAGE_OF_OBJECTS: Final = 2.6
_UUID: Final = lazy_re(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# What people put into passwords, and identifiers have not.
_SIGNS: Final = lazy_re(rb"[A-Za-z][!@#$%^&*?]|[!@#%^&*?][A-Za-z]")
_WITHOUT_BLANKS: Final = lazy_re(rb"(?:[\xe0\xe1\xe3-\xed][\x80-\xbf]{2}[\x00-\x7f]*){3}")
"""Three characters of scripts whose prose has no blanks: Japanese, Chinese, Thai, Khmer."""
_DIGITS: Final = b"0123456789"
_SENTENCE_END: Final = b"?!:*."
_SHORTEST_LONE: Final = 8
_FAMILY: Final = 6
_MANY_WORDS: Final = 3
_RANDOM_LENGTH: Final = 16
_SHORTEST_OF_LETTERS: Final = 10
_RARE: Final = 2.0
_RANDOM_BITS: Final = 3.0


def is_sensitive_name(name: str) -> bool:
    """True when the words of a variable's name promise a secret: `DB_PASSWORD`, `apiKey`, not `TOKENIZERS_PARALLELISM`,
    `PASSWORD_FILE`, `GPG_KEY`."""
    return _promises_secret(name) and not is_random(name)


def _promises_secret(name: str) -> bool:
    parts = _words_of(name)
    if not parts or parts[-1] in words("harmless_ends") or not words("harmless_words").isdisjoint(parts):
        return False
    if len(parts) == 1 and parts[0] in _ALONE_HARMLESS:
        return False
    if len(parts) > 1 and parts[-1] == "token" and parts[-2] in words("token_qualifiers"):
        return False
    if not words("secret_words").isdisjoint(parts) or any(map(_is_compound, parts)):
        return True
    return any(
        right in ("key", "keys") and left in words("key_qualifiers") for left, right in itertools.pairwise(parts)
    )


def _is_compound(part: str) -> bool:
    return _COMPOUND.search(part) is not None or _COMPOUND_PASSWORD.search(part) is not None


def _words_of(name: str) -> list[str]:
    """The words of a name, lower case, without a number at its end."""
    parts = name_words(name[-_LONGEST_NAME:])
    while parts and parts[-1].isdigit():
        parts.pop()
    return parts


def is_lone(name: str) -> bool:
    """Whether a name is a bare `pass` or `pwd`, which may as well count tests or name a folder."""
    return len(parts := _words_of(name)) == 1 and parts[0] in _LONE


def _may_be_password(name: str, value: bytes) -> bool:
    """Whether a value under such a name looks like nothing but a password."""
    digits_and_more = not filters.lacks_digits(value) and not filters.is_number(value) and b"/" not in value
    return digits_and_more and len(value) >= _SHORTEST_LONE and is_lone(name)


def literal_of(value: bytes) -> bytes:
    """The default of `${NAME:-default}` (else the value itself): a literal that works wherever nobody sets NAME."""
    default = _DEFAULT.fullmatch(value)
    return default.group(1) if default is not None else value


class Written(Enum):
    """How a value is written: as an environment's, where everything is a literal; in quotes; or without, where it may
    as well be an expression."""

    LITERAL = "literal"
    QUOTED = "quoted"
    PLAIN = "plain"


@lru_cache(maxsize=1 << 11)
def judge_value(name: str, value: bytes, written: Written) -> tuple[Severity, Confidence] | None:
    """How bad a literal value under a sensitive name is; None when it is no literal secret: but for values of an
    environment, expressions and plain words are none. Programs say the same again and again (`token: "operators"`): of
    forty questions one is new."""
    value, code = value.strip(), written is not Written.LITERAL
    if is_dull(value) if code else _is_nothing(value):
        return None
    if not is_sensitive_name(name) and not _may_be_password(name, value):
        return None
    if wording.is_weak_password(value):
        return Severity.LOW, Confidence.LOW
    if _repeats_name(name, value):
        return None
    if code and (_is_no_literal(name, value, quoted=written is Written.QUOTED) or _is_name_of_secret(name, value)):
        return None
    return Severity.MEDIUM, Confidence.MEDIUM if _looks_random(value) else Confidence.LOW


@lru_cache(maxsize=1 << 11)
def is_dull(value: bytes) -> bool:
    """Whether a value is no secret under whatever name, but in an environment: an expression, a word."""
    value = value.strip()
    if _is_nothing(value) or wording.is_weak_password(value) or _NO_LITERAL.search(value) is not None:
        return True
    if len(value) > _LONGEST_MARKED and _MARKS.search(value) is not None:
        return True
    return not _looks_random(value) and _is_language(value)


def _is_nothing(value: bytes) -> bool:
    """Whether a value is no secret anywhere: too short, in another place, a placeholder, a number."""
    if not _SHORTEST <= len(value) <= _LONGEST or _lies_elsewhere(value):
        return True
    if wording.is_weak_password(value):
        return False
    return filters.is_placeholder(value) or (
        filters.is_number(value) and (len(value) < _RANDOM_LENGTH or b"." in value)
    )


def _is_no_literal(name: str, value: bytes, *, quoted: bool) -> bool:
    """True for what stands for another value under its name, and for prose."""
    if b" " in value and not _is_made_of_groups(value):
        return True
    if _DOTTED.fullmatch(value) is not None and not (_is_made_of_parts(value) or _is_chosen(name, value)):
        return True
    if not value.isascii() and (filters.lacks_digits(value) or not quoted or _WITHOUT_BLANKS.search(value) is not None):
        return True
    return not quoted and _NO_PLAIN.search(value) is not None


def _is_made_of_parts(value: bytes) -> bool:
    """True for a password of two words, for one that ends in a year as no name of a program does, and for a token of
    random ones."""
    if _YEAR_END.search(value) is not None:
        return True
    parts = _words_of(value.decode("latin-1"))
    if len(parts) >= _MANY_WORDS and not words("secret_words").isdisjoint(parts):
        return False  # `apigatewayv2.IntegrationCredentials`
    mixed = not filters.lacks_digits(value) and (value.count(b".") == 1 or letters_per_piece(value) < _RARE)
    return mixed and not (filters.lacks_mixed_case(value) and letters_per_piece(value) > _RARE)


def _is_chosen(name: str, value: bytes) -> bool:
    """True for words with a number under a password's name, where none of them says that it stands for one."""
    if not _names_password(name) or filters.lacks_digits(value):
        return False
    parts = _words_of(value.decode("latin-1"))
    return words("secret_words").isdisjoint(parts) and words("reference_words").isdisjoint(parts)


def _is_name_of_secret(name: str, value: bytes) -> bool:
    """True for a value of words under a name that promises no password: people choose passwords, programs make keys."""
    if _names_password(name):
        return False
    parts = _words_of(name)
    if parts[-1:] == ["secret"] or parts[-1:] == ["salt"]:
        return _OBJECT.fullmatch(value) is not None and letters_per_piece(value) >= _LANGUAGE_OF_OBJECTS
    return wording.is_language(value)


def _is_made_of_groups(value: bytes) -> bool:
    """True for the one text with blanks that is no prose for sure: a password that is made for an application."""
    return _GROUPS_OF_FOUR.fullmatch(value) is not None and letters_per_piece(value) <= _RARE


def _is_language(value: bytes) -> bool:
    """True for letters that look like words: without a digit or a sign as people put them into passwords, and not as
    rare as programs make them."""
    if not filters.lacks_digits(value) or _SIGNS.search(value.rstrip(_SENTENCE_END)) is not None:
        return False
    made = len(value) >= _SHORTEST_OF_LETTERS and not filters.lacks_mixed_case(value[1:])
    made = made or (len(value) >= _RANDOM_LENGTH and value.isalpha()) or _is_made_of_groups(value)
    return not made or letters_per_piece(value) > _RARE


def is_made_or_chosen(name: str, value: bytes) -> bool:
    """Whether a value looks as if a program made it, or under a name of a password, as if somebody chose it with care:
    digits, and letters of both cases or a sign among them. An access key in capitals is the half that names the other
    one."""
    if filters.lacks_digits(value) or filters.is_number(value):
        return False
    if _words_of(name)[-2:] == ["access", "key"] and _KEY_ID.fullmatch(value) is not None:
        return False
    if len(value) >= _RANDOM_LENGTH and shannon_bits(value) >= _RANDOM_BITS and letters_per_piece(value) < _RARE:
        return True
    mixed = not filters.lacks_mixed_case(value) or _SIGNS.search(value) is not None
    long_enough = len(value) >= (_SHORTEST_LONE if letters_per_piece(value) < _RARE else _SHORTEST_OF_LETTERS)
    if mixed and long_enough:
        return _names_password(name)
    return len(value) >= _RANDOM_LENGTH and _is_chosen(name, value)


def _names_password(name: str) -> bool:
    parts = _words_of(name)
    return not words("password_words").isdisjoint(parts) or any(_COMPOUND_PASSWORD.search(part) for part in parts)


def _lies_elsewhere(value: bytes) -> bool:
    value = value.rstrip(b".,")
    named = filters.is_reference(value) or filters.is_path(value) or filters.is_algorithm(value)
    if named or b"://" in value or value.startswith(_ARMOUR) or _ACCOUNT.fullmatch(value) is not None:
        return True
    return publishable.is_specimen(value) or filters.is_sealed(value) or filters.is_embedded(value)


def _repeats_name(name: str, value: bytes) -> bool:
    """Also with another number behind it: `encryptionKey: encryptionKey2`; or a sibling's name in a list of such:
    `"com.acme.Token", "com.acme.Type"`."""
    family = name.rpartition(".")[0]
    if len(family) >= _FAMILY and value.startswith(family.encode("utf-8", "replace") + b"."):
        return True
    name_bytes = name.lower().replace("-", "_").encode("utf-8", "replace").strip(b"_")
    return value.lower().replace(b"-", b"_").strip(filters.AROUND).rstrip(_DIGITS) == name_bytes.rstrip(_DIGITS)


def _looks_random(value: bytes) -> bool:
    if _UUID.fullmatch(value) is not None:
        return True
    long_enough = len(value) >= _RANDOM_LENGTH and not filters.lacks_digits(value)
    return long_enough and shannon_bits(value) >= _RANDOM_BITS and b" " not in value
