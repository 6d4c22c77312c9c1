"""Images of a registry that are not named one by one: a registry, globs of repositories and tags -> `Wanted`s.

A registry's lists are hostile: pages may go on for ever, names may be none. What is beyond a limit, refused or broken
is a `NotListed`, and the rest is listed all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Final

from imgscan.errors import EngineError, ImgscanError, InputError
from imgscan.fleet.inorder import in_order
from imgscan.fleet.listing import ALL_PLATFORMS, Found, Listing, reason_of, repository_glob
from imgscan.fleet.registrylook import Looked, look_at
from imgscan.fleet.tags import TagTest, only, prepare
from imgscan.frozen import frozen
from imgscan.source.reference import DOCKER_HUB, Reference, is_repository, is_tag
from imgscan.source.registryclient import GaveUpError, RegistryClient
from imgscan.source.registryhost import RegistryHost

_MAX_IDLE_PAGES: Final = 20
"""In a row, that bring no new name."""
_FEW: Final = 8
"""So many tags are looked at by the thread that listed them: repositories are many more than threads."""
_MAX_FAILURES: Final = 3
"""How often a registry may not answer at all before it is left alone."""
_MAX_TOLD: Final = 100
_AHEAD: Final = 8
_SAY_EVERY: Final = 50
_WITHOUT_CATALOGUE: Final = {
    DOCKER_HUB: "Docker Hub has no catalogue of its repositories",
    "ghcr.io": "the GitHub Container Registry has no catalogue of its repositories",
    "public.ecr.aws": "the public gallery of Amazon ECR has no catalogue of its repositories",
}


@frozen
class RegistryPart:
    """A part of a registry: `repositories` is a glob from the root, None for all of them; `repository` is the one that
    is meant, "" where the catalogue has to be asked; `tags` is a glob, None for all of them."""

    host: str
    repositories: str | None = None
    repository: str = ""
    tags: str | None = None


@frozen
class _Repository:
    """One repository with its tags that are wanted by name, or what is wrong with it; `looked` at already, where there
    are few."""

    name: str
    client: RegistryClient | None = field(default=None, repr=False)
    tags: tuple[str, ...] = ()
    looked: Mapping[str, Looked] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class _StoppedError(Exception):
    """The registry does not answer any more."""


def list_registry(part: RegistryPart, listing: Listing) -> Iterator[Found]:
    """The images of a part of a registry. Raises InputError for globs that mean nothing."""
    rules = listing.options.tags if part.tags is None else only(listing.options.tags, part.tags)
    test = prepare(rules)
    wanted = _repository_test(part, listing.options.not_repositories)
    yield from _Lister(listing.registries.of(part.host), listing, test, part).run(wanted)


def list_image(reference: Reference, listing: Listing) -> Iterator[Found]:
    """One image of a registry, once for each platform that is wanted. Raises ImgscanError where its index has to be
    asked for them and cannot be."""
    platforms: Iterable[str | None] = listing.options.platforms or (None,)
    if ALL_PLATFORMS in listing.options.platforms:
        client = listing.registries.of(reference.host).client(reference)
        platforms = look_at(client, reference, dates=False, platforms=True).platforms
    for platform in platforms:
        yield listing.of_registry(reference, platform)


class _Lister:
    """Lists one part of a registry, so many requests at once."""

    def __init__(self, registry: RegistryHost, listing: Listing, test: TagTest, part: RegistryPart) -> None:
        self._registry = registry
        self._listing = listing
        self._test = test
        self._part = part
        self._bounds = listing.world.bounds
        self._host = registry.catalogue.host
        self._all_platforms = ALL_PLATFORMS in listing.options.platforms
        self._need_dates = test.rules.need_dates
        self._need_looks = self._need_dates or self._all_platforms
        self._lock = threading.Lock()
        self._failures = 0
        self._repositories = 0
        self._images = 0
        self._told = 0

    def run(self, wanted: Callable[[str], bool]) -> Iterator[Found]:
        names = [self._part.repository] if self._part.repository else []
        if not names:
            try:
                # Repositories before a fault stay in the list.
                names.extend(self._catalogue(wanted))
            except ImgscanError as error:
                yield self._listing.not_listed(reason_of(error))
        ahead = _AHEAD * self._listing.options.connections
        with ThreadPoolExecutor(self._listing.options.connections, thread_name_prefix="imgscan-list") as pool:
            try:
                for repository in in_order(pool, self._read_tags, names, ahead):
                    yield from self._counted(repository, pool, ahead)
            except _StoppedError:
                reason = f"{self._host} does not answer any more; what is left of it was not listed"
                yield self._listing.not_listed(reason)
            except ImgscanError as error:
                yield self._listing.not_listed(reason_of(error))
            finally:
                pool.shutdown(cancel_futures=True)
        if self._told > _MAX_TOLD:
            more = self._told - _MAX_TOLD
            yield self._listing.not_listed(f"{more:,} more of its repositories could not be listed in full")

    def _counted(self, repository: _Repository, pool: ThreadPoolExecutor, ahead: int) -> Iterator[Found]:
        self._repositories += 1
        for problem in repository.problems:
            yield from self._told_of(repository, problem)
        for found in self._images_of(repository, pool, ahead):
            self._images += 1
            if self._images > self._bounds.images:
                raise InputError(
                    f"{self._host} has more than {self._bounds.images:,} images; what follows was not listed"
                )
            yield found
        if self._repositories % _SAY_EVERY == 0:
            self._listing.say(f"listing {self._host}: {self._repositories:,} repositories, {self._images:,} images")

    def _catalogue(self, wanted: Callable[[str], bool]) -> Iterator[str]:
        """The repositories that are wanted. Raises ImgscanError where the catalogue cannot be read, or read on."""
        self._listing.say(f"listing {self._host}")
        if self._host in _WITHOUT_CATALOGUE:
            raise self._without_catalogue("")
        try:
            pages = self._registry.client(self._registry.catalogue).repository_pages()
        except GaveUpError:
            raise
        except EngineError as error:
            raise self._without_catalogue(reason_of(error)) from error
        if pages is None:
            raise self._without_catalogue("")
        names = self._bounded(pages, self._bounds.repositories, f"the catalogue of {self._host}")
        broken = 0
        for name in names:
            if not is_repository(name) or len(self._host) + 1 + len(name) > 255:
                broken += 1
            elif wanted(name):
                yield name
        if broken:
            raise InputError(f"{broken:,} names in the catalogue of {self._host} can be those of no repository")

    def _without_catalogue(self, why: str) -> InputError:
        return InputError(
            _WITHOUT_CATALOGUE.get(self._host, f"{self._host} gives no catalogue of its repositories"),
            cause=why,
            next_step=f"name each repository, registry://{self._host}/REPOSITORY:*, or write a list of images",
        )

    def _read_tags(self, name: str) -> _Repository:
        """The tags of a repository that are wanted by their names. Raises _StoppedError."""
        problems: list[str] = []
        tags: list[str] = []
        client: RegistryClient | None = None
        try:
            self._check()
            client = self._registry.client(Reference(host=self._host, repository=name, tag=None, digest=None))
            # Tags before a fault stay in the list.
            tags.extend(filter(is_tag, self._bounded(client.tag_pages(), self._bounds.tags, f"the tags of {name}")))
        except GaveUpError as error:
            self._failed()
            problems.append(reason_of(error))
        except ImgscanError as error:
            problems.append(reason_of(error))
        if not tags and not problems and self._part.repository:
            problems.append(f"{self._host} has no repository {name}, or none with tags")
        found = _Repository(name=name, client=client, tags=tuple(self._test.named(tags)), problems=tuple(problems))
        if not self._need_looks or len(found.tags) > _FEW:
            return found
        return replace(found, looked={tag: self._look(found, tag) for tag in found.tags})

    def _bounded(self, pages: Iterable[tuple[str, ...]], limit: int, what: str) -> Iterator[str]:
        """The names of all pages, each once. Raises InputError once there are too many, or pages that bring nothing."""
        seen: set[str] = set()
        idle = 0
        for number, page in enumerate(pages):
            before = len(seen)
            for name in page:
                if name in seen:
                    continue
                if len(seen) >= limit:
                    raise InputError(f"{what} has more than {limit:,} names; what follows was not listed")
                seen.add(name)
                yield name
            idle = 0 if len(seen) > before else idle + 1
            if number >= self._bounds.pages or idle > _MAX_IDLE_PAGES:
                raise InputError(f"{what} does not come to an end; what follows {len(seen):,} names was not listed")

    def _images_of(self, repository: _Repository, pool: ThreadPoolExecutor, ahead: int) -> Iterator[Found]:
        tags, looked = repository.tags, repository.looked
        if self._need_looks and len(tags) > _FEW:
            if len(tags) > self._bounds.looks:
                tags = tags[-self._bounds.looks :]
                reason = f"more than {self._bounds.looks:,} tags; only the last of them were looked at"
                yield from self._told_of(repository, reason)
            found = in_order(pool, lambda tag: self._look(repository, tag), tags, ahead)
            looked = dict(zip(tags, found, strict=True))
        if self._need_dates:
            now = datetime.fromtimestamp(self._listing.world.effects.now(), UTC)
            tags = tuple(self._test.dated({tag: one.dated for tag, one in looked.items()}, now))
        for tag in tags:
            platforms: Iterable[str | None] = self._listing.options.platforms or (None,)
            if self._all_platforms:
                platforms = looked[tag].platforms
            for platform in platforms:
                yield self._listing.of_registry(self._reference(repository.name, tag), platform)

    def _look(self, repository: _Repository, tag: str) -> Looked:
        """What an image says; one that cannot be read says nothing, and what is wrong shows when it is to be scanned.
        Raises _StoppedError."""
        unknown = Looked.unknown(tag)
        if repository.client is None:
            return unknown
        self._check()
        try:
            reference = self._reference(repository.name, tag)
            return look_at(repository.client, reference, dates=self._need_dates, platforms=self._all_platforms)
        except GaveUpError:
            self._failed()
        except ImgscanError:
            pass
        return unknown

    def _reference(self, repository: str, tag: str) -> Reference:
        return Reference(host=self._host, repository=repository, tag=tag, digest=None)

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1

    def _check(self) -> None:
        with self._lock:
            if self._failures >= _MAX_FAILURES:
                raise _StoppedError

    def _told_of(self, repository: _Repository, reason: str) -> Iterator[Found]:
        self._told += 1
        if self._told <= _MAX_TOLD:
            yield self._listing.not_listed(reason, f"registry://{self._host}/{repository.name}")


def _repository_test(part: RegistryPart, excluded: tuple[str, ...]) -> Callable[[str], bool]:
    """A test for repositories by name; a name in both is not wanted. Raises InputError."""
    wanted = repository_glob(part.repositories) if part.repositories else lambda _: True
    not_wanted = [repository_glob(pattern) for pattern in excluded]
    return lambda name: wanted(name) and not any(fits(name) for fits in not_wanted)
