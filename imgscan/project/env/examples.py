"""The example against what reads it (CONFIG-001-01, -02, -05, -11): names that it lacks, names that nobody uses, names
that are nearly right, and an example that is copied to where compose does not look.

In: `Facts`. Out: findings.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Final

from imgscan.detect.words import is_secret_name
from imgscan.diff import Edit, FileChange, line_end_of, unified_diff
from imgscan.model import Evidence, Finding, Fix
from imgscan.project.compose.places import folder_of
from imgscan.project.compose.records import EnvFile, Mark
from imgscan.project.env.facts import Facts, Use, copy_of, in_compose, in_env
from imgscan.project.mend import patch_of
from imgscan.project.setup import EnvEntry, EnvText
from imgscan.rulebook import make_finding

_PASSWORDS: Final = frozenset({"PASS", "PASSWD", "PASSWORD", "PW", "PWD"})
_SHORTEST: Final = 5
_MOST: Final = 50


def detect_examples(facts: Facts) -> Iterator[Finding]:
    """The findings on the names of one project."""
    misplaced = _misplaced(facts)
    lacking = [use for use in _lacking(facts) if use.name not in misplaced]
    renamed = _renamed(facts, lacking)
    if misplaced:
        yield _wrong_place(facts, [facts.uses[name] for name in misplaced])
    for name, entry in renamed.items():
        yield _nearly_right(facts, facts.uses[name], entry)
    missing = [use for use in lacking if use.name not in renamed]
    if facts.example is not None:
        for use in missing[:_MOST]:
            yield _not_in_example(facts, use, facts.example)
    elif missing:
        yield _no_example(facts, missing)
    yield from _not_mentioned(facts)


def unused_entries(facts: Facts, env: EnvText) -> list[EnvEntry]:
    """The lines of an example that nothing in the whole tree reads."""
    shared = facts.shared
    if any(file.path == copy_of(env.path) for file in _env_files(facts)):
        return []  # a service gets them all, and its image may read them
    names = {entry.name: entry for entry in env.entries}
    used = {variable.name for project in facts.setup.composes for variable in project.variables}
    return [
        entry
        for name, entry in names.items()
        if name not in used and not shared.comes_from_elsewhere(name) and name not in shared.words
    ]


def detect_unused(facts: Facts) -> Iterator[Finding]:
    """Lines of the example that nobody reads."""
    if facts.example is None:
        return
    taken = {entry.name for entry in _renamed(facts, _lacking(facts)).values()}
    for entry in unused_entries(facts, facts.example)[:_MOST]:
        if entry.name in taken:
            continue
        yield make_finding(
            "env-example-unused",
            message=f"{entry.file} sets {entry.name}, which no compose file, source or script of the project reads.",
            location=in_env(entry.file, entry.line),
            evidence=Evidence.PATTERN,
            identity=(entry.file, entry.name),
            fix=Fix(
                text=f"Remove {entry.name} from {entry.file}, or correct its name.",
                patch=patch_of(facts.setup, entry.file, _without_line(facts, entry)),
            ),
        )


def _env_files(facts: Facts) -> Iterator[EnvFile]:
    return (file for project in facts.setup.composes for s in project.services.values() for file in s.env_files)


def _lacking(facts: Facts) -> list[Use]:
    """The variables that need a value and get none from the example (or, without one, from the file that is read)."""
    found = []
    for use in facts.uses.values():
        if not use.needs_value or facts.shared.comes_from_elsewhere(use.name):
            continue
        if facts.example is not None:
            if facts.in_example(use.name) is None and not facts.shared.is_commented(facts.example, use.name):
                found.append(use)
        elif use.first.value is None:
            found.append(use)
    return found


def _misplaced(facts: Facts) -> list[str]:
    """The variables that only a file gives which compose does not read for this project."""
    example = facts.example
    if example is None or facts.project.env_file is not None or facts.shared.gives_env_file:
        return []
    if folder_of(copy_of(example.path)) == facts.project.directory:
        return []
    return [use.name for use in facts.uses.values() if use.needs_value and facts.in_example(use.name) is not None]


def _renamed(facts: Facts, lacking: Iterable[Use]) -> dict[str, EnvEntry]:
    """Names that the example lacks, with its unused line that is nearly called so."""
    if facts.example is None:
        return {}
    unused = {entry.name: entry for entry in unused_entries(facts, facts.example)}
    found: dict[str, EnvEntry] = {}
    for use in lacking:
        near = [entry for name, entry in unused.items() if is_near(use.name, name)]
        if len(near) == 1:
            found[use.name] = near[0]
            del unused[near[0].name]
    return found


def is_near(one: str, other: str) -> bool:
    """Whether two names are nearly the same: all words but one are, and that one is misspelt, or the same in other
    words (`DB` and `DBNAME`, `PASS` and `PASSWORD`). HOST and PORT are not near."""
    if min(len(one), len(other)) < _SHORTEST or one == other:
        return False
    left, right = ([word for word in name.upper().split("_") if word] for name in (one, other))
    if "".join(left) == "".join(right):
        return True
    if len(left) == len(right):
        differing = [(a, b) for a, b in zip(left, right, strict=True) if a != b]
        return len(differing) == 1 and _is_near_word(*differing[0])
    short, long = sorted((left, right), key=len)
    return long[:-1] == short and long[-1] == "NAME"


def _is_near_word(one: str, other: str) -> bool:
    if {one, other} <= _PASSWORDS or distance(one, other) <= max(len(one), len(other)) // 3:
        return True
    short, long = sorted((one, other), key=len)
    return long in (f"{short}NAME", f"{short}S")


def distance(one: str, other: str) -> int:
    """How many letters have to be put in, taken out or replaced (Levenshtein); 3 stands for more than 2."""
    if abs(len(one) - len(other)) > 2:
        return 3
    before = list(range(len(other) + 1))
    for row, left in enumerate(one, 1):
        current = [row]
        for column, right in enumerate(other, 1):
            current.append(min(before[column] + 1, current[-1] + 1, before[column - 1] + (left != right)))
        before = current
    return min(before[-1], 3)


def _without_line(facts: Facts, entry: EnvEntry) -> list[Edit]:
    """The line of an entry taken out; none where its value has several."""
    text = facts.setup.tree.text(entry.file) or ""
    if "\n" in entry.raw:
        return []
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[: entry.line - 1])
    end = min(start + len(lines[entry.line - 1]) + 1, len(text))
    return [Edit(start=start, end=end, text="")]


def _nearly_right(facts: Facts, use: Use, entry: EnvEntry) -> Finding:
    text = facts.setup.tree.text(entry.file) or ""
    lines = text.split("\n")
    start = sum(len(line) + 1 for line in lines[: entry.line - 1])
    at = text.find(entry.name, start)
    edits = [Edit(start=at, end=at + len(entry.name), text=use.name)] if at >= 0 else []
    where = use.first
    return make_finding(
        "env-example-typo",
        message=(
            f"{where.at.file} line {where.at.line} uses {use.name}; {entry.file} sets {entry.name}, which nothing "
            f"reads: {_without_it(use)}."
        ),
        location=in_env(entry.file, entry.line),
        places=(in_env(entry.file, entry.line), in_compose(where.at)),
        evidence=Evidence.DERIVED,
        identity=(entry.file, entry.name, use.name),
        fix=Fix(
            text=f"Call it {use.name} in line {entry.line} of {entry.file}.",
            patch=patch_of(facts.setup, entry.file, edits),
        ),
    )


def _without_it(use: Use) -> str:
    return "compose stops without it" if use.is_required else "compose warns and puts an empty string there"


def _not_in_example(facts: Facts, use: Use, example: EnvText) -> Finding:
    where = use.first
    text = facts.setup.tree.text(example.path) or ""
    end = line_end_of(text)
    glue = "" if not text or text.endswith("\n") else end
    edit = Edit(start=len(text), end=len(text), text=f"{glue}{_line(facts, use)}{end}")
    return make_finding(
        "env-variable-not-in-example",
        message=(
            f"{where.at.file} line {where.at.line} uses {use.name} without a default ({where.path}); "
            f"{example.path} does not have it: {_without_it(use)}."
        ),
        location=in_compose(where.at),
        evidence=Evidence.DERIVED,
        identity=(where.at.file, use.name),
        fix=Fix(
            text=f"Add {use.name} to {example.path}, or give it a default: ${{{use.name}:-…}}.",
            patch=patch_of(facts.setup, example.path, [edit]),
        ),
    )


def _line(facts: Facts, use: Use) -> str:
    """The line for an example: a value that works where one can be told, else a word to be replaced."""
    return f"{use.name}={_proposed(facts, use)}"


def _proposed(facts: Facts, use: Use) -> str:
    where = use.first
    if where.path.endswith(("ports.[]", "ports.[].published")):
        ports = (port for service in facts.project.services.values() for port in service.ports)
        target = next((port.target for port in ports if _holds(port.at, where.at)), None)
        if target is not None:
            return str(target)
    return "change-me" if is_secret_name(use.name) or use.is_required else ""


def _holds(outer: Mark, inner: Mark) -> bool:
    return outer.file == inner.file and outer.start <= inner.start < outer.end


def _no_example(facts: Facts, missing: list[Use]) -> Finding:
    where = missing[0].first
    path = posixpath.join(facts.project.directory, ".env.example")
    names = ", ".join(use.name for use in missing[:6]) + (" …" if len(missing) > 6 else "")
    lines = "".join(f"{_line(facts, use)}\n" for use in missing)
    head = "# Copy to .env in this folder and fill in.\n"
    patch = unified_diff((FileChange(path=path, before=None, after=head + lines),))
    needs = "compose stops without them" if any(use.is_required for use in missing) else "each becomes an empty string"
    return make_finding(
        "env-example-missing",
        message=f"{where.at.file} uses {names} without a default, and no file of the project gives values: {needs}.",
        location=in_compose(where.at),
        evidence=Evidence.ABSENT,
        identity=(facts.identity,),
        fix=Fix(text=f"Keep an example beside the compose file, {path}, with a line for each: {names}.", patch=patch),
    )


def _wrong_place(facts: Facts, uses: list[Use]) -> Finding:
    example = facts.example
    source = example.path if example else ""
    where = uses[0].first
    directory = facts.project.directory or "the root"
    names = ", ".join(use.name for use in uses[:6]) + (" …" if len(uses) > 6 else "")
    copied = copy_of(source)
    file = facts.project.files[0]
    return make_finding(
        "env-file-misplaced",
        message=(
            f"{source} gives {names}, but compose replaces variables of {file} from {directory}/.env, the folder of "
            f"its first file; {copied} is not read."
        ),
        location=in_compose(where.at),
        places=(in_compose(where.at), in_env(source)),
        evidence=Evidence.DERIVED,
        identity=(file, source),
        fix=Fix(
            text=f"Start it with `docker compose --env-file {copied} -f {file} …` in a script that everybody uses, or "
            f"move {source} to {directory}."
        ),
    )


def _not_mentioned(facts: Facts) -> Iterator[Finding]:
    """An example that the project's own documentation does not mention."""
    example = facts.example
    readmes = [path for path in facts.setup.tree.files if path.lower().endswith((".md", ".rst", ".txt", ".adoc"))]
    if example is None or not readmes or not facts.uses:
        return
    name, copied = example.path.rpartition("/")[2], copy_of(example.path).rpartition("/")[2]
    texts = [facts.setup.tree.text(path) or "" for path in readmes] + [shell.text for shell in facts.setup.shells]
    if any(name in text or copied in text for text in texts):
        return
    yield make_finding(
        "env-example-unmentioned",
        message=f"{example.path} is to be copied to {copy_of(example.path)}; no document or script says so.",
        location=in_env(example.path),
        evidence=Evidence.ABSENT,
        identity=(example.path,),
        fix=Fix(text=f"Tell it in the README: `cp {example.path} {copy_of(example.path)}`."),
    )
