"""Lines of the ignore file that do not do what they say (`cache-ignore-ineffective`).

In: the rules and the paths that reach the engine. Out: one finding for each line. Lines that let secrets through are
`context-ignore-misses`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from imgscan.detect.ignoregaps import misspelt, root_anchored, shadowed, void_negations
from imgscan.detect.secretnames import is_template, secret_name
from imgscan.dockerfile.ignore import IgnorePattern
from imgscan.escape import shorten
from imgscan.lazyre import lazy_re
from imgscan.model import Evidence, Finding, Fix, Location, Place
from imgscan.rulebook import make_finding

if TYPE_CHECKING:
    from imgscan.dockerfile.context import BuildContext

RULE: Final = "cache-ignore-ineffective"
_NAMED: Final = 5
# Names that are build output, caches or litter at every depth; others may well be meant for the root alone.
_ARTEFACTS: Final = frozenset(
    {
        *(
            "node_modules",
            "dist",
            "coverage",
            ".next",
            ".nuxt",
            ".turbo",
            ".cache",
            ".parcel-cache",
            ".git",
            ".hg",
            ".svn",
        ),
        *(
            ".venv",
            "venv",
            "__pycache__",
            ".pytest_cache",
            ".mypy_cache",
            ".ruff_cache",
            ".tox",
            ".nyc_output",
            ".DS_Store",
        ),
        *(
            ".idea",
            ".vscode",
            ".gradle",
            ".terraform",
            "logs",
            "npm-debug.log",
            "yarn-error.log",
            "Thumbs.db",
            ".tsbuildinfo",
        ),
    }
)
_EXTENSION: Final = lazy_re(r"\*\.[A-Za-z0-9_.*-]+|[A-Za-z0-9_.-]+\*")


def detect_ignore_lines(context: BuildContext, paths: Sequence[str]) -> Iterator[Finding]:
    """The findings; `paths` are the files that reach the engine."""
    rules = context.rules
    if rules is None:
        return
    file = rules.file or ".dockerignore"
    for gap in root_anchored(rules, paths):
        harmless = [path for path in gap.paths if secret_name(path) is None and not is_template(path)]
        text = gap.pattern.text
        if not harmless or not (text in _ARTEFACTS or _EXTENSION.fullmatch(text)):
            continue
        message = (
            f"line {gap.pattern.line} ({text}) keeps out the root's only; {gap.files} deeper "
            f"{'file reaches' if gap.files == 1 else 'files reach'} the build: {_listed(harmless)}"
        )
        yield _finding(file, gap.pattern, message, f"Write `**/{text}`.")
    for shadow in shadowed(rules, paths):
        if all(secret_name(path) is not None for path in shadow.paths):
            continue
        message = (
            f"line {shadow.pattern.line} ({shadow.pattern.text}) is undone by line {shadow.by.line} "
            f"(!{shadow.by.text}), which lets {_listed(shadow.paths)} in again"
        )
        yield _finding(file, shadow.pattern, message, f"Move line {shadow.pattern.line} below line {shadow.by.line}.")
    for pattern, why in misspelt(rules):
        message = f"line {pattern.line} ({shorten(pattern.text, 60)}) matches nothing: {why}"
        yield _finding(file, pattern, message, "Write one pattern a line, as it stands in the context.")
    for pattern, by in void_negations(rules, context.ignored):
        message = (
            f"line {pattern.line} (!{pattern.text}) takes nothing back: line {by.line} ({by.text}) excludes it again"
        )
        yield _finding(file, pattern, message, f"Move line {pattern.line} below line {by.line}: the last match wins.")


def _finding(file: str, pattern: IgnorePattern, message: str, fix: str) -> Finding:
    return make_finding(
        RULE,
        message=f"{posixpath.basename(file)} {message}.",
        location=Location(place=Place.CONTEXT, path=file, line=pattern.line),
        evidence=Evidence.DERIVED,
        identity=(file, ("!" if pattern.negated else "") + pattern.text),
        fix=Fix(text=fix),
    )


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more
