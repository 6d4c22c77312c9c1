"""dive's CI rules: a `.dive-ci` file as budgets on dive's own figures, for projects that move over.

Values, defaults and what switches a rule off are those of dive 0.13 (`cmd/dive/cli/internal/options/ci.go`,
`.../command/ci/rules.go`). Where dive ignores what it does not know, this refuses it: a limit that is silently not read
looks like one that holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgscan.alike import alike
from imgscan.errors import InputError
from imgscan.frozen import frozen
from imgscan.risk.budgets import Limit, ratio, size_bytes

if TYPE_CHECKING:
    import yaml

FILE_NAME: Final = ".dive-ci"
MAX_BYTES: Final = 65_536
_OFF: Final = frozenset({"", "disabled", "off", "false"})


@frozen
class _Rule:
    """One of dive's rules. `default` is what dive takes where the file does not name the rule."""

    budget: str
    default: str
    read: Callable[[str], float | None]
    expected: str


def _size(text: str) -> float | None:
    # dive's reader of sizes drops commas, wherever they are.
    return size_bytes(text.replace(",", ""))


_RULES: Final = {
    "lowestEfficiency": _Rule(budget="dive-efficiency", default="0.9", read=ratio, expected="a ratio such as 0.95"),
    "highestWastedBytes": _Rule(
        budget="dive-wasted-bytes", default="disabled", read=_size, expected="a size such as 20MB"
    ),
    "highestUserWastedPercent": _Rule(
        budget="dive-user-wasted-percent", default="0.1", read=ratio, expected="a ratio such as 0.2"
    ),
}


@frozen
class DiveRules:
    """A file's rules: the limits that it sets, and the line for people that names them all."""

    limits: tuple[Limit, ...]
    summary: str


def find_dive_ci(folders: Iterable[Path]) -> Path | None:
    """The `.dive-ci` of the first folder that has one."""
    # A link that leads nowhere is found as well: reading it then says so.
    return next((path for folder in folders if os.path.lexists(path := folder / FILE_NAME)), None)


def read_dive_ci(path: Path) -> DiveRules:
    """The rules of a file. Raises InputError for what cannot be read, an unknown key, or a value that dive refuses."""
    given = dict(_entries(_mapping(_document(path), path, "rules"), path))
    limits: list[Limit] = []
    said: list[str] = []
    for name, rule in _RULES.items():
        text = given.get(name, rule.default)
        by_default = ", dive's default" if name not in given else ""
        if text.strip().lower() in _OFF:
            said.append(f"{name} off{by_default}")
            continue
        value = rule.read(text.strip())
        if value is None:
            raise InputError(
                f"{path}: {name}: {text!r} is not {rule.expected}", next_step="correct it, or write: disabled"
            )
        said.append(f"{name} {text}{by_default}")
        limits.append(Limit(key=rule.budget, value=value, source=f"{name} of {path}{by_default}"))
    return DiveRules(limits=tuple(limits), summary="; ".join(said))


def _document(path: Path) -> yaml.Node | None:
    """The file's one document, its scalars as they were written. The parser's own words quote the file, so of an error
    only the line is told."""
    import yaml

    try:
        if not path.is_file():
            raise InputError(f"{path} is not a file", next_step="name the file: --dive-ci FILE")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{path} is larger than any file of rules: {MAX_BYTES} bytes are read")
    try:
        document: yaml.Node | None = yaml.compose(data, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path} is not valid YAML{where}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{path} is not valid YAML") from error
    return document


def _mapping(document: yaml.Node | None, path: Path, wanted: str) -> yaml.Node | None:
    """What stands under `rules:`; None for an empty file or key, with which dive takes its defaults."""
    rules: yaml.Node | None = None
    for key, value, line in _pairs(document, path):
        if key != wanted:
            raise InputError(f"unknown key {key!r} in line {line} of {path}", next_step=_outside_hint(key))
        rules = value
    return rules


def _entries(rules: yaml.Node | None, path: Path) -> Iterator[tuple[str, str]]:
    """The rules that have a value: dive takes a key without one as a key that is not there."""
    import yaml

    for key, value, line in _pairs(rules, path):
        if key not in _RULES:
            raise InputError(f"unknown rule {key!r} in line {line} of {path}", next_step=_rule_hint(key))
        if not isinstance(value, yaml.ScalarNode):
            raise InputError(f"{path}: {key} takes one value (line {line})")
        if value.tag != "tag:yaml.org,2002:null":
            yield key, str(value.value)


def _pairs(node: yaml.Node | None, path: Path) -> Iterator[tuple[str, yaml.Node, int]]:
    """Keys, values and lines of a mapping; nothing for an empty one."""
    import yaml

    if node is None or node.tag == "tag:yaml.org,2002:null":
        return
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1
        raise InputError(f"{path}: line {line} is not a list of `key: value`", next_step=_EXAMPLE)
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        if name in seen:
            raise InputError(f"{path}: {name!r} is there twice, again in line {line}")
        seen.add(name)
        yield name, value, line


_EXAMPLE: Final = "write rules: with lowestEfficiency, highestWastedBytes, highestUserWastedPercent under it"


def _outside_hint(key: str) -> str:
    if key in _RULES:
        return f"indent {key} under `rules:`"
    return "did you mean 'rules'?" if alike(key.lower(), ["rules"]) else _EXAMPLE


def _rule_hint(key: str) -> str:
    plain = {name.lower(): name for name in _RULES}
    folded = key.replace("-", "").replace("_", "").lower().removesuffix("threshold")
    near = alike(folded, list(plain))
    return f"did you mean {plain[near[0]]!r}?" if near else f"rules: {', '.join(_RULES)}"
