"""Rules that are for documents of certain paths alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, cast

from imgscan.detect.secrets.rules import SecretRule
from imgscan.lazyre import lazy_re

_NEVER: Final = r"\z."
_COUNTED: Final = lazy_re(r"\{([0-9]+),[0-9]*\}")


class PathRules:
    """Those of some rules that have a path."""

    def __init__(self, rules: Sequence[SecretRule]) -> None:
        self._rules = [rule for rule in rules if rule.path is not None]

    def has_one_for(self, path: str) -> bool:
        """Whether any of them is for a document of this path."""
        return self._paths.search(path) is not None and any(rule.is_for(path) for rule in self._rules)

    def ids_for_others(self, path: str) -> frozenset[str]:
        """The ids of those that are for documents of other paths alone."""
        return frozenset(rule.id for rule in self._rules if not rule.is_for(path))

    @cached_property
    def _paths(self) -> Any:  # noqa: ANN401 - a pattern of re2, which has no types
        # All paths in one pattern that fits a few more: each that a part may be repeated makes a program longer, and
        # most files are for none of the rules.
        import re2

        options = re2.Options()
        options.case_sensitive = False
        paths = [_COUNTED.sub(_uncounted, cast("re.Pattern[str]", rule.path).pattern) for rule in self._rules]
        return re2.compile("|".join(paths) if paths else _NEVER, options)


def _uncounted(repetition: re.Match[str]) -> str:
    return "*" if repetition[1] == "0" else "+"
