"""Shell inside of YAML and JSON -> snippets: package scripts, CI jobs, commands of compose services.

The CI files read are those of GitHub Actions, GitLab, CircleCI, Bitbucket, Drone/Woodpecker, Azure and Travis: a key
that these use for commands, wherever it stands.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from typing import Final

from imgscan.project.compose.nodes import ListNode, MapNode, Node, Scalar
from imgscan.project.compose.records import Argv, ComposeProject
from imgscan.project.compose.yamltree import read_yaml
from imgscan.project.shell.options import option_changes
from imgscan.project.shell.peel import script_word
from imgscan.project.shell.records import ShellKind
from imgscan.project.shell.text import Snippet

_KEYS: Final = frozenset(
    {"run", "script", "before_script", "after_script", "commands", "command", "bash", "install", "before_install"}
)
_MOST: Final = 2_000
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh"})
_CI_NAMES: Final = frozenset(
    {
        ".gitlab-ci.yml",
        ".gitlab-ci.yaml",
        ".travis.yml",
        ".drone.yml",
        ".woodpecker.yml",
        "bitbucket-pipelines.yml",
        "azure-pipelines.yml",
        "azure-pipelines.yaml",
        ".appveyor.yml",
        "cloudbuild.yaml",
    }
)
_CI_FOLDERS: Final = (
    ".github/workflows/",
    ".github/actions/",
    ".circleci/",
    ".woodpecker/",
    ".gitlab/",
    ".gitea/workflows/",
    ".forgejo/workflows/",
)
_FAILS_AT_ONCE: Final = frozenset({"errexit"})


def is_ci_file(path: str) -> bool:
    """Whether a path is that of a CI system's configuration."""
    name = posixpath.basename(path)
    return name.endswith((".yml", ".yaml")) and (
        name in _CI_NAMES or any(folder in f"{path}" for folder in _CI_FOLDERS)
    )


def ci_snippets(file: str, text: str) -> Iterator[Snippet]:
    """The commands of a CI file. An array of commands is one script."""
    found = 0
    for root in read_yaml(text, file).roots:
        for snippet in _below(root, file):
            found += 1
            if found > _MOST:
                return
            yield snippet


def _below(root: Node, file: str) -> Iterator[Snippet]:
    waiting: list[tuple[Node, str, frozenset[str]]] = [(root, "", _default_options(file, root))]
    seen: set[int] = set()
    while waiting:
        node, name, options = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, ListNode):
            waiting += [(item, name, options) for item in reversed(node.items)]
        elif isinstance(node, MapNode):
            options = _job_options(node, options)
            for key, entry in reversed(tuple(node.entries.items())):
                if key in _KEYS and not isinstance(entry.node, MapNode):
                    yield from _scripts(entry.node, file, name or key, options)
                else:
                    waiting.append((entry.node, name if key in ("steps", "jobs") else key, options))


def _scripts(node: Node, file: str, name: str, options: frozenset[str]) -> Iterator[Snippet]:
    for scalar in node.items if isinstance(node, ListNode) else (node,):
        if isinstance(scalar, Scalar) and scalar.value.strip():
            yield _snippet(scalar, file, name, options)
        elif isinstance(scalar, ListNode):
            yield from (_snippet(one, file, name, options) for one in scalar.items if isinstance(one, Scalar))


def _snippet(scalar: Scalar, file: str, name: str, options: frozenset[str]) -> Snippet:
    block = scalar.raw.count("\n") > 0
    return Snippet(
        file=file,
        name=name,
        kind=ShellKind.CI,
        line=scalar.at.line + (1 if block else 0),
        # GitHub puts expressions in before the shell sees the text.
        text=re.sub(r"\$\{\{[^}\n]{0,300}\}\}", "${GITHUB_EXPRESSION}", scalar.value),
        options=options,
    )


def _default_options(file: str, root: Node) -> frozenset[str]:
    """GitLab's runner sets `errexit` and `pipefail` (its bash executor), GitHub's default is `bash -e`."""
    if "gitlab" in file:
        return frozenset({"errexit", "pipefail"})
    return _FAILS_AT_ONCE if isinstance(root, MapNode) else frozenset()


def _job_options(node: MapNode, options: frozenset[str]) -> frozenset[str]:
    """`shell: bash` is run by GitHub as `bash --noprofile --norc -eo pipefail`."""
    shell = node.entries.get("shell")
    defaults = node.entries.get("defaults")
    if shell is None and defaults is not None and isinstance(defaults.node, MapNode):
        run = defaults.node.entries.get("run")
        shell = run.node.entries.get("shell") if run is not None and isinstance(run.node, MapNode) else None
    if shell is not None and isinstance(shell.node, Scalar):
        return frozenset({"errexit", "pipefail"}) if shell.node.value == "bash" else options
    return options


def package_snippets(file: str, text: str) -> Iterator[Snippet]:
    """The `scripts` of a package.json, with the line of each."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    scripts = document.get("scripts") if isinstance(document, dict) else None
    if not isinstance(scripts, dict):
        return
    after = max(text.find('"scripts"'), 0)
    for name, script in list(scripts.items())[:_MOST]:
        if isinstance(script, str) and script.strip():
            found = re.compile(re.escape(json.dumps(name, ensure_ascii=False)) + r"\s*:").search(text, after)
            line = text.count("\n", 0, found.start()) + 1 if found else 1
            yield Snippet(file=file, name=name, kind=ShellKind.PACKAGE, line=line, text=script)


def compose_snippets(compose: ComposeProject) -> Iterator[Snippet]:
    """`command:` and `entrypoint:` of services, where they are given to a shell."""
    for service in compose.services.values():
        for argv in (service.entrypoint, service.command):
            found = _inner(argv) if argv is not None else None
            if argv is not None and found is not None:
                script, options = found
                yield Snippet(
                    file=argv.at.file,
                    name=service.name,
                    kind=ShellKind.COMPOSE,
                    line=argv.at.line,
                    text=script,
                    options=options,
                )


def _inner(argv: Argv) -> tuple[str, frozenset[str]] | None:
    """The script of `sh -c SCRIPT` and the options that the shell is given, None for a command without a shell."""
    words = list(argv.words)
    if words and posixpath.basename(words[0]) in _SHELLS:
        script = script_word(words)
        on, _ = option_changes(tuple(words[1:script]))
        return (words[script], frozenset(on)) if script is not None else None
    return (words[0], frozenset()) if argv.shell and words else None
