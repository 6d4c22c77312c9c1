"""Predicates that tell secrets from what only looks like one. Pure; each reads as a sentence.

A filter named in a rule's record drops a match. What is demoted rather than dropped (tests, documentation, vendored
code) is decided by `places`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Final

from imgscan.detect.secrets import wording
from imgscan.detect.secrets.pem import lacks_key_body
from imgscan.detect.secrets.redact import shannon_bits
from imgscan.detect.secrets.validators import check, decode_base64, decode_json
from imgscan.detect.secrets.wordlists import byte_words, words
from imgscan.lazyre import lazy_re
from imgscan.model import Validity

# Long words anywhere; words of four letters turn up in random base64, so only as words of their own.
_PLACEHOLDER_WORDS: Final = lazy_re(
    rb"example|placeholder|change[_-]?me|change[_-]?this|changeit|replace[_-]?(?:me|this|with)|insert[_-]|redacted|"
    rb"your[_-]|[_-]your|my[_-]?(?:api|secret|token|password|access)[_-]?(?:key|token|secret|password)?[0-9]{0,2}$|not[_-]?a[_-]?real|"
    rb"secret[_-]?here|goes[_-]?here|token[_-]?here|key[_-]?here|foobar|\*\*\*|\.\.\.|\xe2\x80\xa6|"
    rb"^(?:key|token)[_-](?:[0-9]{1,4}|123456?)$|^my[_-]?(?:user(?:name)?|login|account)$|"
    rb"<[^>]{1,80}>|(?:^|[^a-z0-9])(?:dummy|fake|todo|fixme|lorem)(?:[^a-z0-9]|$)",
)
# These stand in names of environments too, so in a longer random text (`key_test_…`) they say nothing.
_TEST_WORDS: Final = lazy_re(rb"(?:^|[^a-z0-9])(?:sample|test|tests|testing)(?:[^a-z0-9]|$)")
_ALGORITHM: Final = lazy_re(
    rb"(?:aes|aria|camellia|chacha20|xchacha20|xsalsa20|salsa20|3?des|sm[234]|rc4|rsa|ecdsa|ecdh|ed25519|x25519|hmac|sha|"
    rb"pbe[sw]?|pbkdf2|md5|hs|rs|es|ps|dir|scram)[a-z0-9]{0,24}(?:[-_+/.]?[a-z0-9]{1,24}){0,5}|"
    rb"\$(?:argon2|scrypt|pbkdf2|[156y]\$|2[abxy]?\$)[^\s]{4,}|scram-sha[^\s]{4,}|u2fsdgvkx1.*",
    re.IGNORECASE,
)
_ALGORITHM_PARTS: Final = lazy_re(
    rb"(?:aes|cbc|gcm|ctr|ecb|ccm|cfb|ofb|hmac|sha|poly1305|padding|wrap|ede|pkcs|oaep|mgf1|with|and|kw|rsa|argon2|scrypt|"
    rb"pbkdf2|scram|u2fsdgvkx1|^\$[0-9y])",
    re.IGNORECASE,
)
_REFERENCE: Final = lazy_re(
    rb"^\s*(?:\$(?:\{|\(|\$|[a-z_]\w*(?:$|[/.:@-]))|%[a-z_(][\w.:()]*[%)]|%%\w+%%$|\$\w+\$$|\{\{|\{%|\{[\w.()]+\}$|<%|\[%[^\[\]]*%\]$|<[a-z/][^>]*>$|@@?[\w.]+@@?$|#\{|~\{|`|"
    rb"!(?:vault|ref|sub|getatt|secret|env)\b|enc\[|@microsoft\.keyvault|vault:|op://|ssm:|arn:|secretsmanager:|keyvault|kms:|file:|"
    rb"projects/[^/]+/secrets/|process\.env|os\.(?:environ|getenv)|env[.\[(]|getenv\(|import\.meta|config[.\[(]|"
    rb"settings[.\[(]|secrets?[.\[(]|(?:var|local|data|module|each|self|this|args?|options?|params?|request|req|ctx|input|"
    rb"values)[.\[]|\.[*+]|\((?:\\[swd]|\.[*+]|\[|\?))",
    re.IGNORECASE,
)
_PATH: Final = lazy_re(rb"(?:/|\./|\.\./|~/|[A-Za-z]:[\\/])[A-Za-z0-9_.@ /\\-]*")
_NUMBER: Final = lazy_re(
    rb"[+-]?[0-9][0-9.,_]*(?:e[+-]?[0-9]{1,3})?(?:ms|s|m|h|d|k|kb|mb|gb|[kmg]i?b?|%|n|u?l{0,2})?", re.IGNORECASE
)
_SEALED: Final = lazy_re(rb"(?:Ag[A-D]|AQIAAA5mAAAApAAA)[A-Za-z0-9+/]{90,}={0,2}")
_VERSION: Final = lazy_re(rb"[v^~<>=]{0,2}[0-9]+(?:\.[0-9A-Za-z]+){1,4}(?:[-+][0-9A-Za-z.]+)?")
_EMBEDDED: Final = (
    *(b"data:", b"iVBORw0KGgo", b"/9j/4", b"R0lGODlh", b"R0lGODdh", b"UklGR", b"PHN2Zy", b"PD94bWwg"),
    *(b"aHR0cHM6Ly", b"aHR0cDovL"),
)
_EMBEDDED_LENGTH: Final = 48
_CONSTANT: Final = lazy_re(rb"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_EMAIL: Final = lazy_re(rb"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_IDENTIFIER: Final = lazy_re(rb"[A-Za-z_]+(?:[._][A-Za-z_]+)*")
_HEX: Final = lazy_re(rb"[0-9a-fA-F]+")
_REPEATED: Final = lazy_re(rb"(.)\1{5,}", re.DOTALL)
_DIGEST: Final = lazy_re(
    rb"[0-9a-fA-F]{32}(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{24}|[0-9a-fA-F]{32}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96})?"
)
_ASSIGNED: Final = lazy_re(
    rb"([A-Za-z_][A-Za-z0-9_.-]{0,60})[\"'`\\]{0,4}[ \t]{0,4}(?:=>|:=|[:=])[ \t]{0,4}[\"'`|\\]{0,4}$"
)
_NAME_PARTS: Final = lazy_re(r"(?:[A-Z]+(?![a-z])|[A-Z]?[a-z]+)[0-9]*")
_ASSIGNED_BYTES: Final = 96
AROUND: Final = b"_%[]{}<>()#@*~|-"
"""What stands around the name of a secret in its place."""
_LOOKED_AT: Final = 256
_RANDOM_LENGTH: Final = 24
_FEW_DISTINCT: Final = 4
_FEW_OF_CASE: Final = 2
_LONG_SEQUENCE: Final = 8
_LONG_RUN: Final = 12
_ALPHABET_LENGTH: Final = 30
_SEQUENCE: Final = 4
_ORDERED: Final = b"abcdefghijklmnopqrstuvwxyz0123456789"


def is_placeholder(value: bytes) -> bool:
    """True for text that stands where a secret would: `changeme`, `<token>`, `${TOKEN}`, `xxxxxxxx`, `abcdefgh1234`."""
    lowered = _lowered(value)
    return _stands_in(lowered) or is_sequential(lowered)


def is_stand_in(value: bytes) -> bool:
    """The same, but for text that only counts up: of that a hit says that it does."""
    return _stands_in(_lowered(value))


def _lowered(value: bytes) -> bytes:
    return value[:_LOOKED_AT].strip(b" \t\r\n\"'").lower()


def _stands_in(lowered: bytes) -> bool:
    return (
        not lowered
        or lowered in byte_words("placeholders")
        or lowered.strip(AROUND) in byte_words("placeholders")
        or is_reference(lowered)
        or _PLACEHOLDER_WORDS.search(lowered) is not None
        or (_is_short(lowered) and _TEST_WORDS.search(lowered) is not None)
        or is_repetitive(lowered)
        or is_permutation(lowered)
    )


def _is_short(value: bytes) -> bool:
    return len(value) < _RANDOM_LENGTH or lacks_digits(value)


def is_algorithm(value: bytes) -> bool:
    """True for the name of a cipher or a digest (`AES-256-GCM`), and for text that one made of a password."""
    head = value[:_LOOKED_AT]
    return _ALGORITHM.fullmatch(head) is not None and _ALGORITHM_PARTS.search(head) is not None


def is_reference(value: bytes) -> bool:
    """True for text that names where the secret comes from: a variable, a template, a vault path, an expression; and
    for one that looks for it."""
    return _REFERENCE.match(value) is not None


def is_embedded(value: bytes) -> bool:
    """True for base64 of what begins as a picture does (PNG, JPEG, GIF, WebP, SVG) or as an address, and for a data
    URI. What an address holds is found where it is decoded."""
    return len(value) >= _EMBEDDED_LENGTH and value.startswith(_EMBEDDED)


def is_sealed(value: bytes) -> bool:
    """True for what the sealed-secrets controller of a cluster encrypted, and for a key that Windows' CryptoAPI wrapped
    with another."""
    return _SEALED.match(value) is not None


def is_repetitive(value: bytes) -> bool:
    """True when few distinct bytes make up a value of eight and more, or runs of six and more of one make up a quarter
    of it: tokens that hold numbers have a few of the letter for zero."""
    head = value[:_LOOKED_AT]
    if len(head) < _LONG_SEQUENCE:
        return False
    few = len(set(head)) <= max(_FEW_DISTINCT, len(head) // 16)
    runs = [run.end() - run.start() for run in _REPEATED.finditer(head)]
    return few or max(runs, default=0) >= _LONG_RUN or sum(runs) * 4 >= len(head)


def is_permutation(value: bytes) -> bool:
    """True when no byte of 30 and more comes twice: an alphabet, not what chance gives."""
    head = value[:_LOOKED_AT]
    return len(head) >= _ALPHABET_LENGTH and len(set(head)) == len(head)


def is_sequential(value: bytes) -> bool:
    """True when the value counts up: letters or digits in a row, four and more at once, make up half of it."""
    head = value[:_LOOKED_AT].lower()
    run, counted = 1, 0
    for left, right in itertools.pairwise(head + b"\0"):
        if right == left + 1 and bytes((left, right)) in _ORDERED:
            run += 1
        else:
            counted += run if run >= _SEQUENCE else 0
            run = 1
    return counted >= _LONG_SEQUENCE and counted * 2 >= len(head)


def is_path(value: bytes) -> bool:
    """True for a file path, where the secret lies elsewhere."""
    return _PATH.fullmatch(value) is not None


def is_number(value: bytes) -> bool:
    """True for a number, a size, a duration or a version."""
    return _NUMBER.fullmatch(value) is not None or _VERSION.fullmatch(value) is not None


def is_hex(value: bytes) -> bool:
    """True when every byte is a hexadecimal digit: digests and commit ids are."""
    return _HEX.fullmatch(value) is not None


def is_named_digest(data: bytes, start: int, end: int) -> bool:
    """True when data[start:end] is as long as a digest, made of hexadecimal digits, and assigned to a name that says so
    (`"shasum": "…"`, `gitHead = '…'`) and promises no secret (`token_hash`)."""
    if _DIGEST.fullmatch(data, start, end) is None:
        return False
    found = _ASSIGNED.search(bytes(data[max(start - _ASSIGNED_BYTES, 0) : start]))
    if found is None:
        return False
    parts = [part.lower() for part in _NAME_PARTS.findall(found[1].decode("ascii"))]
    names = words("digest_names")
    says_so = bool(parts) and (parts[-1] in names or "".join(parts[-2:]) in names)
    return says_so and words("secret_words").isdisjoint(parts) and words("key_qualifiers").isdisjoint(parts)


def is_constant(value: bytes) -> bool:
    """True for what programs call a constant: `GL_UNSIGNED_INT_5_9_9_9_REV`."""
    return _CONSTANT.fullmatch(value) is not None


def is_email(value: bytes) -> bool:
    """True for an address: whoever logs in as `anonymous` gives it, and nobody has it for a password."""
    return _EMAIL.fullmatch(value) is not None


def is_identifier(value: bytes) -> bool:
    """True for a dotted or underscored name of a program: `this.auth`, `config.auth_token`, `authHeader`."""
    return _IDENTIFIER.fullmatch(value) is not None


def lacks_digits(value: bytes) -> bool:
    """True when there is no digit: random tokens of 20 and more characters of base 62 nearly always have one."""
    return not any(0x30 <= c <= 0x39 for c in value)


def lacks_mixed_case(value: bytes) -> bool:
    """True when upper or lower case letters are missing."""
    return value in (value.lower(), value.upper())


def barely_mixes_case(value: bytes) -> bool:
    """True when there are not two letters of each case: sequences of amino acids mark one of them by its case."""
    lower, upper = (sum(first <= c <= last for c in value) for first, last in (b"az", b"AZ"))
    return min(lower, upper) < _FEW_OF_CASE


def is_not_jwt(value: bytes) -> bool:
    """True when three dotted parts are no JSON Web Token."""
    return not isinstance(decode_json(decode_base64(value.split(b".")[0])), dict)


def is_not_user_password(value: bytes) -> bool:
    """True when base64 holds no `user:password`, or one of which the password is a placeholder. Other tokens (with
    characters that base64 has not) are not judged."""
    if not {b".", b"_", b"-"}.isdisjoint({value[i : i + 1] for i in range(len(value))}):
        return False
    raw = decode_base64(value)
    if raw is None or b":" not in raw or not all(0x20 <= c < 0x7F for c in raw):
        return True
    password = raw.partition(b":")[2]
    words = b" " in password and lacks_digits(password)
    return not password or words or is_placeholder(password) or wording.is_weak_password(password)


def password_of(value: bytes) -> bytes:
    """The password in base64 of `user:password`; b"" if there is none."""
    return (decode_base64(value) or b"").partition(b":")[2]


def is_not_discord(value: bytes) -> bool:
    """True when the first part is no base64 of a number: any dotted text of the right lengths."""
    raw = decode_base64(value.split(b".")[0])
    return raw is None or not raw.isdigit()


def is_not_base58check(value: bytes) -> bool:
    """True when the checksum of a wallet's key does not fit: any 51 letters of base 58."""
    return check(("base58check",), value).validity is Validity.INVALID


def is_not_bip39(value: bytes) -> bool:
    """True when words are no recovery phrase: prose about one."""
    return check(("bip39",), value).validity is Validity.INVALID


def is_not_ed25519_pair(value: bytes) -> bool:
    """True when 64 numbers are no key pair: any table of them."""
    return check(("ed25519-pair",), value).validity is Validity.INVALID


def has_too_little_entropy(value: bytes, least: float | None) -> bool:
    """True when the value has fewer bits per byte than a rule asks for."""
    return least is not None and shannon_bits(value) < least


FILTERS: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "placeholder": is_placeholder,
    "stand-in": is_stand_in,
    "reference": is_reference,
    "repetitive": is_repetitive,
    "path": is_path,
    "number": is_number,
    "hex": is_hex,
    "one-word": wording.is_one_word,
    "prose": wording.is_prose,
    "language": wording.is_language,
    "email": is_email,
    "constant": is_constant,
    "identifier": is_identifier,
    "no-digits": lacks_digits,
    "one-case": barely_mixes_case,
    "weak": wording.is_weak_password,
    "no-key-body": lacks_key_body,
    "not-jwt": is_not_jwt,
    "not-user-password": is_not_user_password,
    "not-discord": is_not_discord,
    "not-base58check": is_not_base58check,
    "not-bip39": is_not_bip39,
    "not-ed25519-pair": is_not_ed25519_pair,
}
