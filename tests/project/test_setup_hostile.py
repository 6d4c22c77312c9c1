"""Hostile set-ups: the detectors of OPS-001 and TECH-002 end, and never raise."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from setups import setup_of

from imgscan.project.health.detect import detect as health
from imgscan.project.network.detect import detect as network

MANY = "".join(
    f"  s{i}:\n    image: x\n    environment: {{U: 'http://s{i + 1}:80'}}\n    depends_on: [s{(i + 1) % 400}]\n"
    for i in range(400)
)
HOSTILE = {
    "many services in a circle": {"compose.yaml": "services:\n" + MANY},
    "shares its own network": {
        "compose.yaml": "services:\n  a:\n    image: x\n    network_mode: service:a\n    environment: {U: 'http://b:1'}\n"
    },
    "shares in a circle": {
        "compose.yaml": "services:\n  a:\n    image: x\n    network_mode: service:b\n  b:\n    image: x\n    network_mode: service:a\n"
    },
    "a recursive anchor": {"compose.yaml": "services:\n  a: &a\n    image: x\n    environment: *a\n"},
    "a Dockerfile that BuildKit refuses": {
        "compose.yaml": "services:\n  a:\n    build: .\n",
        "Dockerfile": "COPY a b\n",
    },
    "a FROM of nothing": {
        "compose.yaml": "services:\n  a:\n    build: .\n",
        "Dockerfile": "ARG X\nFROM $X\nEXPOSE $X-99999\n",
    },
    "an unknown target": {
        "compose.yaml": "services:\n  a:\n    build: {context: ., target: no}\n",
        "Dockerfile": "FROM a\nHEALTHCHECK CMD x\n",
    },
    "outside": {
        "compose.yaml": "services:\n  a:\n    build: ../..\n    env_file: /etc/passwd\n    volumes: ['/:/etc/nginx']\n    image: nginx\n"
    },
    "a health check of one megabyte": {
        "compose.yaml": f'services:\n  a:\n    image: redis\n    healthcheck:\n      test: "{"curl http://localhost/ ; " * 40_000}"\n'
    },
    "ports without end": {
        "compose.yaml": "services:\n  a:\n    image: redis\n    ports: ['1-65535:1-65535', '99999:1']\n"
    },
    "a name that is a pattern": {
        "compose.yaml": "services:\n  'a.*(b':\n    image: x\n    environment: {H: 'http://localhost:1'}\n"
    },
    "a script of package.json that calls itself": {
        "compose.yaml": "services:\n  a:\n    build: .\n    command: npm start\n",
        "Dockerfile": "FROM node\n",
        "package.json": '{"scripts": {"start": "npm start && npm start && npm run start"}}',
    },
    "not UTF-8": {"compose.yaml": "services:\n  a:\n    image: x\n    environment: {U: 'http://localhost:1/\udc80'}\n"},
}


@pytest.mark.parametrize("files", HOSTILE.values(), ids=HOSTILE)
def test_hostile_projects_end(files: dict[str, str]) -> None:
    setup = setup_of(files)
    list(health(setup))
    list(network(setup))


LINES = st.sampled_from(
    [
        "image: postgres:17",
        "image: nginx:alpine",
        "build: .",
        "command: vite --host",
        "network_mode: host",
        "networks: [n]",
        "ports: ['5432:5432']",
        "depends_on: [a]",
        "depends_on: {b: {condition: service_healthy}}",
        "environment: {DATABASE_URL: 'postgres://x@localhost:5432/x', B_HOST: b}",
        "environment: [U=http://a:80, P]",
        "healthcheck: {test: [CMD, wget, 'http://localhost:80/x'], interval: 5s, timeout: 9s}",
        "healthcheck:\n      test: pg_isready || true",
        "healthcheck: {disable: true}",
        "profiles: [p]",
        "restart: 'no'",
        "links: [a:x]",
    ]
)
BODIES = st.lists(st.lists(LINES, unique_by=lambda line: line.split(":")[0], max_size=6), min_size=1, max_size=3)
DOCKERFILES = st.sampled_from(
    [
        'FROM node:24-alpine\nCMD ["node", "a.js"]\n',
        "FROM gcr.io/distroless/x\nHEALTHCHECK CMD curl http://localhost\n",
        "FROM",
    ]
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(BODIES, DOCKERFILES)
def test_any_set_up_is_judged(bodies: list[list[str]], dockerfile: str) -> None:
    services = "".join(
        f"  {name}:\n" + "".join(f"    {line}\n" for line in body or ["image: x"])
        for name, body in zip("abc", bodies, strict=False)
    )
    setup = setup_of(
        {
            "compose.yaml": f"services:\n{services}networks: {{n: {{internal: true}}}}\n",
            "Dockerfile": dockerfile,
            "a.js": "import Fastify from 'fastify';\napp.listen({ port: 80 });",
        }
    )
    found = [*health(setup), *network(setup)]
    assert all(finding.message and finding.location.line for finding in found)
    assert len({finding.fingerprint for finding in found}) == len(found), [finding.rule_id for finding in found]
