"""Reads of the environment in Ruby, PHP, Java, Kotlin, Rust, C# and Elixir, by their usual spellings. Pure.

In: texts by path. Out: `Sources` with reads alone. Every pattern is linear in the text; comments are not told apart.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from imgscan.lazyre import lazy_re
from imgscan.project.sources.records import EnvRead, Sources

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
_TEXT: Final = r"(?:'(?P<d1>[^'\n]{0,300})'|\"(?P<d2>[^\"\n]{0,300})\"|(?P<d3>\d{1,10}|true|false))"
_RUBY: Final = (
    re.compile(rf"\bENV\[\s*['\"](?P<name>{_NAME})['\"]\s*\](?:\s*\|\|\s*{_TEXT})?"),
    re.compile(rf"\bENV\.fetch\(?\s*['\"](?P<name>{_NAME})['\"](?:\s*,\s*{_TEXT})?(?P<block>\s*\)\s*(?:\{{|do\b))?"),
)
_PHP: Final = (
    re.compile(rf"\b(?:getenv|env)\(\s*['\"](?P<name>{_NAME})['\"](?:\s*,\s*{_TEXT})?"),
    re.compile(
        rf"\$_(?:ENV|SERVER)\[\s*['\"](?P<name>[A-Z][A-Z0-9_]{{0,127}})['\"]\s*\](?:\s*(?:\?\?|\?:)\s*{_TEXT})?"
    ),
)
_JAVA: Final = (
    re.compile(rf"\bSystem\.getenv\(\s*\"(?P<name>{_NAME})\"\s*\)"),
    re.compile(rf"\bgetenv\(\)\.getOrDefault\(\s*\"(?P<name>{_NAME})\"\s*,\s*{_TEXT}"),
    re.compile(r"@Value\(\s*\"\$\{(?P<name>[A-Z][A-Z0-9_]{0,127})(?::(?P<d1>[^}\n]{0,300}))?\}"),
)
_SPRING: Final = (re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]{0,127})(?::(?P<d1>[^}\n]{0,300}))?\}"),)
_RUST: Final = (
    re.compile(rf"\benv::var(?:_os)?\(\s*\"(?P<name>{_NAME})\"\s*\)(?:\s*\.unwrap_or\w*\([^\"\n)]{{0,40}}{_TEXT})?"),
)
_CSHARP: Final = (
    re.compile(rf"\bEnvironment\.GetEnvironmentVariable\(\s*\"(?P<name>{_NAME})\"\s*\)(?:\s*\?\?\s*{_TEXT})?"),
)
_ELIXIR: Final = (
    re.compile(rf"\bSystem\.(?P<must>fetch_env!|get_env)\(\s*\"(?P<name>{_NAME})\"\s*\)?(?:\s*(?:,|\|\|)\s*{_TEXT})?"),
)
_PATTERNS: Final = {
    "rb": _RUBY,
    "ru": _RUBY,
    "php": _PHP,
    "java": _JAVA,
    "kt": _JAVA,
    "properties": _SPRING,
    "yml": _SPRING,
    "yaml": _SPRING,
    "rs": _RUST,
    "cs": _CSHARP,
    "ex": _ELIXIR,
    "exs": _ELIXIR,
}
_REQUIRED: Final = lazy_re(r"ENV\.fetch|fetch_env!")
_FROM_ELSEWHERE: Final = frozenset(
    {"REQUEST_METHOD", "REQUEST_URI", "HTTP_HOST", "REMOTE_ADDR", "SERVER_NAME", "DOCUMENT_ROOT"}
)


def read(texts: Mapping[str, str], manifests: Mapping[str, str]) -> Sources:
    """What is in the texts; `manifests` are not needed."""
    found = (each for path, text in texts.items() for each in _reads(path, text))
    return Sources(reads=tuple(dict.fromkeys(found)))


def _reads(path: str, text: str) -> Iterator[EnvRead]:
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    for pattern in _PATTERNS[path.rpartition(".")[2]]:
        for found in pattern.finditer(text):
            groups = found.groupdict()
            name = groups["name"]
            if name in _FROM_ELSEWHERE or name.startswith("HTTP_"):
                continue
            default = next((groups[key] for key in ("d1", "d2", "d3") if groups.get(key) is not None), None)
            handled = default is not None or bool(groups.get("block"))
            yield EnvRead(
                name=name,
                file=path,
                line=bisect_right(starts, found.start()),
                default=default,
                required=not handled
                and bool(_REQUIRED.search(found[0]) or path.endswith(("properties", "yml", "yaml"))),
                optional=handled,
            )
