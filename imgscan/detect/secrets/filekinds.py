"""What a file is, as far as its path and its size tell: configuration, a program, a script, a page.

Assignments of values to names, and other things that only mean a secret in some files, are looked for by it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from imgscan.detect.secrets.places import is_other_peoples, is_vendored
from imgscan.detect.secrets.wordlists import words
from imgscan.lazyre import lazy_re

ALONE: Final = "text.unknown"
"""The path of a text of which nothing is known: none that rules for configuration, or for files of a name, are for."""
_STRUCTURED: Final = frozenset({"yml", "yaml", "json", "toml", "xml"})
CONFIG_LIMIT_BYTES: Final = 8 * 1024 * 1024
_SCRIPT_LIMIT_BYTES: Final = 64 * 1024
"""What has no file name extension, as `start` and `.bashrc`, is a script, settings or a value, if it is small."""
_SECRET_PATHS: Final = (
    "/.docker/config.json",
    "/.kube/config",
    "/.git/config",
    "/.aws/config",
    "/.aws/credentials",
)
_SECRET_ENDS: Final = (".secrets", "-secrets", "password", "passwd", "secret", "token", ".cookie", "keyfile")
_SECRET_LAST: Final = frozenset(path.rpartition("/")[2] for path in _SECRET_PATHS)
_PUT_ASIDE: Final = lazy_re(
    r"(?:\.(?:bak|backup|old|orig|save|copy|tmp|swp|dist|dpkg-old|rpmsave|j2|tpl|tmpl|erb)|~)+$"
)
_PAGES: Final = frozenset({"html", "htm", "md", "markdown", "rst", "adoc"})


def is_config_like(path: str, size: int | None) -> bool:
    """True for files up to 8 MiB whose names promise configuration or a project's own code, and for files that exist to
    hold credentials wherever they lie."""
    if size is not None and size > CONFIG_LIMIT_BYTES:
        return False
    folder, _, written = path.rpartition("/")
    name = written.lower()
    if is_for_credentials(path, name):
        return True
    if is_other_peoples(folder):
        return False
    known = (
        _ending(name) in words("config_ends")
        or is_code(name)
        or is_shell(name)
        or name.partition(".")[0] in words("config_names")
        or f"/{folder}/".startswith("/etc/")
        or (is_bare(name) and not written.isupper() and (size or 0) <= _SCRIPT_LIMIT_BYTES)
    )
    return known and not is_vendored(path)


def is_for_credentials(path: str, name: str) -> bool:
    """Whether a file of that `name`, the last part of its `path` in lower case, is there to hold credentials, wherever
    it lies."""
    if name in words("secret_names") or name.endswith(_SECRET_ENDS) or ("env" in name and _is_env_name(name)):
        return True
    return name in _SECRET_LAST and f"/{path}".endswith(_SECRET_PATHS)


def is_bare(path: str) -> bool:
    """True for names without an extension: scripts and settings have them, and programs."""
    name = path.rpartition("/")[2]
    return name != "" and "." not in name[1:]


def is_env_file(path: str) -> bool:
    """True for `.env` and its kin (`.env.production`, `app.env`), whose lines become environment variables."""
    return _is_env_name(path.rpartition("/")[2].lower())


def _is_env_name(name: str) -> bool:
    # `env.ts` and `env.yml` are about the environment, but written in another language.
    other_language = _ending(name) in _STRUCTURED or is_code(name)
    named_so = name in (".env", ".envrc", "env") or name.startswith((".env.", "env.")) or name.endswith(".env")
    return named_so and not other_language


def is_code(path: str) -> bool:
    """True for program text, where `token = next_token` is no secret."""
    return _ending(path).lower() in words("code_ends")


def is_settings(path: str) -> bool:
    """True for program text that is there to hold values: what declares infrastructure, and `config.php`,
    `settings.py`, `config/index.js`."""
    folder, _, name = path.lower().rpartition("/")
    if _ending(name) in words("settings_ends"):
        return True
    named = name.partition(".")[0] in words("settings_names")
    return is_code(name) and (named or folder.rpartition("/")[2] in words("settings_folders"))


def shows_commands(path: str) -> bool:
    """True for program text in which commands of a shell stand in what is told to users, or are run from a string."""
    return is_code(path) and not is_settings(path) and _ending(path).lower() not in words("command_ends")


def has_macros(path: str) -> bool:
    """True for program text whose macros, names in capitals before others, look like those of keys."""
    return _ending(path).lower() in words("macro_ends")


def is_page(path: str) -> bool:
    """True for pages of text with links, which are as rare as keys."""
    return _ending(path).lower() in _PAGES


def is_shell(path: str) -> bool:
    """True for shell scripts, where `NAME=value` without spaces is a literal, quoted or not."""
    return _ending(path).lower() in words("shell_ends")


@lru_cache(maxsize=64)
def _ending(path: str) -> str:
    """The file name extension, also of a copy that was put aside: `php` of `config.php.bak`."""
    return _PUT_ASIDE.sub("", path).rpartition(".")[2]
