"""Variables that public images demand or know, by the images' own documentation. Data, and what a service lacks of it.

Sources: the entrypoints of docker-library's postgres, mysql and mariadb, and the documentation of the others on the
registry's pages.
"""

from __future__ import annotations

from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.compose.records import Service
from imgscan.project.knownimages import split_image


@frozen
class ImageVariables:
    """`needs`: of each group one has to be set, or the container stops at its first start; `knows`: the names that the
    entrypoint reads, of those that begin with one of `prefixes`."""

    needs: tuple[tuple[str, ...], ...]
    prefixes: tuple[str, ...]
    knows: frozenset[str]


def _with_files(*names: str) -> frozenset[str]:
    return frozenset((*names, *(f"{name}_FILE" for name in names)))


_POSTGRES: Final = ImageVariables(
    needs=(("POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE", "POSTGRES_HOST_AUTH_METHOD"),),
    prefixes=("POSTGRES_",),
    knows=_with_files("POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_INITDB_ARGS")
    | {"POSTGRES_HOST_AUTH_METHOD", "POSTGRES_INITDB_WALDIR"},
)
_MYSQL_NAMES: Final = ("ROOT_PASSWORD", "ROOT_HOST", "DATABASE", "USER", "PASSWORD")
_MYSQL: Final = ImageVariables(
    needs=(
        (
            "MYSQL_ROOT_PASSWORD",
            "MYSQL_ROOT_PASSWORD_FILE",
            "MYSQL_ALLOW_EMPTY_PASSWORD",
            "MYSQL_RANDOM_ROOT_PASSWORD",
        ),
    ),
    prefixes=("MYSQL_",),
    knows=_with_files(*(f"MYSQL_{name}" for name in _MYSQL_NAMES))
    | {
        "MYSQL_ALLOW_EMPTY_PASSWORD",
        "MYSQL_RANDOM_ROOT_PASSWORD",
        "MYSQL_ONETIME_PASSWORD",
        "MYSQL_INITDB_SKIP_TZINFO",
        "MYSQL_TCP_PORT",
        "MYSQL_HOST",
        "MYSQL_PORT",
    },
)
_MARIADB: Final = ImageVariables(
    needs=(
        (
            "MARIADB_ROOT_PASSWORD",
            "MARIADB_ROOT_PASSWORD_FILE",
            "MARIADB_RANDOM_ROOT_PASSWORD",
            "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD",
            "MARIADB_ROOT_PASSWORD_HASH",
            "MARIADB_ROOT_PASSWORD_HASH_FILE",
            "MYSQL_ROOT_PASSWORD",
            "MYSQL_ROOT_PASSWORD_FILE",
            "MYSQL_RANDOM_ROOT_PASSWORD",
            "MYSQL_ALLOW_EMPTY_PASSWORD",
        ),
    ),
    prefixes=(),
    knows=frozenset(),
)
_MSSQL: Final = ImageVariables(
    needs=(("ACCEPT_EULA",), ("MSSQL_SA_PASSWORD", "SA_PASSWORD")), prefixes=(), knows=frozenset()
)
_COUCHDB: Final = ImageVariables(needs=(("COUCHDB_USER",), ("COUCHDB_PASSWORD",)), prefixes=(), knows=frozenset())
_PGADMIN: Final = ImageVariables(
    needs=(("PGADMIN_DEFAULT_EMAIL",), ("PGADMIN_DEFAULT_PASSWORD", "PGADMIN_DEFAULT_PASSWORD_FILE")),
    prefixes=(),
    knows=frozenset(),
)
_BY_REPOSITORY: Final = {
    "postgres": _POSTGRES,
    "postgis/postgis": _POSTGRES,
    "timescale/timescaledb": _POSTGRES,
    "pgvector/pgvector": _POSTGRES,
    "mysql": _MYSQL,
    "mariadb": _MARIADB,
    "mcr.microsoft.com/mssql/server": _MSSQL,
    "couchdb": _COUCHDB,
    "dpage/pgadmin4": _PGADMIN,
}


_PINNED: Final = lazy_re(r"(?P<major>9\.\d|1\d)\.(?P<minor>\d{1,3})(?!\d)")
_DEMANDED_SINCE: Final = {"9.4": 26, "9.5": 21, "9.6": 17, "10": 12, "11": 7, "12": 2}
"""The first minor release of each major one whose image demands a password (docker-library/postgres, February 2020)."""


def image_variables(service: Service) -> ImageVariables | None:
    """What is known of a service's image; None for those that are built, unknown, or started in another way."""
    if service.build is not None or service.image is None or service.image.unset or service.entrypoint is not None:
        return None
    name = split_image(service.image.value)
    known = _BY_REPOSITORY.get(name.repository)
    pinned = _PINNED.match(name.tag)
    if known is _POSTGRES and pinned and int(pinned["minor"]) < _DEMANDED_SINCE.get(pinned["major"], 0):
        return None
    return known


def needs_of(service: Service) -> tuple[tuple[str, ...], ...]:
    """The groups of variables that a service's image demands."""
    known = image_variables(service)
    return known.needs if known else ()
