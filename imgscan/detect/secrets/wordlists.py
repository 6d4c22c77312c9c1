"""The lists of the filters, from `rules/secrets/lists/`: words by list, published keys, what is made public."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from imgscan.rulebook import load_yaml, rules_dir


def load_lists() -> None:
    """Load all that is otherwise loaded when first needed."""
    _lists()
    public_digests("keys")
    publishable()
    services("names")


@cache
def words(name: str) -> frozenset[str]:
    """The words of a list of `words.yml`, lower case."""
    return frozenset(_lists()[name].split())


@cache
def byte_words(name: str) -> frozenset[bytes]:
    """The same as bytes, to be compared with text from images."""
    return frozenset(word.encode() for word in words(name))


@cache
def _lists() -> Mapping[str, str]:
    lists: Mapping[str, str] = load_yaml(rules_dir() / "secrets" / "lists" / "words.yml")
    return lists


@cache
def public_digests(kind: str) -> Mapping[str, str]:
    """SHA-256 of what was published on purpose -> where, of one kind of `public_keys.yml`."""
    return {digest: where for where, digests in _public_keys()[kind].items() for digest in digests}


@cache
def _public_keys() -> Mapping[str, Mapping[str, Sequence[str]]]:
    lists: Mapping[str, Mapping[str, Sequence[str]]] = load_yaml(rules_dir() / "secrets" / "lists" / "public_keys.yml")
    return lists


@cache
def publishable() -> Mapping[str, Sequence[str]]:
    """Patterns of keys and ids that are made to be seen, by what they are held against, from `publishable.yml`."""
    lists: Mapping[str, Sequence[str]] = load_yaml(rules_dir() / "secrets" / "lists" / "publishable.yml")
    return lists


@cache
def services(kind: str) -> frozenset[str]:
    """Names of services, of one kind of `service_names.yml`."""
    lists: Mapping[str, str] = load_yaml(rules_dir() / "secrets" / "lists" / "service_names.yml")
    return frozenset(lists[kind].split())
