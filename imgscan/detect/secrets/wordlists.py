"""The word lists of the filters, from `rules/secrets/lists/`: words by list, and digests of published keys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from imgscan.rulebook import load_yaml, rules_dir


def load_lists() -> None:
    """Load all that is otherwise loaded when first needed."""
    _lists()
    public_digests()


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
def public_digests() -> Mapping[str, str]:
    """SHA-256 of keys that were published on purpose -> where, from `public_keys.yml`."""
    return {
        digest: what
        for what, digests in load_yaml(rules_dir() / "secrets" / "lists" / "public_keys.yml").items()
        for digest in digests
    }
