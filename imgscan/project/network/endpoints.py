"""A value of configuration -> the endpoints in it: URLs, `host:port` lists, connection strings. Pure, linear, bounded.

Forms: RFC 3986 URLs (also with several hosts, as MongoDB and Kafka write them), JDBC, ADO (`Server=…;`), libpq
(`host=… port=…`), the `@tcp(host:port)` of Go's MySQL driver.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re

_MOST_CHARS: Final = 4_096
_MOST: Final = 20
_HOST: Final = r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})"
_URL: Final = lazy_re(
    rf"(?<![A-Za-z0-9+.-])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{{0,30}})://(?:[^\s/'\"<>,]{{0,512}}@)?(?P<hosts>(?:{_HOST})(?::\d{{1,5}})?"
    rf"(?:,(?![A-Za-z][A-Za-z0-9+.-]{{0,30}}://)(?:{_HOST})(?::\d{{1,5}})?){{0,10}})(?![A-Za-z0-9_{{$])"
)
_ONE: Final = lazy_re(rf"(?P<host>{_HOST})(?::(?P<port>\d{{1,5}}))?")
_LIST: Final = lazy_re(rf"(?:{_HOST}):\d{{2,5}}(?:\s*[,;]\s*(?:{_HOST}):\d{{2,5}}){{0,10}}")
_ADO: Final = lazy_re(
    r"(?:^|;)\s*(?:server|data source|host|addr)\s*=\s*(?:tcp:)?(?P<host>[A-Za-z0-9_.-]+)(?:[,:](?P<port>\d{1,5}))?",
    re.IGNORECASE,
)
_ADO_PORT: Final = lazy_re(r"(?:^|;)\s*port\s*=\s*(\d{1,5})", re.IGNORECASE)
_LIBPQ: Final = lazy_re(r"(?:^|\s)host=(?P<host>[A-Za-z0-9_.-]+)(?=\s|$)")
_LIBPQ_PORT: Final = lazy_re(r"(?:^|\s)port=(\d{1,5})(?=\s|$)")
_GO_MYSQL: Final = lazy_re(r"@tcp\((?P<host>[A-Za-z0-9_.-]+)(?::(?P<port>\d{1,5}))?\)")
SCHEME_PORTS: Final = {
    "http": 80,
    "ws": 80,
    "https": 443,
    "wss": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mysql2": 3306,
    "mariadb": 3306,
    "mongodb": 27017,
    "redis": 6379,
    "rediss": 6379,
    "valkey": 6379,
    "amqp": 5672,
    "amqps": 5671,
    "nats": 4222,
    "mqtt": 1883,
    "mqtts": 8883,
    "bolt": 7687,
    "neo4j": 7687,
    "sqlserver": 1433,
    "memcached": 11211,
    "clickhouse": 9000,
    "ldap": 389,
    "ldaps": 636,
    "smtp": 25,
    "smtps": 465,
}
"""Where a URL without a port leads, by scheme (IANA, and the clients' own defaults)."""
WEB_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})
_NO_NETWORK: Final = frozenset(
    {"file", "unix", "sqlite", "sqlite3", "mongodb+srv", "data", "arn", "git", "ssh", "s3", "gs"}
)


@frozen
class Endpoint:
    """A host as written, without brackets; `port` is the one written, or the scheme's; `start` and `end` are the
    offsets of host and port in the value."""

    host: str
    port: int | None
    scheme: str | None
    start: int
    end: int


def endpoints_of(value: str) -> tuple[Endpoint, ...]:
    """The endpoints in a value, as they stand there; none in one that is longer than 4096 characters."""
    if len(value) > _MOST_CHARS:
        return ()
    found = list(_urls(value))
    if not found:
        found = [*_connection_strings(value)] or [*_listed(value)]
    return tuple(found[:_MOST])


def base_scheme(scheme: str) -> str:
    """The scheme without what clients put in front or behind (`jdbc:`, `+asyncpg`); lower case."""
    return scheme.lower().split("+")[0]


def _urls(value: str) -> Iterator[Endpoint]:
    for url in _URL.finditer(value):
        scheme = base_scheme(url["scheme"])
        if scheme in _NO_NETWORK or url["scheme"].lower() in _NO_NETWORK:
            continue
        for one in _ONE.finditer(value, url.start("hosts"), url.end("hosts")):
            yield _endpoint(one, scheme)


def _connection_strings(value: str) -> Iterator[Endpoint]:
    for pattern, port_pattern in ((_GO_MYSQL, None), (_ADO, _ADO_PORT), (_LIBPQ, _LIBPQ_PORT)):
        if pattern is _ADO and ";" not in value:
            continue
        for found in pattern.finditer(value):
            written = found["port"] if "port" in pattern.groupindex else None
            beside = port_pattern.search(value) if port_pattern and written is None else None
            port = int(written) if written else int(beside[1]) if beside else None
            scheme = "mysql" if pattern is _GO_MYSQL else None
            start, end = found.start("host"), found.end("host")
            yield Endpoint(host=found["host"], port=port, scheme=scheme, start=start, end=end)


def _listed(value: str) -> Iterator[Endpoint]:
    if _LIST.fullmatch(value.strip()):
        for one in _ONE.finditer(value):
            yield _endpoint(one, None)


def _endpoint(found: re.Match[str], scheme: str | None) -> Endpoint:
    port = int(found["port"]) if found["port"] else SCHEME_PORTS.get(scheme or "")
    return Endpoint(
        host=found["host"].strip("[]").rstrip("."), port=port, scheme=scheme, start=found.start(), end=found.end()
    )
