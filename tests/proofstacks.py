"""Small real projects to prove things about: a server, a caller, a database with scripts, on the machine's own base
images."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
NODE = "imgscan-base/node:24"
POSTGRES = "imgscan-base/postgres:15"
SUITES = ("trixie", "sid")

SERVER = """\
const http = require('http');
http.createServer((q, r) => r.end('ok')).listen(3001, process.env.HOST || '0.0.0.0');
"""
CHECK = [
    "CMD",
    "node",
    "-e",
    "require('net').connect(3001,'127.0.0.1').on('connect',()=>process.exit(0)).on('error',()=>process.exit(1))",
]


@cache
def plugin_folder(suite: str = "trixie") -> str:
    """A DOCKER_CONFIG in which the docker CLI finds compose."""
    done = subprocess.run(
        [str(ROOT / ".ci" / "compose.sh"), "config"],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(Path.home()), "SUITE": suite},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def web_stack(*, host: str = "0.0.0.0", url: str = "http://web:3001/", networks: bool = False) -> dict[str, str]:
    """A server bound to `host`, and a service that is told to call `url`."""
    web: dict[str, object] = {
        "image": NODE,
        "command": ["node", "/srv/server.js"],
        "environment": {"HOST": host},
        "volumes": ["./server.js:/srv/server.js:ro"],
        "ports": ["3001:3001"],
        "init": True,
        "healthcheck": {"test": CHECK, "interval": "1s", "timeout": "3s", "retries": 10},
    }
    caller: dict[str, object] = {
        "image": NODE,
        "command": ["node", "-e", "setInterval(()=>{},1000)"],
        "environment": {"UPSTREAM_URL": url},
        "depends_on": {"web": {"condition": "service_healthy"}},
        "init": True,
    }
    document: dict[str, object] = {"services": {"web": web, "caller": caller}}
    if networks:
        web["networks"], caller["networks"] = ["front"], ["back"]
        document["networks"] = {"front": {}, "back": {}}
    return {"compose.yaml": json.dumps(document), "server.js": SERVER}


def racing_stack() -> dict[str, str]:
    """A service that connects to its database once, when it starts, and does not wait for it."""
    program = "require('net').connect(5432,'db').on('connect',()=>setInterval(()=>{},1000)).on('error',e=>{console.error(e.code);process.exit(1)})"
    return {
        "compose.yaml": json.dumps(
            {
                "services": {
                    "db": {"image": POSTGRES, "environment": {"POSTGRES_PASSWORD": "x"}, "expose": ["5432"]},
                    "app": {
                        "image": NODE,
                        "command": ["node", "-e", program],
                        "init": True,
                        "depends_on": ["db"],
                        "environment": {"DB_URL": "postgres://postgres@db:5432/postgres"},
                    },
                }
            }
        )
    }


LIB = """\
#!/usr/bin/env bash
set -euo pipefail
cd "$(dirname "$0")/.."
db() { docker compose exec -T db "$@"; }
"""
BACKUP = """\
mkdir -p backups
tmp=$(mktemp backups/.partial.XXXXXX)
trap 'rm -f "$tmp"' EXIT
db pg_dump --format=custom -U app -d app{extra} >"$tmp"
out=backups/$(date +%s%N).dump
sha256sum <"$tmp" >"$out.sum"
mv "$tmp" "$out"
"""
RESTORE = """\
file=$1
[ "$(sha256sum <"$file")" = "$(cat "$file.sum")" ] || { echo "checksum" >&2; exit 7; }
db pg_restore --exit-on-error --single-transaction --no-owner -U app -d app <"$file"
"""
SLOPPY_BACKUP = """\
#!/usr/bin/env bash
cd "$(dirname "$0")/.."
mkdir -p backups
docker compose exec -T db pg_dump -U app app | gzip >backups/app.sql.gz
echo done
"""
SLOPPY_RESTORE = """\
#!/usr/bin/env bash
cd "$(dirname "$0")/.."
gunzip -c "$1" | docker compose exec -T db psql -U app app
"""


def database_stack(backup: str, restore: str) -> dict[str, str]:
    """A database with a backup and a restore script."""
    return {
        "compose.yaml": json.dumps(
            {
                "services": {
                    "db": {
                        "image": POSTGRES,
                        "environment": {"POSTGRES_USER": "app", "POSTGRES_DB": "app", "POSTGRES_PASSWORD": "x"},
                        "volumes": ["data:/var/lib/postgresql/data"],
                        "healthcheck": {
                            "test": ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "app"],
                            "interval": "1s",
                            "retries": 30,
                        },
                    }
                },
                "volumes": {"data": {}},
            }
        ),
        "scripts/backup.sh": backup,
        "scripts/restore.sh": restore,
    }


def good_backup(extra: str = "") -> str:
    """A backup script without a fault, but for what `extra` makes pg_dump leave out."""
    return LIB + BACKUP.format(extra=extra and f" {extra}")


GOOD_RESTORE = LIB + RESTORE
