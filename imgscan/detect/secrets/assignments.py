"""`NAME=value` with a name that promises a secret: what is left when no known token format fits.

This is the rule that finds most and errs most, so it is gated: by the words of the name, by what the value looks like,
and by where it stands (configuration-like files and image configuration, never vendored code).
"""

from __future__ import annotations

import re
from typing import Final

from imgscan.detect.secrets import filters
from imgscan.model import Confidence, Severity

ENV_ASSIGNMENT: Final = "secret-env-assignment"
CONFIG_LIMIT_BYTES: Final = 1024 * 1024
_SHORTEST: Final = 4
_LONGEST: Final = 4096
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_SECRET_WORDS: Final = frozenset(
    "password passwd passphrase pwd pass secret secrets token tokens apikey apikeys apitoken accesstoken authtoken credential "
    "credentials cred creds dsn privatekey secretkey accesskey passcode bearer pat psk salt pepper authkey appsecret "
    "clientsecret dbpassword dbpass rootpassword userpass mypassword pgpassword webhook".split()
)
# `key` alone is a dictionary's; with one of these before it, it is a secret's.
_KEY_QUALIFIERS: Final = frozenset(
    "api access private secret encryption signing sign master session auth account storage license app admin shared client "
    "service hmac jwt aes rsa ssh deploy cookie rails crypt cipher root write subscription security django flask".split()
)
# Names that end so talk about a secret (where it lies, how long it lives), they do not hold it.
_HARMLESS_ENDS: Final = frozenset(
    "file files path paths dir directory url uri endpoint host hostname port name names id ids arn ttl expiry expires expiration "
    "expire expired timeout lifetime age length size len min max count limit type types kind mode policy policies header headers prefix suffix "
    "algorithm algo alg method format version enabled enable disabled required optional field fields param params parameter "
    "regex pattern label hint help text message msg title description desc error errors invalid missing prompt placeholder "
    "issuer audience scope scopes role roles grant provider class handler service store manager backend engine driver "
    "command cmd script env var variable ref reference source hash hashes sha sha256 md5 digest fingerprint checksum "
    "public parallelism rotation interval days hours minutes seconds strength complexity history index table column attribute "
    "user username email location server bucket region namespace cache string input output element style icon button "
    "show hide visible changed change reset forgot confirm confirmation validation validator verify verification "
    "rules rule counter budget usage used per rate encoding charset".split()
)
_HARMLESS_WORDS: Final = frozenset("public pub gpg pgp tokenizer tokenizers tokenize csrf xsrf".split())

# File names by what is in them: looked up rather than matched, because every file of an image is asked.
_CODE_ENDS: Final = frozenset("py rb php js cjs mjs jsx ts tsx go java kt cs sh bash zsh ps1 bat tf hcl gradle groovy scala swift".split())
_CONFIG_ENDS: Final = _CODE_ENDS | frozenset(
    "env ini cfg conf cnf config properties props toml yml yaml json jsonc json5 xml tfvars tfstate nomad sql plist service txt "
    "local production development staging envrc dockerfile containerfile".split()
)
_CONFIG_NAMES: Final = frozenset(
    "dockerfile containerfile credentials config secrets secret .profile .bashrc .zshrc .bash_profile .boto .yarnrc jenkinsfile "
    "makefile procfile".split()
)
_SECRET_NAMES: Final = frozenset(
    ".env .envrc .npmrc .yarnrc.yml .pypirc pypirc pip.conf .netrc _netrc netrc .pgpass pgpass.conf .my.cnf my.cnf debian.cnf "
    ".git-credentials .htpasswd htpasswd shadow shadow- gshadow credentials .s3cfg .dockercfg auth.json settings.xml "
    ".dockerconfigjson nuget.config .terraformrc wp-config.php .bash_history .zsh_history .sh_history .psql_history "
    ".mysql_history .python_history .node_repl_history .databrickscfg".split()
)
_SECRET_PATHS: Final = ("/.docker/config.json", "/.kube/config", "/.git/config", "/.aws/config", "/.aws/credentials")
_EXPRESSION: Final = re.compile(rb"[()\[\]{}$]|^[A-Za-z_]\w*(?:\.\w+)+$|=>|\s\+\s|^[&*|>]")
_DEFAULT: Final = re.compile(rb"^\s*[\"']?\$\{\w{1,100}:?-([^{}$]{1,4096})\}[\"']?\s*$")
_UUID: Final = re.compile(rb"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
_RANDOM_LENGTH: Final = 16
_RANDOM_BITS: Final = 3.0


def is_config_like(path: str, size: int | None) -> bool:
    """True for small files whose names promise configuration or a project's own code, and for files that exist to hold
    credentials wherever they lie."""
    if size is not None and size > CONFIG_LIMIT_BYTES:
        return False
    name = path.rpartition("/")[2].lower()
    if name in _SECRET_NAMES or is_env_file(path) or f"/{path}".endswith(_SECRET_PATHS):
        return True
    known = name.rpartition(".")[2] in _CONFIG_ENDS or name.partition(".")[0] in _CONFIG_NAMES
    return known and filters.place_of(path) is not filters.Where.VENDOR


def is_env_file(path: str) -> bool:
    """True for `.env` and its kin (`.env.production`, `app.env`), whose lines become environment variables."""
    name = path.rpartition("/")[2].lower()
    return name in (".env", ".envrc", "env") or name.startswith((".env.", "env.")) or name.endswith(".env")


def is_sensitive_name(name: str) -> bool:
    """True when the words of a variable's name promise a secret: `DB_PASSWORD`, `apiKey`, not `TOKENIZERS_PARALLELISM`,
    `PASSWORD_FILE`, `GPG_KEY`."""
    words = [word.lower() for word in _WORDS.findall(name[-100:])]
    while words and words[-1].isdigit():
        words.pop()
    if not words or words[-1] in _HARMLESS_ENDS or not _HARMLESS_WORDS.isdisjoint(words):
        return False
    if words in (["pwd"], ["oldpwd"], ["pass"], ["pat"], ["salt"], ["tokens"]):
        return False
    if any(word in _SECRET_WORDS for word in words):
        return True
    return any(key in ("key", "keys") and left in _KEY_QUALIFIERS for left, key in zip(words, words[1:], strict=False))


def literal_of(value: bytes) -> bytes:
    """The default of `${NAME:-default}` (the value itself otherwise): a literal that works wherever nobody sets NAME."""
    default = _DEFAULT.match(value)
    return default.group(1) if default is not None else value


def judge_value(name: str, value: bytes, *, code: bool) -> tuple[Severity, Confidence] | None:
    """How bad a literal value under a sensitive name is; None when it is no literal secret.

    `code` says that the value comes from a program or a structured file rather than from an environment: expressions and
    plain words are dropped there too.
    """
    value = value.strip()
    if not _SHORTEST <= len(value) <= _LONGEST or not is_sensitive_name(name):
        return None
    if filters.is_reference(value) or filters.is_path(value) or filters.is_public(value) or b"://" in value:
        return None
    if filters.is_weak_password(value):
        return None if code else (Severity.LOW, Confidence.LOW)
    if filters.is_placeholder(value) or filters.is_number(value) and len(value) < _RANDOM_LENGTH:
        return None
    if value.lower().replace(b"-", b"_") == name.lower().replace("-", "_").encode("utf-8", "replace"):
        return None
    if code and (_EXPRESSION.search(value) is not None or filters.is_one_word(value) or b" " in value):
        return None
    if _looks_random(value):
        return Severity.MEDIUM, Confidence.MEDIUM
    if code and filters.lacks_digits(value):
        return None
    return Severity.MEDIUM, Confidence.LOW


def _looks_random(value: bytes) -> bool:
    if _UUID.match(value) is not None:
        return True
    long_enough = len(value) >= _RANDOM_LENGTH and not filters.lacks_digits(value)
    return long_enough and filters.shannon_bits(value) >= _RANDOM_BITS and b" " not in value


def is_code(path: str) -> bool:
    """True for program text, where `token = next_token` is no secret."""
    return path.rpartition(".")[2].lower() in _CODE_ENDS
