"""What a compose project says of variables, gathered once. In: the `Setup`. Out: `Facts` for each project. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cached_property
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import Location, Place
from imgscan.project.compose.environment import example_for
from imgscan.project.compose.places import folder_of
from imgscan.project.compose.records import ComposeProject, Mark, Variable
from imgscan.project.setup import EnvEntry, EnvText, Setup
from imgscan.project.shell.records import ShellKind

_AMBIENT: Final = frozenset(
    {
        "CI", "DISPLAY", "EDITOR", "HOME", "HOSTNAME", "HTTPS_PROXY", "HTTP_PROXY", "LANG", "LOGNAME", "NO_PROXY",
        "OLDPWD", "PATH", "PWD", "SHELL", "SSH_AUTH_SOCK", "TERM", "TMPDIR", "USER", "USERPROFILE", "WAYLAND_DISPLAY",
        "http_proxy", "https_proxy", "no_proxy",
    }
)  # fmt: skip
"""Variables that a shell, a session or a CI job exports of itself."""
_OWN_PREFIXES: Final = ("COMPOSE_", "DOCKER_", "BUILDKIT_", "BUILDX_", "GITHUB_", "CI_", "XDG_")
_WORD: Final = lazy_re(r"[A-Za-z_][A-Za-z0-9_]{2,99}")
_MOST_CHARS: Final = 16 << 20
_LARGEST: Final = 512 << 10
_LOCKS: Final = lazy_re(r"(^|/)([\w.-]*[.-]lock(\.\w+)?|package-lock\.json|go\.sum|pnpm-lock\.yaml)$")
_GIVES_ENV_FILE: Final = lazy_re(
    r"--env-file|COMPOSE_ENV_FILES|--project-directory|(?:^|[\s;&|(])(?:source|\.)\s+\S*\.env\b|\bset\s+-a\b|"
    r"\bcat\s+\S*\.env\b|\bdotenv\b|^\s*-?include\s+\S*\.env\b",
    re.MULTILINE,
)


@frozen
class Use:
    """A variable of the compose files with every place that uses it."""

    name: str
    places: tuple[Variable, ...]

    @property
    def needs_value(self) -> bool:
        """Whether a place takes it without a default."""
        return any(not place.has_default for place in self.places)

    @property
    def is_required(self) -> bool:
        """Whether compose refuses to go on without it."""
        return any(place.operator.endswith("?") for place in self.places)

    @property
    def first(self) -> Variable:
        """The first place that needs a value, else the first one."""
        return next((place for place in self.places if not place.has_default), self.places[0])


@frozen(slots=False)
class Facts:
    """A compose project with the example that its users copy, and what the whole tree says of names."""

    setup: Setup
    project: ComposeProject
    shared: Shared

    @cached_property
    def uses(self) -> Mapping[str, Use]:
        """The variables that the compose files replace, by name."""
        found: dict[str, list[Variable]] = {}
        for variable in self.project.variables:
            found.setdefault(variable.name, []).append(variable)
        return {name: Use(name=name, places=tuple(places)) for name, places in found.items()}

    @cached_property
    def example(self) -> EnvText | None:
        """The example of the file of variables that compose reads. One of a folder above counts if it has any of the
        names that the compose files use: it may be another program's."""
        env = self.shared.env(example_for(self.setup.tree, self.project.directory))
        if env is None or folder_of(env.path) == self.project.directory:
            return env
        return env if any(entry.name in self.uses for entry in env.entries) else None

    @property
    def identity(self) -> str:
        """What makes the project itself: its first file."""
        return self.project.files[0] if self.project.files else ""

    def in_example(self, name: str) -> EnvEntry | None:
        """The example's line for a name; the last one counts."""
        entries = self.example.entries if self.example else ()
        return next((entry for entry in reversed(entries) if entry.name == name), None)


@frozen(slots=False)
class Shared:
    """What is asked of the whole tree."""

    setup: Setup
    _by_path: dict[str, EnvText] = field(default_factory=dict)

    def env(self, path: str | None) -> EnvText | None:
        """A file of variables by its path."""
        if not self._by_path:
            self._by_path.update({env.path: env for env in self.setup.envs})
        return self._by_path.get(path) if path is not None else None

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of the project's texts, files of variables and locks apart."""
        found: set[str] = set()
        left = _MOST_CHARS
        for path, file in self.setup.tree.files.items():
            if path in self._paths or file.size_bytes > _LARGEST or _LOCKS.search(path):
                continue
            text = self.setup.tree.text(path) if left > 0 else None
            if text is not None and "\0" not in text[:1_000]:
                left -= len(text)
                found.update(_WORD.findall(text))
        return frozenset(found)

    @cached_property
    def _paths(self) -> frozenset[str]:
        return frozenset(env.path for env in self.setup.envs)

    @cached_property
    def gives_env_file(self) -> bool:
        """Whether a script, a recipe or a CI job tells compose which file of variables to read, or loads one."""
        return any(_GIVES_ENV_FILE.search(shell.text) for shell in self.setup.shells) or any(
            _GIVES_ENV_FILE.search(self.setup.tree.text(path) or "") for path in self.setup.tree.named("Makefile")
        )

    @cached_property
    def _assigned(self) -> frozenset[str]:
        pattern = re.compile(r"(?<![\w$])([A-Za-z_][A-Za-z0-9_]{0,99})\s?[:?+]?=")
        texts = [shell.text for shell in self.setup.shells if shell.kind is not ShellKind.COMPOSE]
        texts += [self.setup.tree.text(path) or "" for path in self.setup.tree.named("Makefile")]
        return frozenset(name for text in texts for name in pattern.findall(text))

    def comes_from_elsewhere(self, name: str) -> bool:
        """Whether a shell, a session, compose itself or a script of the project sets a variable."""
        return name in _AMBIENT or name.startswith(_OWN_PREFIXES) or name in self._assigned

    def is_commented(self, env: EnvText, name: str) -> bool:
        """Whether a file of variables tells of a name in a comment: `# NAME=value`."""
        text = self.setup.tree.text(env.path) or ""
        return re.search(rf"(?m)^\s*#\s*{re.escape(name)}\s*=", text) is not None


def facts_of(setup: Setup) -> Iterator[Facts]:
    """The facts of each compose project."""
    shared = Shared(setup=setup)
    return (Facts(setup=setup, project=project, shared=shared) for project in setup.composes)


def in_compose(mark: Mark) -> Location:
    """A place in a compose file."""
    return Location(place=Place.COMPOSE, path=mark.file, line=mark.line)


def in_env(path: str, line: int = 1) -> Location:
    """A place in a file of variables."""
    return Location(place=Place.CONTEXT, path=path, line=line)


def copy_of(example: str) -> str:
    """The file that an example is copied to: `.env` beside it, or the same name without `example`."""
    folder, name = folder_of(example), example.rpartition("/")[2]
    bare = re.sub(r"[.-](example|sample|dist|template|tmpl|tpl|default|defaults)(?=[.-]|$)", "", name)
    bare = ".env" if bare in (name, "", "env", "example.env") else bare
    return posixpath.join(folder, bare)
