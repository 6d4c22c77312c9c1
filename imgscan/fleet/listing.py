"""The nouns of listing: what is asked of sources, what came of it, and what of the machine it takes."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

from imgscan.errors import ImgscanError, InputError
from imgscan.escape import plain, shorten
from imgscan.fleet.tags import TagRules, prepare
from imgscan.fleets import NotListed, Wanted
from imgscan.frozen import frozen
from imgscan.pathglob import GlobError, compile_glob
from imgscan.source.backoff import Effects
from imgscan.source.platforms import parse_platform
from imgscan.source.reference import SCHEME, Reference, parse_host
from imgscan.source.registryhost import RegistryHost
from imgscan.source.registryhttp import CERTS_DIRS

if TYPE_CHECKING:
    from imgscan.engine import Engine

ALL_PLATFORMS: Final = "all"
_LONGEST_TEAM: Final = 60
NamesFrom = Literal["engine", "registry"]

Found = Wanted | NotListed
"""What a source gives, one by one."""


@frozen
class ListOptions:
    """How sources are listed.

    `tags` says which tags of listed repositories are wanted, `not_repositories` (globs) which repositories are not.
    `platforms` are those of images in registries and layouts that have several: none for the one that a scan takes,
    `all` for every one that an index lists. `dangling`: images of the engine without a name, too. `names_from` is where
    names without `registry://` are looked for: None for the engine, but a registry for those in manifests. `env_files`
    are what compose reads variables from. `teams` are beginnings of names and whose they are, the longest counts;
    `team` is whose images are of which these say nothing. `connections` is how many requests a registry gets at once.
    """

    tags: TagRules = field(default_factory=TagRules)
    not_repositories: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    dangling: bool = False
    names_from: NamesFrom | None = None
    env_files: tuple[Path, ...] = ()
    insecure_hosts: tuple[str, ...] = ()
    connections: int = 4
    teams: tuple[tuple[str, str], ...] = ()
    team: str = ""


@frozen
class Listed:
    """The images of all sources, each once, and the parts of sources that could not be listed."""

    wanted: tuple[Wanted, ...]
    not_listed: tuple[NotListed, ...]


@frozen
class Bounds:
    """How much of a registry is listed: repositories, tags of one of them (wanted or not), pages of one list, tags of a
    repository whose images are looked at, and images in all."""

    repositories: int = 200_000
    tags: int = 100_000
    pages: int = 20_000
    looks: int = 10_000
    images: int = 1_000_000


def _connect() -> Engine:
    from imgscan.engine import Engine

    return Engine.connect()


def _standard_input() -> BinaryIO:
    return sys.stdin.buffer if sys.stdin is not None else io.BytesIO()


@frozen
class World:
    """The machine as listing sees it: where logins and certificates are, waiting and the time, standard input, the
    engine, and how much is too much."""

    environment: Mapping[str, str] | None = None
    home: Path | None = None
    certs_dirs: tuple[Path, ...] = CERTS_DIRS
    effects: Effects = field(default_factory=Effects)
    stdin: Callable[[], BinaryIO] = _standard_input
    connect: Callable[[], Engine] = _connect
    bounds: Bounds = field(default_factory=Bounds)


class Registries:
    """The registries that are asked, each opened once; `close` them all."""

    def __init__(self, options: ListOptions, world: World, say: Callable[[str], None]) -> None:
        self._options = options
        self._world = world
        self._say = say
        self._lock = threading.Lock()
        self._opened: dict[str, RegistryHost] = {}

    def of(self, host: str) -> RegistryHost:
        """The registry with the user's logins. Raises InputError for what is no host."""
        with self._lock:
            if host not in self._opened:
                self._opened[host] = RegistryHost(
                    host,
                    insecure_hosts=self._options.insecure_hosts,
                    environment=self._world.environment,
                    home=self._world.home,
                    certs_dirs=self._world.certs_dirs,
                    effects=replace(self._world.effects, say=self._say),
                )
            return self._opened[host]

    def close(self) -> None:
        """Close every connection."""
        for registry in self._opened.values():
            registry.close()


@frozen
class Listing:
    """What every lister gets: the source as the user wrote it, options, the machine, its registries, and somebody to
    tell what is being done."""

    source: str
    options: ListOptions
    world: World
    registries: Registries
    say: Callable[[str], None]

    def of_registry(self, reference: Reference, platform: str | None = None) -> Wanted:
        """An image in a registry."""
        return self.wanted(f"{SCHEME}{reference}", str(reference), platform)

    def wanted(self, ref: str, name: str, platform: str | None = None) -> Wanted:
        """An image; its name tells the platform where one is asked for, since findings are followed by name."""
        return Wanted(
            ref=ref,
            name=f"{name} ({platform})" if platform is not None else name,
            source=self.source,
            platform=platform,
            team=team_of(name, self.options.teams) or self.options.team,
        )

    def not_listed(self, reason: str, source: str | None = None) -> NotListed:
        """A part of the source that is missing; `source` names it, None for all of it."""
        return NotListed(source=plain(shorten(source or self.source, 300)), reason=reason)


def check_options(options: ListOptions) -> ListOptions:
    """Options as they are, platforms in their normal spelling. Raises InputError for one that means nothing."""
    prepare(options.tags)
    for pattern in options.not_repositories:
        repository_glob(pattern)
    if options.connections < 1:
        raise InputError("a registry gets at least one connection")
    teams = [team for _, team in options.teams] + [options.team]
    if any(len(team) > _LONGEST_TEAM or not team.isprintable() for team in teams):
        raise InputError(f"a team's name has at most {_LONGEST_TEAM} characters, and no control characters")
    every = ALL_PLATFORMS in options.platforms
    platforms = [ALL_PLATFORMS] if every else [str(parse_platform(one)) for one in options.platforms]
    return replace(
        options,
        platforms=tuple(dict.fromkeys(platforms)),
        insecure_hosts=tuple(parse_host(host) for host in options.insecure_hosts),
    )


def repository_glob(pattern: str) -> Callable[[str], bool]:
    """A test for repositories, or other names with slashes, from their beginning. Raises InputError."""
    try:
        compile_glob(pattern)
        return compile_glob(f"/{pattern.removeprefix('/')}")
    except GlobError as error:
        raise InputError(f"{plain(shorten(pattern, 100))!r} is no pattern of repositories", cause=str(error)) from error


def reason_of(error: ImgscanError) -> str:
    """An error as a reason: what, why, and what to do."""
    return "; ".join(part for part in (error.what, error.cause, error.next_step) if part)


def team_of(name: str, teams: Iterable[tuple[str, str]]) -> str:
    """The team of the longest beginning that a name has; one without a slash at its end stands for whole parts of a
    name only. "" where there is none."""
    fitting = [(prefix, team) for prefix, team in teams if _begins(name, prefix.removeprefix(SCHEME))]
    return max(fitting, key=lambda item: len(item[0].removeprefix(SCHEME)))[1] if fitting else ""


def _begins(name: str, prefix: str) -> bool:
    if not prefix or not name.startswith(prefix):
        return False
    return prefix.endswith(("/", ":", "@")) or name[len(prefix) : len(prefix) + 1] in ("", "/", ":", "@")
