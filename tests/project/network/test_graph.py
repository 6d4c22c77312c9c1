"""Endpoints of values, and the edges of a project."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from setups import setup_of

from imgscan.project.network.endpoints import endpoints_of
from imgscan.project.network.graph import Edge, edges

VALUES = {
    "postgres://u:p@db:5432/x": [("db", 5432)],
    "postgresql+asyncpg://db/x": [("db", 5432)],
    "jdbc:postgresql://db:5433/x?ssl=true": [("db", 5433)],
    "mongodb://a:27017,b:27018/x?replicaSet=r": [("a", 27017), ("b", 27018)],
    "mongodb+srv://cluster.example.net/x": [],
    "redis://:pass@redis:6379/0": [("redis", 6379)],
    "http://[::1]:8080/x": [("::1", 8080)],
    "https://api.example.com": [("api.example.com", 443)],
    "kafka-1:9092,kafka-2:9092": [("kafka-1", 9092), ("kafka-2", 9092)],
    "PLAINTEXT://kafka:29092,HOST://localhost:9092": [("kafka", 29092), ("localhost", 9092)],
    "Server=db,1433;Database=x;User=sa": [("db", 1433)],
    "Server=db;Port=3306;Database=x": [("db", 3306)],
    "host=db port=5432 dbname=x": [("db", 5432)],
    "u:p@tcp(db:3306)/x?parseTime=true": [("db", 3306)],
    "http://${HOST}:80": [],
    "unix:///var/run/docker.sock": [],
    "file:///data": [],
    "12:30": [("12", 30)],
    "hello world": [],
    "a=b;c=d": [],
    "": [],
}


@pytest.mark.parametrize(("value", "expected"), VALUES.items(), ids=VALUES)
def test_endpoints(value: str, expected: list[tuple[str, int | None]]) -> None:
    found = endpoints_of(value)
    assert [(each.host, each.port) for each in found] == expected
    assert all(each.host in value[each.start : each.end] for each in found)


@given(st.text(alphabet="ab:/@,.;=[]{}$ 0123456789h t\n", max_size=300))
def test_any_value_is_taken(value: str) -> None:
    for each in endpoints_of(value):
        assert 0 <= each.start < each.end <= len(value)
        assert each.host


@pytest.mark.parametrize("value", ["a://" * 1_000, "h:1," * 1_000, "x://" + "a" * 4_000, "@" * 4_000, "a.b" * 1_300])
def test_long_values_end(value: str) -> None:
    assert len(endpoints_of(value)) <= 20


def edges_of(compose: str, **files: str) -> list[tuple[str, str | None, str, int | None, str]]:
    setup = setup_of({"compose.yaml": compose, **files})
    (project,) = setup.composes
    return [(e.client, e.server, e.host, e.port, e.source) for e in edges(project, setup)]


HEAD = "services:\n  db:\n    image: postgres:17\n    container_name: the-db\n  api:\n"
CASES: dict[str, tuple[str, dict[str, str], list[tuple[str, str | None, str, int | None, str]]]] = {
    "environment": ("    image: x\n    environment: {U: 'postgres://db/x'}\n", {}, [("api", "db", "db", 5432, "environment")]),
    "a host and a port": (
        "    image: x\n    environment: {DB_HOST: db, DB_PORT: '5432'}\n",
        {},
        [("api", "db", "db", 5432, "environment")],
    ),
    "a container name": ("    image: x\n    environment: {DB_HOST: the-db}\n", {}, [("api", "db", "the-db", 5432, "environment")]),
    "env file": (
        "    image: x\n    env_file: [a.env]\n",
        {"a.env": "DB_HOST=db\n"},
        [("api", "db", "db", 5432, "env_file")],
    ),
    "environment over env file": (
        "    image: x\n    env_file: [a.env]\n    environment: {DB_HOST: other.example}\n",
        {"a.env": "DB_HOST=db\n"},
        [("api", None, "other.example", None, "environment")],
    ),
    "ENV": ("    build: .\n", {"Dockerfile": "FROM x\nENV DB_HOST=db\n"}, [("api", "db", "db", 5432, "image")]),
    "command": ("    image: x\n    command: wait-for db:5432 -- run\n", {}, [("api", "db", "db", 5432, "command")]),
    "default of the sources": (
        "    build: .\n",
        {"Dockerfile": "FROM node:24\n", "a.js": "x(process.env.DB_URL ?? 'postgres://db:5432/x');"},
        [("api", "db", "db", 5432, "default")],
    ),
    "default that is not used": (
        "    build: .\n    environment: {DB_URL: 'postgres://db:1/x'}\n",
        {"Dockerfile": "FROM node:24\n", "a.js": "x(process.env.DB_URL ?? 'postgres://db:5432/x');"},
        [("api", "db", "db", 1, "environment")],
    ),
    "default that an env file elsewhere may replace": (
        "    build: .\n    env_file: [missing.env]\n",
        {"Dockerfile": "FROM node:24\n", "a.js": "x(process.env.DB_URL ?? 'postgres://db:5432/x');"},
        [],
    ),
    "an image": ("    image: x\n    environment: {NEXT_IMAGE: 'db:5432'}\n", {}, []),
    "itself": ("    image: x\n    environment: {ME: 'http://api:80'}\n", {}, []),
    "a place to listen": ("    image: x\n    environment: {LISTEN: '0.0.0.0:80', HOST: 0.0.0.0}\n", {}, []),
}  # fmt: skip


@pytest.mark.parametrize(("body", "files", "expected"), CASES.values(), ids=CASES)
def test_edges(body: str, files: dict[str, str], expected: list[tuple[str, str | None, str, int | None, str]]) -> None:
    assert edges_of(HEAD + body, **files) == expected


CONFIGS = {
    "nginx": ("nginx:1", "/etc/nginx/conf.d", "a.conf", "location / {\n  proxy_pass http://api:3000/;\n}\n", ("api", 3000)),
    "nginx's upstream": ("nginx:1", "/etc/nginx/conf.d", "a.conf", "upstream u {\n  server api:3000 weight=2;\n}\n", ("api", 3000)),
    "fastcgi": ("nginx:1", "/etc/nginx/conf.d", "a.conf", "fastcgi_pass api:9000;\n", ("api", 9000)),
    "caddy": ("caddy:2", "/etc/caddy", "Caddyfile", "example.com {\n  reverse_proxy /x api:3000\n}\n", ("api", 3000)),
    "prometheus": ("prom/prometheus", "/etc/prometheus", "p.yml", "- targets:\n    - 'api:9100'\n", ("api", 9100)),
    "haproxy": ("haproxy:3", "/usr/local/etc/haproxy", "haproxy.cfg", "backend b\n  server s1 api:80 check\n", ("api", 80)),
    "traefik": ("traefik:3", "/etc/traefik", "t.yml", "servers:\n  - url: \"http://api:80\"\n", ("api", 80)),
}  # fmt: skip


@pytest.mark.parametrize(("image", "target", "name", "text", "expected"), CONFIGS.values(), ids=CONFIGS)
def test_configurations_of_proxies_and_monitors(
    image: str, target: str, name: str, text: str, expected: tuple[str, int]
) -> None:
    compose = f"services:\n  p:\n    image: {image}\n    volumes: ['./conf:{target}']\n  api:\n    image: x\n"
    assert edges_of(compose, **{f"conf/{name}": text}) == [("p", "api", *expected, "config")]


def test_an_edge_says_where_it_is_written() -> None:
    setup = setup_of({"compose.yaml": HEAD + "    image: x\n    environment:\n      U: redis://cache:1\n"})
    (edge,) = edges(setup.composes[0], setup)
    assert isinstance(edge, Edge)
    assert (edge.at.file, edge.at.line, edge.name, edge.scheme, edge.server) == ("compose.yaml", 8, "U", "redis", None)
    assert edge.mark is not None
    assert (setup.tree.text("compose.yaml") or "")[edge.mark.start : edge.mark.end] == "redis://cache:1"
