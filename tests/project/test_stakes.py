"""What is at stake: which services keep data, who needs whom, what is built, backed up, and whether it is a monorepo."""

from __future__ import annotations

from pathlib import Path

import pytest
from setups import setup_of

from imgscan.project.setup import read_setup
from imgscan.project.stakes import Stakes, Store, stakes_of

SAMPLES = Path(__file__).parents[2] / "sample_images"
COMPOSE = """\
name: shop
services:
  db:
    image: postgres:17
    volumes: ["data:/var/lib/postgresql/data"]
  cache:
    image: redis:7
    volumes: ["cached:/data"]
  api:
    build: ./api
    depends_on: [db]
    environment: {DB: "${DB:?set it}"}
  web:
    image: nginx
    ports: ["80:80"]
volumes: {data: {}, cached: {}}
"""


def test_a_whole_set_up() -> None:
    stakes = stakes_of(
        setup_of(
            {
                "docker-compose.yml": COMPOSE,
                "api/Dockerfile": "FROM node:24\n",
                ".env.example": "DB=x\n",
                "scripts/save.sh": "#!/bin/bash\npg_dump x > y\n",
                "scripts/check.sh": "#!/bin/bash\npg_restore -d x y\n",
                "pnpm-workspace.yaml": "packages: [api]\n",
            }
        )
    )
    assert stakes.compose_files == (("docker-compose.yml",),)
    assert stakes.services == ("db", "cache", "api", "web")
    assert stakes.stores[0] == Store(service="db", image="postgres:17", lasting=True, volume="shop_data", port=5432)
    assert [(store.service, store.lasting) for store in stakes.stores] == [("db", True), ("cache", False)]
    assert stakes.lasting == stakes.stores[:1]
    assert stakes.built == (("api", "api/Dockerfile"),)
    assert stakes.needed == {"db", "web"}
    assert not stakes.alone
    assert stakes.variables
    assert stakes.examples == (".env.example",)
    assert stakes.workspaces == ("pnpm-workspace.yaml",)
    assert (stakes.backups, stakes.restores) == (("scripts/save.sh",), ("scripts/check.sh",))


@pytest.mark.parametrize(
    ("files", "workspaces"),
    [
        pytest.param({"package.json": '{"workspaces": ["a"]}'}, ("package.json",), id="npm"),
        pytest.param({"package.json": '{"workspaces": []}'}, (), id="of-nothing"),
        pytest.param({"package.json": '{"name": "workspaces"}'}, (), id="a-word"),
        pytest.param({"package.json": '{"workspaces": ' + "[" * 20_000}, (), id="broken"),
        pytest.param({"lerna.json": "{}"}, ("lerna.json",), id="lerna"),
        pytest.param({"node_modules/x/pnpm-workspace.yaml": ""}, (), id="somebody-elses"),
    ],
)
def test_monorepos(files: dict[str, str], workspaces: tuple[str, ...]) -> None:
    assert stakes_of(setup_of(files)).workspaces == workspaces


def test_nothing_is_at_stake_in_an_empty_folder() -> None:
    assert stakes_of(setup_of({"README.md": "x"})) == Stakes()


def test_the_sample(tmp_path: Path) -> None:
    stakes = stakes_of(read_setup(SAMPLES / "antone"))
    assert [(store.service, store.lasting) for store in stakes.stores] == [("postgres", True)]
    assert dict(stakes.built) == {"backend-api": "backend/Dockerfile"}
    assert stakes.backups
    assert stakes.restores
