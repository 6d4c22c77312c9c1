"""Images and what they keep: names, versions, paths."""

from __future__ import annotations

import pytest
from setups import setup_of

from imgscan.project.data.stores import holds, stateful_services
from imgscan.project.data.storetable import load_stores, major_version, split_image

IMAGES = {
    "postgres": ("postgres", ""),
    "postgres:17-alpine": ("postgres", "17-alpine"),
    "docker.io/library/postgres:17": ("postgres", "17"),
    "localhost:5000/postgres": ("localhost:5000/postgres", ""),
    "ghcr.io/a/b:c@sha256:" + "0" * 64: ("ghcr.io/a/b", "c"),
    "postgres@sha256:" + "0" * 64: ("postgres", None),
    "": ("", ""),
}


@pytest.mark.parametrize("reference", IMAGES)
def test_images(reference: str) -> None:
    assert split_image(reference) == IMAGES[reference]


VERSIONS = {
    "17": 17,
    "17.2": 17,
    "v8-x": 8,
    "": 99,
    "latest": 99,
    "alpine": 99,
    "alpine3.20": 99,
    "mine": None,
    None: None,
}


@pytest.mark.parametrize("tag", VERSIONS)
def test_versions(tag: str | None) -> None:
    assert major_version(tag) == VERSIONS[tag]


HOLDS = (
    ("/d", "/d", (), True),
    ("/", "/d", (), True),
    ("/d/", "/d", (), True),
    ("/data", "/d", (), False),
    ("/d/e", "/d", (), False),
    ("/p", "/p/data", ("/p/data",), False),
    ("/p/data", "/p/data", ("/p/data",), True),
    ("/p", "/p/18/docker", ("/p",), True),
)


@pytest.mark.parametrize(("target", "data", "volumes", "held"), HOLDS)
def test_a_mount_holds_data(target: str, data: str, volumes: tuple[str, ...], held: bool) -> None:
    assert holds(target, data, volumes) is held


def test_the_table_is_whole() -> None:
    for store in load_stores():
        assert store.keeps in ("record", "state")
        assert store.data.startswith("/")
        assert all(volume.startswith("/") for volume in store.volumes)
        assert store.images


SERVICES = {
    "image: postgres:17": ("PostgreSQL", 17, "/var/lib/postgresql/data"),
    "image: postgres:18": ("PostgreSQL", 18, "/var/lib/postgresql/18/docker"),
    "image: registry.example.com/mirror/library/postgres:16": ("PostgreSQL", 16, "/var/lib/postgresql/data"),
    "image: registry.example.com/postgres:16": ("PostgreSQL", 16, "/var/lib/postgresql/data"),
    "image: influxdb:1.8": ("InfluxDB", 1, "/var/lib/influxdb"),
    "image: influxdb:2.7": ("InfluxDB", 2, "/var/lib/influxdb2"),
    "{image: minio/minio, command: server /srv/x}": ("MinIO", 99, "/srv/x"),
    "{image: 'postgres:17', environment: {PGDATA: /a/b}}": ("PostgreSQL", 17, "/a/b"),
    "{image: 'postgres:17', command: [postgres, -c, x=1]}": ("PostgreSQL", 17, "/var/lib/postgresql/data"),
    "{image: 'postgres:17', command: sh -c 'exec postgres'}": ("PostgreSQL", 17, "/var/lib/postgresql/data"),
    "{image: 'postgres:17', command: sh -c 'pg_dump -U postgres app'}": None,
    "{image: 'postgres:17', entrypoint: [psql, -h, db]}": None,
    "image: acme/postgres:17": ("PostgreSQL", None, "/var/lib/postgresql/data"),
    "image: acme-base/mysql:8": ("MySQL", None, "/var/lib/mysql"),
    "image: mirror.example.com/hub/postgres:15": ("PostgreSQL", None, "/var/lib/postgresql/data"),
    "image: rhel9/postgresql-15": ("PostgreSQL", None, "/var/lib/postgresql/data"),
    "{image: 'acme/postgresql', volumes: ['vol:/bitnami/postgresql']}": ("PostgreSQL", None, "/bitnami/postgresql"),
    "{image: 'acme/postgres:latest', volumes: ['vol:/var/lib/postgresql/data']}": (
        "PostgreSQL",
        None,
        "/var/lib/postgresql/data",
    ),
    "{image: 'acme/postgres', volumes: ['vol:/srv/pg']}": ("PostgreSQL", None, "/srv/pg"),
    "image: acme/postgres-exporter": None,
    "image: acme/postgres-backup:15": None,
    "image: acme/redis-commander": None,
    "image: ghcr.io/acme/exporters/postgres": None,
    "image: acme/server": None,
    "image: acme/registry": None,
    "{image: 'acme/store', volumes: ['vol:/var/lib/postgresql/data']}": (
        "PostgreSQL",
        None,
        "/var/lib/postgresql/data",
    ),
    "{image: 'acme/store', volumes: ['./db:/var/lib/mysql']}": ("MySQL", None, "/var/lib/mysql"),
    "{image: 'acme/store', volumes: ['vol:/data/db/']}": ("MongoDB", None, "/data/db"),
    "{image: 'acme/files', volumes: ['vol:/data']}": ("its own data", None, "/data"),
    "{image: 'acme/files', volumes: ['./files:/data']}": None,
    "{image: 'acme/copy', volumes: ['vol:/data/db:ro']}": None,
    "{image: 'acme/site', volumes: ['vol:/var/www/html']}": None,
    "{image: 'caddy:2', volumes: ['vol:/data']}": None,
    "image: nginx": None,
    "build: nowhere": None,
}


@pytest.mark.parametrize("service", SERVICES)
def test_services(service: str) -> None:
    body = f" {service}" if service.startswith("{") else f"\n    {service}"
    setup = setup_of({"compose.yaml": f"services:\n  s:{body}\nvolumes: {{vol: {{}}}}\n"})
    found = [(one.store.name, one.major, one.data) for one in stateful_services(setup)]
    expected = SERVICES[service]
    assert found == ([expected] if expected else [])


def test_what_shares_the_volume_of_a_store_is_none() -> None:
    compose = """
    services:
      db: {image: 'acme/postgres:15', volumes: ['vol:/var/lib/postgresql/data']}
      saver: {image: 'acme/saver', volumes: ['vol:/var/lib/postgresql/data']}
    volumes: {vol: {}}
    """
    assert [one.service.name for one in stateful_services(setup_of({"compose.yaml": compose}))] == ["db"]
