"""Files of variables themselves (CONFIG-001-06, -08, -12): missing, unreadable, doubled, with a real secret in them.

In: the `Setup` and its `Facts`. Out: findings.
"""

from __future__ import annotations

from collections.abc import Iterator

from imgscan.detect.secrets.assignments import Written, judge_value
from imgscan.diff import Edit, FileChange, unified_diff
from imgscan.model import Confidence, Evidence, Finding, Fix, Severity
from imgscan.project.compose.environment import example_for
from imgscan.project.compose.places import folder_of
from imgscan.project.compose.records import EnvFile, Service
from imgscan.project.env.facts import Facts, copy_of, in_compose, in_env
from imgscan.project.env.imagevariables import needs_of
from imgscan.project.mend import patch_of
from imgscan.project.setup import EnvEntry, EnvText, Setup
from imgscan.project.sources.scope import reads_of
from imgscan.rulebook import make_finding


def detect_missing(facts: Facts) -> Iterator[Finding]:
    """Files that services want and that nobody can make: not there, and no example of them either."""
    services = [service for service in facts.project.services.values() if service.active]
    wanted: dict[str, list[tuple[Service, EnvFile]]] = {}
    for service in services:
        for file in service.env_files:
            if file.path is not None and file.required and not _can_be_made(facts, file.path):
                wanted.setdefault(file.path, []).append((service, file))
    for path, takers in wanted.items():
        yield _missing(facts, path, takers)


def _can_be_made(facts: Facts, path: str) -> bool:
    tree = facts.setup.tree
    if path in tree.files or path in tree.links:
        return True
    folder = folder_of(path)
    beside = [env.path for env in facts.setup.envs if env.example and folder_of(env.path) == folder]
    if any(copy_of(example) == path or copy_of(example).rpartition("/")[2] == ".env" for example in beside):
        return True
    # A script that writes it is as good as an example.
    name = path.rpartition("/")[2]
    return any(
        redirect.target is not None and (redirect.target.raw.strip("\"'").endswith((path, f"/{name}")))
        for shell in facts.setup.shells
        for call in shell.calls
        for redirect in call.redirects
        if redirect.operator.startswith(">")
    )


def _missing(facts: Facts, path: str, takers: list[tuple[Service, EnvFile]]) -> Finding:
    file = takers[0][1]
    names = ", ".join(taker.name for taker, _ in takers)
    elsewhere = example_for(facts.setup.tree, folder_of(path))
    hint = ""
    if elsewhere is not None:
        hint = f" {elsewhere} is the example of {copy_of(elsewhere)}, another file."
    example = f"{path}.example"
    wanted = _wanted_names(facts, [taker for taker, _ in takers])
    lines = "".join(f"{name}=change-me\n" for name in wanted)
    after = f"# Copy to {path.rpartition('/')[2]} in this folder and fill in.\n{lines}"
    return make_finding(
        "env-file-missing",
        message=f"{file.at.file} gives {names} the file {path}, which is not there, nor an example of it: compose "
        f'stops with "env file not found".{hint}',
        location=in_compose(file.at),
        places=tuple(in_compose(one.at) for _, one in takers),
        evidence=Evidence.DERIVED,
        identity=(file.at.file, path),
        fix=Fix(
            text=f"Keep {example} in the project, with a line for each variable, and say in the README that it is to "
            f"be copied to {path}; or name the file that there is.",
            patch=unified_diff((FileChange(path=example, before=None, after=after),)),
        ),
    )


def _wanted_names(facts: Facts, services: list[Service]) -> list[str]:
    """The variables that these services cannot do without, by their images and sources."""
    found: list[str] = []
    for service in services:
        needs = needs_of(service)
        found += [need[0] for need in needs if not any(name in service.environment for name in need)]
        found += [r.name for r in reads_of(service, facts.setup) if r.required and r.default is None]
    return list(dict.fromkeys(found))


def detect_texts(setup: Setup) -> Iterator[Finding]:
    """Lines of files of variables that compose cannot read, reads twice, or reads as something else."""
    read = _read_by_compose(setup)
    for env in setup.envs:
        # Files of other programs (a bundler's, a test runner's) have grammars of their own.
        for line, message in env.broken if env.path in read else ():
            yield make_finding(
                "env-file-broken",
                message=f"compose stops at line {line} of {env.path}: {message}.",
                location=in_env(env.path, line),
                evidence=Evidence.DERIVED,
                identity=(env.path, message),
                fix=Fix(text=f"Write line {line} of {env.path} as NAME=value, with a quote at both ends or at none."),
            )
        yield from _doubled(setup, env)
        if env.path in read:
            yield from _colons(setup, env)
        if env.example:
            yield from _real_values(env)


def _read_by_compose(setup: Setup) -> set[str]:
    """The files of variables that compose reads, and the examples of those."""
    read = {file.path for c in setup.composes for service in c.services.values() for file in service.env_files}
    read |= {copy_of(project.example) for project in setup.composes if project.example is not None}
    read |= {project.env_file for project in setup.composes}
    examples = {env.path for env in setup.envs if env.example and copy_of(env.path) in read}
    return examples | {path for path in read if path is not None}


def _doubled(setup: Setup, env: EnvText) -> Iterator[Finding]:
    by_name: dict[str, list[EnvEntry]] = {}
    for entry in env.entries:
        by_name.setdefault(entry.name, []).append(entry)
    for name, entries in by_name.items():
        if len(entries) < 2:
            continue
        last = entries[-1]
        differ = len({entry.value for entry in entries}) > 1
        lines = ", ".join(str(entry.line) for entry in entries)
        edits = [edit for entry in entries[:-1] for edit in _line_out(setup, entry)]
        yield make_finding(
            "env-file-duplicate",
            message=f"{env.path} sets {name} in lines {lines}; line {last.line} counts"
            + (", and the values differ." if differ else "."),
            location=in_env(env.path, last.line),
            places=tuple(in_env(env.path, entry.line) for entry in entries),
            evidence=Evidence.DERIVED,
            identity=(env.path, name),
            severity=None if differ else Severity.LOW,
            fix=Fix(
                text=f"Keep one line for {name} in {env.path}.",
                patch=patch_of(setup, env.path, edits) if len(edits) == len(entries) - 1 else None,
            ),
        )


def _line_out(setup: Setup, entry: EnvEntry) -> list[Edit]:
    text = setup.tree.text(entry.file) or ""
    lines = text.split("\n")
    if "\n" in entry.raw or entry.line > len(lines):
        return []
    start = sum(len(line) + 1 for line in lines[: entry.line - 1])
    return [Edit(start=start, end=min(start + len(lines[entry.line - 1]) + 1, len(text)), text="")]


def _colons(setup: Setup, env: EnvText) -> Iterator[Finding]:
    """`NAME: value`, which compose takes and shells and other readers do not."""
    text = setup.tree.text(env.path) or ""
    lines = text.split("\n")
    offset = 0
    starts = []
    for line in lines:
        starts.append(offset)
        offset += len(line) + 1
    for entry in env.entries:
        line = lines[entry.line - 1] if entry.line <= len(lines) else ""
        head, colon, rest = line.partition(":")
        if not colon or head.strip().removeprefix("export ").strip() != entry.name:
            continue
        start = starts[entry.line - 1] + len(head.rstrip())
        end = starts[entry.line - 1] + len(head) + 1 + len(rest) - len(rest.lstrip(" \t"))
        yield make_finding(
            "env-file-colon",
            message=f"line {entry.line} of {env.path} is written as YAML, `{entry.name}: …`; compose takes it, "
            "`source`, `docker run --env-file` and most libraries do not.",
            location=in_env(env.path, entry.line),
            evidence=Evidence.PATTERN,
            identity=(env.path, entry.name),
            fix=Fix(
                text=f"Write {entry.name}=… in line {entry.line} of {env.path}.",
                patch=patch_of(setup, env.path, [Edit(start=start, end=end, text="=")]),
            ),
        )


def _real_values(env: EnvText) -> Iterator[Finding]:
    """Values of an example that look as if somebody used them."""
    for entry in env.entries:
        verdict = judge_value(entry.name, entry.value.encode("utf-8", "surrogateescape"), Written.LITERAL)
        if verdict is None or verdict[1] is Confidence.LOW:
            continue
        yield make_finding(
            "env-example-secret",
            message=f"{entry.name} in line {entry.line} of {env.path} has a value that looks like a real secret "
            f"({len(entry.value)} characters).",
            location=in_env(env.path, entry.line),
            evidence=Evidence.PATTERN,
            identity=(env.path, entry.name),
            fix=Fix(
                text=f"Put a word in its place that nobody takes for a value ({entry.name}=change-me), and replace the "
                "secret where it is used: it is in the history of the repository."
            ),
        )
