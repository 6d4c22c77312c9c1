"""Every rule of TECH-002: what it fires on, what it leaves alone, and what its patch does."""

from __future__ import annotations

from pathlib import Path

import pytest
from mended import check_patches
from setups import setup_of, write_files

from imgscan.model import Finding, Severity
from imgscan.project.network.detect import detect

DB = "  db:\n    image: postgres:17\n"
REDIS = "  redis:\n    image: redis:7\n"
NODE = 'FROM node:24\nEXPOSE 3001\nCMD ["node", "index.js"]\n'


def api(*lines: str, rest: str = DB, top: str = "") -> dict[str, str]:
    body = "".join(f"    {line}\n" for line in lines)
    return {"compose.yaml": f"services:\n  api:\n    image: x/api\n{body}{rest}{top}"}


def env(
    name: str, value: str, *, rest: str = DB, more: tuple[str, ...] = ("depends_on: [db, redis]",)
) -> dict[str, str]:
    return api("environment:", f"  {name}: {value}", *more, rest=rest if "redis" in rest else rest + REDIS)


BAD = {
    "localhost in a URL": ("net-localhost", env("DATABASE_URL", "postgres://app@localhost:5432/app")),
    "localhost of another driver": ("net-localhost", env("DB", "postgresql+asyncpg://app@127.0.0.1/app")),
    "localhost as a host": ("net-localhost", env("REDIS_HOST", "localhost")),
    "localhost with its port": (
        "net-localhost",
        api("environment:", "  REDIS_HOST: localhost", "  REDIS_PORT: 6379", rest=REDIS),
    ),
    "localhost in a Go DSN": (
        "net-localhost",
        env("DSN", "'app@tcp(localhost:3306)/app'", rest="  db:\n    image: mysql:8\n"),
    ),
    "localhost in an env file": (
        "net-localhost",
        api("env_file: [api.env]", "depends_on: [db]")
        | {"api.env": "DATABASE_URL=postgres://app@localhost:5432/app\n"},
    ),
    "localhost by a default of the sources": (
        "net-localhost",
        {
            "compose.yaml": f"services:\n  api:\n    build: .\n    depends_on: [db]\n{DB}",
            "Dockerfile": NODE,
            "index.js": "connect(process.env.DATABASE_URL ?? 'postgres://app@localhost:5432/app');\n",
        },
    ),
    "localhost of another service's web": (
        "net-localhost",
        env("BACKEND_SERVICE_URL", "http://localhost:8080", rest="  back:\n    image: x/back\n    expose: [8080]\n"),
    ),
    "host.docker.internal": ("net-host-gateway", env("MODEL_URL", "http://host.docker.internal:11434")),
    "typing error": ("net-unknown-host", env("REDIS_URL", "redis://reddis:6379")),
    "typing error in a host": (
        "net-unknown-host",
        env("DB_HOST", "dbs", rest="  dbase:\n    image: postgres:17\n  db:\n    image: x\n"),
    ),
    "nobody": ("net-unknown-host", env("QUEUE_URL", "amqp://rabbit:5672")),
    "nginx": (
        "net-unknown-host",
        {
            "compose.yaml": "services:\n  web:\n    image: nginx:1\n    volumes: ['./web.conf:/etc/nginx/conf.d/default.conf']\n"
            "  backend:\n    image: x\n",
            "web.conf": "server {\n  location / {\n    proxy_pass http://backends:8000;\n  }\n}\n",
        },
    ),
    "no shared network": (
        "net-no-shared-network",
        api(
            "environment: {DB_HOST: db}",
            "depends_on: [db]",
            "networks:",
            "  - front",
            rest=DB + "    networks:\n      - back\n",
            top="networks: {front: {}, back: {}}\n",
        ),
    ),
    "default and another network": (
        "net-no-shared-network",
        api(
            "environment: {DB_HOST: db}",
            "depends_on: [db]",
            rest=DB + "    networks: [back]\n",
            top="networks: {back: {}}\n",
        ),
    ),
    "networks in brackets": (
        "net-no-shared-network",
        api(
            "environment: {DB_HOST: db}",
            "depends_on: [db]",
            "networks: [front]",
            rest=DB + "    networks: [back]\n",
            top="networks: {front: {}, back: {}}\n",
        ),
    ),
    "published port": (
        "net-published-port",
        env("DATABASE_URL", "postgres://app@db:15432/app", rest=DB + "    ports: ['127.0.0.1:15432:5432']\n"),
    ),
    "wrong port": ("net-wrong-port", env("REDIS_URL", "redis://redis:6380")),
    "wrong port of a pair": (
        "net-wrong-port",
        api("environment: {DB_HOST: db, DB_PORT: '3306'}", "depends_on: [db]"),
    ),
    "wrong port of a built service": (
        "net-wrong-port",
        {
            "compose.yaml": "services:\n  web:\n    image: x\n    environment: {UPSTREAM: 'http://api:8080'}\n"
            "    depends_on: [api]\n  api:\n    build: api\n",
            "api/Dockerfile": NODE,
            "api/index.js": "const app = require('express')();\napp.listen(3001);\n",
        },
    ),
    "target on loopback": (
        "net-target-on-loopback",
        {
            "compose.yaml": "services:\n  web:\n    image: x\n    environment: {UPSTREAM: 'http://api:3001'}\n"
            "    depends_on: [api]\n  api:\n    build: api\n",
            "api/Dockerfile": NODE,
            "api/index.js": "const app = require('express')();\napp.listen(3001, '127.0.0.1');\n",
        },
    ),
    "published from internal networks": (
        "net-internal-only",
        api("ports: ['127.0.0.1:1:1']", "networks: [data]", rest="", top="networks: {data: {internal: true}}\n"),
    ),
    "outside from internal networks": (
        "net-internal-only",
        api(
            "environment: {PAYMENT_API: 'https://api.stripe.com'}",
            "networks: [data]",
            rest="",
            top="networks: {data: {internal: true}}\n",
        ),
    ),
    "no dependency": ("net-dependency-missing", env("DATABASE_URL", "postgres://app@db/app", more=())),
    "host network of the client": (
        "net-host-mode",
        api("network_mode: host", "environment: {DB_HOST: db}", "depends_on: [db]"),
    ),
    "host network of the server": (
        "net-host-mode",
        api("environment: {DB_HOST: db}", "depends_on: [db]", rest=DB + "    network_mode: host\n"),
    ),
    "links": ("net-links", api("links: [db]")),
    "another project": (
        "net-other-project",
        {
            "a/compose.yaml": "services:\n  api:\n    image: x\n    environment: {USERS_URL: 'http://users:3000'}\n",
            "b/compose.yaml": "services:\n  users:\n    image: y\n",
        },
    ),
    "published store": ("net-store-published", {"compose.yaml": f"services:\n{DB}    ports:\n      - '5432:5432'\n"}),
    "published store without quotes": (
        "net-store-published",
        {"compose.yaml": f"services:\n{REDIS}    ports:\n      - 6379:6379\n"},
    ),
    "inactive profile": (
        "net-inactive-profile",
        api("environment: {REDIS_HOST: redis}", rest=REDIS + "    profiles: [full]\n"),
    ),
}
PATCHED = {
    "localhost in a URL",
    "localhost as a host",
    "localhost of another driver",
    "typing error",
    "host.docker.internal",
    "no shared network",
    "default and another network",
    "networks in brackets",
    "published port",
    "wrong port",
    "no dependency",
    "published store",
    "published store without quotes",
}


def of(rule: str, files: dict[str, str]) -> list[Finding]:
    return [finding for finding in detect(setup_of(files)) if finding.rule_id == rule]


@pytest.mark.parametrize(("rule", "files"), BAD.values(), ids=BAD)
def test_fires_and_its_patch_mends(rule: str, files: dict[str, str], tmp_path: Path) -> None:
    assert of(rule, files)
    check_patches(write_files(tmp_path / "p", files), detect)


@pytest.mark.parametrize("name", sorted(PATCHED))
def test_has_a_patch(name: str) -> None:
    assert any(finding.fix.patch for finding in of(*BAD[name]))


GOOD = {
    "the service's own name": ("net-localhost", env("DATABASE_URL", "postgres://app@db:5432/app")),
    "a URL for browsers": (
        "net-localhost",
        env("NEXT_PUBLIC_API_URL", "http://localhost:8080", rest="  back:\n    image: x\n    expose: [8080]\n"),
    ),
    "a callback": ("net-localhost", env("OAUTH_CALLBACK_URL", "http://localhost:3000/cb")),
    "its own port": (
        "net-localhost",
        api("environment: {SELF_CHECK: 'http://localhost:3000'}", "ports: ['3000:3000']"),
    ),
    "the host's network": (
        "net-localhost",
        api("network_mode: host", "environment: {DB: 'postgres://a@localhost:5432/a'}", "depends_on: [db]"),
    ),
    "another service's network": (
        "net-localhost",
        api("network_mode: service:db", "environment: {DB: 'postgres://a@localhost:5432/a'}"),
    ),
    "an address to listen on": ("net-localhost", env("LISTEN_ADDR", "127.0.0.1:9000")),
    "extra_hosts": (
        "net-host-gateway",
        api("environment: {U: 'http://host.docker.internal:1'}", "extra_hosts: ['host.docker.internal:host-gateway']"),
    ),
    "an alias": (
        "net-unknown-host",
        api(
            "environment: {DB_HOST: pg}",
            rest=DB + "    networks: {default: {aliases: [pg]}}\n",
        ),
    ),
    "a container name": (
        "net-unknown-host",
        api("environment: {DB_HOST: the-db}", rest=DB + "    container_name: the-db\n"),
    ),
    "a host of the internet": ("net-unknown-host", env("API", "https://api.example.com")),
    "an external network": (
        "net-unknown-host",
        api(
            "environment: {Q: 'amqp://queue:5672'}", "networks: [shared]", top="networks: {shared: {external: true}}\n"
        ),
    ),
    "a variable without value": ("net-unknown-host", env("DB", "'postgres://${NOBODY}:5432/x'")),
    "a tag is no port": ("net-unknown-host", env("WORKER_IMAGE", "worker:8080")),
    "nginx's own upstream": (
        "net-unknown-host",
        {
            "compose.yaml": "services:\n  web:\n    image: nginx:1\n    volumes: ['./web.conf:/etc/nginx/conf.d/default.conf']\n"
            "  backend:\n    image: x\n",
            "web.conf": "upstream pool {\n  server backend:80;\n}\nserver {\n  location / {\n    proxy_pass http://pool;\n  }\n}\n",
        },
    ),
    "a common network": (
        "net-no-shared-network",
        api(
            "environment: {DB_HOST: db}",
            "networks: [front, back]",
            rest=DB + "    networks: [back]\n",
            top="networks: {front: {}, back: {}}\n",
        ),
    ),
    "the container's port": (
        "net-published-port",
        env("DATABASE_URL", "postgres://app@db:5432/app", rest=DB + "    ports: ['127.0.0.1:15432:5432']\n"),
    ),
    "a port that is changed": (
        "net-wrong-port",
        api(
            "environment: {REDIS_URL: 'redis://redis:6380'}",
            rest=REDIS + "    command: redis-server --port 6380\n",
        ),
    ),
    "a port that the environment changes": (
        "net-wrong-port",
        api("environment: {DB: 'postgres://a@db:5433/a'}", rest=DB + "    environment: {PGPORT: '5433'}\n"),
    ),
    "a port of EXPOSE": (
        "net-wrong-port",
        {
            "compose.yaml": "services:\n  web:\n    image: x\n    environment: {UPSTREAM: 'http://api:3001'}\n  api:\n    build: api\n",
            "api/Dockerfile": NODE,
        },
    ),
    "a service of another network": (
        "net-dependency-missing",
        api(
            "environment: {DB_HOST: db}",
            "networks: [front]",
            rest=DB + "    networks: [back]\n",
            top="networks: {front: {}, back: {}}\n",
        ),
    ),
    "a node's own name": ("net-localhost", api("environment: {NODE_HOST: 127.0.0.1}")),
    "an unknown image that publishes one of its ports": (
        "net-wrong-port",
        api("environment: {A: 'http://other:5679'}", rest="  other:\n    image: x/other\n    ports: ['5678:5678']\n"),
    ),
    "a URL of the host's port, for browsers": (
        "net-localhost",
        api(
            "environment: {A: 'http://localhost:9090'}", rest="  s:\n    image: minio/minio\n    ports: ['9090:9000']\n"
        ),
    ),
    "an unknown image": (
        "net-wrong-port",
        api("environment: {A: 'http://other:1234'}", rest="  other:\n    image: x/other\n"),
    ),
    "kafka's listeners": (
        "net-wrong-port",
        api("environment: {BROKER: 'kafka:29092'}", rest="  kafka:\n    image: apache/kafka:4\n"),
    ),
    "a configuration file": (
        "net-wrong-port",
        api(
            "environment: {REDIS_URL: 'redis://redis:6380'}",
            rest=REDIS + "    volumes: ['./redis.conf:/usr/local/etc/redis/redis.conf']\n",
        ),
    ),
    "a second network": (
        "net-internal-only",
        api(
            "ports: ['1:1']",
            "networks: [data, edge]",
            rest="",
            top="networks: {data: {internal: true}, edge: {}}\n",
        ),
    ),
    "a dependency of a dependency": (
        "net-dependency-missing",
        api(
            "environment: {DB_HOST: db}", "depends_on: [mid]", rest=DB + "  mid:\n    image: m\n    depends_on: [db]\n"
        ),
    ),
    "a store on loopback": (
        "net-store-published",
        {"compose.yaml": f"services:\n{DB}    ports: ['127.0.0.1:5432:5432']\n"},
    ),
    "a web server": (
        "net-store-published",
        {"compose.yaml": "services:\n  w:\n    image: nginx\n    ports: ['80:80']\n"},
    ),
    "the same profile": (
        "net-inactive-profile",
        api("profiles: [full]", "environment: {REDIS_HOST: redis}", rest=REDIS + "    profiles: [full]\n"),
    ),
}


@pytest.mark.parametrize(("rule", "files"), GOOD.values(), ids=GOOD)
def test_leaves_alone(rule: str, files: dict[str, str]) -> None:
    assert not of(rule, files)


def test_a_variable_that_several_services_are_given_weighs_less() -> None:
    shared = (
        "x-env: &env {DB_HOST: db}\nservices:\n"
        "  api:\n    image: a\n    environment: {<<: *env}\n    networks: [front, back]\n"
        "  ui:\n    image: b\n    environment: {<<: *env}\n    networks: [front]\n"
        "  db:\n    image: postgres:17\n    networks: [back]\nnetworks: {front: {}, back: {}}\n"
    )
    (found,) = of("net-no-shared-network", {"compose.yaml": shared})
    assert found.severity is Severity.MEDIUM
    assert "ui" in found.message


def test_no_patch_shows_the_password_of_a_url() -> None:
    value = "s3cr" + "Et9xQ"
    (found,) = of("net-localhost", env("DATABASE_URL", f"postgres://app:{value}@localhost:5432/app"))
    assert value not in repr(found)
    assert found.fix.patch is None


def test_fingerprints_do_not_hang_on_lines() -> None:
    files = BAD["localhost in a URL"][1]
    first = of("net-localhost", files)
    second = of("net-localhost", {"compose.yaml": "# more\n\n" + files["compose.yaml"]})
    assert [finding.fingerprint for finding in first] == [finding.fingerprint for finding in second]


def test_a_server_in_the_sources_need_not_be_the_only_one() -> None:
    (found,) = of(*BAD["wrong port of a built service"])
    assert found.severity is Severity.MEDIUM
    (sure,) = of(*BAD["wrong port"])
    assert sure.severity is Severity.HIGH


def test_the_advice_for_a_published_store_can_be_pasted() -> None:
    compose = "services:\n  mq:\n    image: rabbitmq:4\n    ports: ['15673:15672', '5672:5672', '1883']\n"
    (finding,) = (f for f in detect(setup_of({"compose.yaml": compose})) if f.rule_id == "net-store-published")
    for port in ("`127.0.0.1:15673:15672`", "`127.0.0.1:5672:5672`", "`127.0.0.1::1883`"):
        assert port in finding.fix.text


def test_an_example_of_another_host_is_not_a_slip_of_the_name_of_a_service() -> None:
    compose = (
        "services:\n  api:\n    image: x/api\n    environment: {SMTP_HOST: '${SMTP_HOST}'}\n"
        "  meta:\n    image: x/meta\n    container_name: acme-meta\n"
    )
    files = {"compose.yaml": compose, ".env.example": "SMTP_HOST=acme-mail\n"}
    (finding,) = (f for f in detect(setup_of(files)) if f.rule_id == "net-unknown-host")
    assert finding.severity is Severity.MEDIUM
    assert "nearest" not in finding.message
