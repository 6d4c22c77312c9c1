"""What kind of place a path is: the project's own, or tests, documentation, vendored code, system libraries.

What is not the project's own is demoted by `weighing`, never skipped.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final

from imgscan.lazyre import lazy_re

INSIDE: Final = "!/"
"""Stands between the path of an archive and that of a member of it."""


class Where(StrEnum):
    """Whose a path is."""

    OWN = "own"
    TEST = "test"
    DOCS = "docs"
    VENDOR = "vendor"
    LIBRARY = "library"
    """A compiled library of the system or of a package: keys in it are the library's own self-test."""


_LIBRARY: Final = lazy_re(r"\.(?:so(?:\.[0-9.]+)?|a|dll|dylib|node)$", re.IGNORECASE)
_TEST: Final = lazy_re(
    r"(?:^|/)(?:_?tests?|testing|test[_-]?data|__tests__|spec|specs|selftest|fixtures?|mocks?|__mocks__|e2e|testsuite|"
    r"test[_-]?kit|cypress)/|(?:^|/)(?:test_[^/]*|[^/]*_test|[^/]*[.-](?:test|spec)|conftest)\.[a-z0-9]{1,5}$|"
    r"(?:^|/)(?:tests?|spec|fixtures?)\.(?:[cm]?[jt]sx?|py|rb|go|php|rs|java|kt|cs|exs?)$|"
    r"(?:^|[/_.-])(?:dummy|fake|mock)(?:[_.-][^/]*)?$",
    re.IGNORECASE,
)
_DOCS: Final = lazy_re(
    r"(?:^|/)(?:docs?|documentation|examples?|samples?|demos?|tutorials?|man|javadoc|info)/|"
    r"(?:^|/)(?:readme|changelog|changes|history|news|contributing)(?:\.[a-z]{1,5})?$|\.(?:md|rst|adoc|txt\.gz)$|"
    r"[.-](?:example|sample|template|dist|tpl)$|(?:^|[/_.-])example[_.-][^/]*$|[.-]examples\.[^/]*$|\.d\.[cm]?ts$",
    re.IGNORECASE,
)
# Where package managers that leave no lists of files put what they fetched, their caches and stores among it.
_FETCHED: Final = (
    r"node_modules|bower_components|vendor|third_party|third-party|gems|go/pkg/mod|\.cargo/(?:registry|git)|"
    r"\.m2/repository|\.pnpm|jspm_packages|\.cache/(?:pip|uv|pypoetry|pipenv|yarn|composer|go-build)|\.npm/_cacache|"
    r"\.yarn/(?:berry/)?cache|\.pnpm-store|pnpm/store|\.bun/install/cache|\.gradle/caches|\.ivy2/cache|\.nuget/packages|"
    r"\.composer/cache|\.pub-cache|\.hex/packages|\.rustup/toolchains|(?:mini|ana)?(?:conda|forge|mamba)[0-9]?/pkgs"
)
_VENDOR: Final = lazy_re(
    rf"(?:^|/)(?:{_FETCHED}|site-packages|dist-packages|lib/python[0-9.]+)/|"
    r"^(?:usr/)?lib(?:32|64|x32)?/|^usr/local/lib/(?:python|ruby|node|perl|x86_64|aarch64)|^usr/share/|^usr/libexec/|"
    r"^usr/(?:s?bin/|local/s?bin/[^.]*$)|^s?bin/|^usr/(?:local/)?(?:go|include)/|\.map$",
    re.IGNORECASE,
)

# Where a system's packages and Python's put their files: what lies there and belongs to none of them is the project's.
_OF_PACKAGES: Final = lazy_re(
    r"^(?:usr/)?lib(?:32|64|x32)?/|^usr/(?:share|libexec)/|(?:^|/)(?:site|dist)-packages/", re.IGNORECASE
)
_OF_SYSTEM: Final = lazy_re(r"^(?:usr/)?lib(?:32|64|x32)?/|^usr/(?:share|libexec)/")
_SITE: Final = lazy_re(r"(?:^|.*/)(?:site|dist)-packages(?=/)", re.IGNORECASE)
_UNLISTED: Final = lazy_re(rf"(?:^|/)(?:{_FETCHED})/|^usr/(?:lib|share)/go|\.map$", re.IGNORECASE)


@lru_cache(maxsize=4096)
def place_of(path: str) -> Where:
    """Whose a path of an image or a project is."""
    path = path.lstrip("/").replace("\\", "/")
    vendor = is_vendored(path)
    if vendor and _LIBRARY.search(path) is not None:
        return Where.LIBRARY
    for where, pattern in ((Where.TEST, _TEST), (Where.DOCS, _DOCS)):
        if pattern.search(path) is not None:
            return where
    return Where.VENDOR if vendor else Where.OWN


@lru_cache(maxsize=64)
def is_vendored(path: str) -> bool:
    """True for paths of packages and of the system: other people's files. What is inside such a file is theirs too."""
    if INSIDE in path:
        return any(map(is_vendored, path.split(INSIDE)))
    return "/node_modules/" in path or "-packages/" in path or _VENDOR.search(path.lstrip("/")) is not None


def may_be_own(path: str) -> bool:
    """True for a path that only looks like other people's: a package's list can say whether it is."""
    path = path.lstrip("/")
    return _OF_PACKAGES.search(path) is not None and _UNLISTED.search(path) is None and not _LIBRARY.search(path)


def is_of_system(path: str) -> bool:
    """True for a path in the folders that belong to the system's package manager."""
    return _OF_SYSTEM.search(path.lstrip("/")) is not None


def site_of(path: str) -> str | None:
    """The folder of Python packages that a path lies in, if it lies in one."""
    found = _SITE.match(path.lstrip("/"))
    return found.group() if found is not None else None


@lru_cache(maxsize=256)
def is_other_peoples(folder: str) -> bool:
    """True for folders in which everything `is_vendored`: asked once for a folder, as its files come together."""
    return is_vendored(folder + "/.")


def is_own(path: str) -> bool:
    """True for a path that is none of the demoted kinds."""
    return place_of(path) is Where.OWN
