"""The database of the drill: PostgreSQL in a container of the scratch project, asked by its own psql.

In: a container. Out: rows of ours put in, fingerprints of all tables, a database made empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.verify.stack import Stack, State

_IDENTIFIER: Final = lazy_re(r"[A-Za-z_][A-Za-z0-9_$-]{0,62}")
_WAIT_S: Final = 60.0
SEED: Final = """
create table imgscan_drill_rows (id serial primary key, doc jsonb not null, raw bytea, made timestamptz default now());
insert into imgscan_drill_rows (doc, raw)
  select jsonb_build_object('n', n, 'text', E'quote '' tab \\t backslash \\\\', 'list', jsonb_build_array(n, null)),
         decode(md5(n::text) || '00ff0a0d5c', 'hex') from generate_series(1, 500) n;
create table imgscan_drill_empty (id int primary key, note text);
create table imgscan_drill_wide (id int primary key references imgscan_drill_rows (id), body text);
insert into imgscan_drill_wide select n, repeat(md5(n::text), 64) from generate_series(1, 200) n;
"""
"""Rows with jsonb, bytea (all awkward bytes), timestamps, a reference, values large enough to be stored aside; and a
table without rows."""
# Per table: name, number of rows, a checksum that does not depend on their order.
_FINGERPRINT: Final = """
select format(
  'select %L, count(*), coalesce(md5(string_agg(md5(t::text), '''' order by md5(t::text))), ''-'') from %I.%I t;',
  schemaname || '.' || tablename, schemaname, tablename)
from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1
\\gexec
"""


class DatabaseError(Exception):
    """psql's own words."""


@frozen
class Database:
    """A PostgreSQL server in a container, its user and its database."""

    stack: Stack
    state: State
    user: str
    name: str

    def sql(self, text: str, *, database: str | None = None) -> str:
        """Run SQL and give what it wrote. Raises DatabaseError."""
        options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", self.user, "-d", database or self.name]
        script = 'printf "%s" "$0" | psql "$@"'
        code, out = self.stack.execute(self.state, ["sh", "-c", script, text, *options], timeout_s=60)
        if code != 0:
            raise DatabaseError(" ".join(out.split())[-400:])
        return out

    def seed(self) -> None:
        """Put rows of ours in. Raises DatabaseError."""
        self.sql(SEED)

    def fingerprint(self) -> dict[str, str]:
        """Rows and checksum by table. Raises DatabaseError."""
        lines = (line.split("|") for line in self.sql(_FINGERPRINT).splitlines() if line.count("|") >= 2)
        return {fields[0]: f"{fields[1]} rows, {fields[2]}" for fields in lines}

    def empty(self) -> None:
        """Lose everything: the database is made anew, without tables. Raises DatabaseError."""
        name = self.name.replace('"', '""')
        self.sql(f'drop database "{name}" with (force);', database="template1")
        self.sql(f'create database "{name}" template template0;', database="template1")


def find_database(stack: Stack, config: Mapping[str, Any], states: Mapping[str, State]) -> Database | None:
    """The first running service that is a PostgreSQL server; None if there is none."""
    for _, state in sorted(states.items()):
        if not state.running:
            continue
        record = stack.inspect(state.container)
        pairs = (entry.partition("=") for entry in (record.get("Config") or {}).get("Env") or ())
        environment = {name: value for name, _, value in pairs}
        if "PGDATA" not in environment and not any(name.startswith("POSTGRES_") for name in environment):
            continue
        user = environment.get("POSTGRES_USER") or "postgres"
        name = environment.get("POSTGRES_DB") or user
        if not _IDENTIFIER.fullmatch(user) or not _IDENTIFIER.fullmatch(name):
            continue
        code, _ = stack.execute(state, ["psql", "--version"])
        if code == 0:
            return Database(stack=stack, state=state, user=user, name=name)
    return None
