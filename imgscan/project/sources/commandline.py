"""Command lines that serve (`uvicorn app:app`, `vite --host`, `flask run`): where they listen. Pure.

In: the words of a command. Out: `Bind`, with the host of the program's own default where no flag gives one.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.model import SourceLine
from imgscan.project.sources.frameworks import COMMAND_SERVERS, CommandServer
from imgscan.project.sources.records import Bind

_BEFORE: Final = frozenset(
    {
        "exec", "env", "tini", "dumb-init", "--", "nohup", "poetry", "run", "pipenv", "uv", "python", "python3", "-m",
        "npx", "pnpm", "npm", "yarn", "dlx", "bundle", "dotenv", "cross-env", "node", "bunx", "bun", "php",
        "docker-entrypoint.sh", "sudo", "gosu", "su-exec", "-g", "-u", "watchmedo", "coverage", "time", "doppler",
        "opentelemetry-instrument", "ddtrace-run", "newrelic-admin", "run-program", "start", "bin/rails", "pdm",
        "hatch",
    }
)  # fmt: skip
_NO_SERVING: Final = frozenset({"build", "optimize", "test", "lint", "migrate", "check", "export", "generate", "info"})
_SOCKETS: Final = frozenset({"--uds", "--fd", "--unix-socket", "-c", "--config", "--bind-unix"})
_FURTHEST: Final = 12
_ADDRESS: Final = lazy_re(r"(?:tcp://)?(?P<host>\[[0-9a-fA-F:]*\]|[A-Za-z0-9_.*-]*):(?P<port>\d{1,5})")
_VARIABLE: Final = lazy_re(r"\$\{?([A-Za-z_]\w*)(?::?-([^}]*))?\}?")
_ANY: Final = "0.0.0.0"  # noqa: S104 - nothing is bound here


@frozen
class Served:
    """A command that serves, by which program, and where."""

    server: CommandServer
    bind: Bind


def served_by(words: Sequence[str], at: SourceLine) -> Served | None:
    """What a command serves; None if its program is none that is known to."""
    for index in range(min(len(words), _FURTHEST)):
        server, taken = _match(words, index)
        if server is not None:
            return Served(
                server=server, bind=_bind(server, words[index + taken :], at, _assigned(server, words[:index]))
            )
        name = posixpath.basename(words[index])
        if not (name in _BEFORE or words[index].startswith("-") or "=" in name or "wait" in name or ":" in name):
            return None
    return None


def _match(words: Sequence[str], index: int) -> tuple[CommandServer | None, int]:
    name = posixpath.basename(words[index])
    behind = [word for word in words[index + 1 : index + _FURTHEST] if not word.startswith("-") or word == "-S"]
    server = next((found for word in behind if (found := COMMAND_SERVERS.get((name, word))) is not None), None)
    if server is not None:
        return server, 1
    return None if behind and behind[0] in _NO_SERVING else COMMAND_SERVERS.get((name,)), 1


def _assigned(server: CommandServer, words: Sequence[str]) -> str | None:
    """The host that `HOST=… program` gives."""
    pairs = (word.partition("=") for word in words)
    return next((value for name, _, value in pairs if value and name in server.host_variables), None)


def _bind(server: CommandServer, words: Sequence[str], at: SourceLine, given_host: str | None) -> Bind:
    host = given_host
    written = given_host is not None
    port = server.port
    port_text = None
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        following = words[index + 1] if index + 1 < len(words) else ""
        if flag in _SOCKETS:
            written, host = True, "$"  # no address at all, or one in a file
        if flag in server.host_flags:
            given = value if equals else "" if following.startswith("-") else following
            written, host = True, given or (_ANY if server.bare_is_any else None)
        elif flag in server.port_flags:
            port_text = value if equals else following
        elif flag in server.joined or (flag[:2] in server.joined and len(flag) > 2 and not flag.startswith("--")):
            given = value if equals else flag[2:] if flag not in server.joined else following
            found = _ADDRESS.fullmatch(given)
            written, host = True, (found["host"].strip("[]") or _ANY if found else given)
            port_text = found["port"] if found else port_text
        elif server.positional and (found := re.fullmatch(r"(?:([A-Za-z0-9_.\[\]:*-]+):)?(\d{1,5})", word)):
            written, host = bool(found[1]), found[1] or None
            port_text = found[2]
    variable = _VARIABLE.fullmatch(port_text or "")
    if port_text:
        text = (variable[2] or "") if variable else port_text
        port = int(text) if text.isdigit() and len(text) <= 5 else None
    host_variable = _VARIABLE.fullmatch(host or "")
    return Bind(
        file=at.file,
        line=at.line,
        framework=server.name,
        host=host_variable[2] if host_variable else host,
        host_variable=host_variable[1] if host_variable else None,
        port=port,
        port_variable=variable[1] if variable else None,
        framework_host=None if written else server.host,
        host_known=not written or "$" not in (host or "") or host_variable is not None,
    )
