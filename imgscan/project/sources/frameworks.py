"""Where servers listen when nobody tells them: libraries and command lines. Data, from each one's own documentation.

Libraries and programs that listen on every address are not in `LIBRARY_HOSTS`, or have the host None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from imgscan.frozen import frozen

LOCAL: Final = "127.0.0.1"

LIBRARY_HOSTS: Final[Mapping[str, str]] = {
    "fastify": "localhost",
    "nest-fastify": "localhost",
    "uvicorn": LOCAL,
    "flask": LOCAL,
    "quart": LOCAL,
    "sanic": LOCAL,
    "bottle": LOCAL,
    "flask-socketio": LOCAL,
    "dash": LOCAL,
    "gradio": LOCAL,
    "hypercorn": LOCAL,
    "cherrypy": LOCAL,
}
"""The host that a library takes when its call names none, by the name that `Bind.framework` has."""


@frozen
class CommandServer:
    """A program that serves. `host`: what it takes without a flag (None: every address). A flag may be followed by `=`
    or by its value; `joined` flags take `host:port`. With `bare_is_any` the flag alone means every address."""

    name: str
    host: str | None
    port: int | None
    host_flags: tuple[str, ...] = ()
    port_flags: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    host_variables: tuple[str, ...] = ()
    port_variables: tuple[str, ...] = ()
    bare_is_any: bool = False
    positional: bool = False
    mend: str | None = None


def _server(
    name: str,
    host: str | None,
    port: int | None,
    hosts: str = "",
    ports: str = "",
    *,
    joined: str = "",
    host_variables: str = "",
    port_variables: str = "",
    bare_is_any: bool = False,
    positional: bool = False,
    mend: str | None = None,
) -> CommandServer:
    return CommandServer(
        name=name,
        host=host,
        port=port,
        host_flags=tuple(hosts.split()),
        port_flags=tuple(ports.split()),
        joined=tuple(joined.split()),
        host_variables=tuple(host_variables.split()),
        port_variables=tuple(port_variables.split()),
        bare_is_any=bare_is_any,
        positional=positional,
        mend=mend or (f"{hosts.split()[0]} 0.0.0.0" if hosts else None),
    )


_VITE: Final = _server("vite", "localhost", 5173, "--host", "--port", bare_is_any=True)
_VITE_PREVIEW: Final = _server("vite preview", "localhost", 4173, "--host", "--port", bare_is_any=True)
_FLASK: Final = _server(
    "flask run",
    LOCAL,
    5000,
    "--host -h",
    "--port -p",
    host_variables="FLASK_RUN_HOST",
    port_variables="FLASK_RUN_PORT",
)
_RAILS: Final = _server(
    "rails server", "localhost", 3000, "-b --binding", "-p --port", host_variables="BINDING", port_variables="PORT"
)
_NEXT: Final = _server("next", None, 3000, "-H --hostname", "-p --port", port_variables="PORT")
_NUXT: Final = _server(
    "nuxt",
    "localhost",
    3000,
    "--host -H",
    "--port -p",
    host_variables="NUXT_HOST NITRO_HOST HOST",
    port_variables="NUXT_PORT PORT",
    bare_is_any=True,
)
_ASTRO: Final = _server("astro", "localhost", 4321, "--host", "--port", bare_is_any=True)
_RUNSERVER: Final = _server("runserver", LOCAL, 8000, positional=True, mend="0.0.0.0:8000")

COMMAND_SERVERS: Final[Mapping[tuple[str, ...], CommandServer]] = {
    ("uvicorn",): _server(
        "uvicorn", LOCAL, 8000, "--host", "--port", host_variables="UVICORN_HOST", port_variables="UVICORN_PORT"
    ),
    ("gunicorn",): _server(
        "gunicorn", LOCAL, 8000, joined="-b --bind", host_variables="GUNICORN_CMD_ARGS PORT", mend="--bind 0.0.0.0:8000"
    ),
    ("hypercorn",): _server("hypercorn", LOCAL, 8000, joined="-b --bind", mend="--bind 0.0.0.0:8000"),
    ("daphne",): _server("daphne", LOCAL, 8000, "-b --bind", "-p --port"),
    ("granian",): _server(
        "granian", LOCAL, 8000, "--host", "--port", host_variables="GRANIAN_HOST", port_variables="GRANIAN_PORT"
    ),
    ("flask", "run"): _FLASK,
    ("fastapi", "dev"): _server("fastapi dev", LOCAL, 8000, "--host", "--port"),
    ("fastapi", "run"): _server("fastapi run", None, 8000, "--host", "--port", port_variables="PORT"),
    ("manage.py", "runserver"): _RUNSERVER,
    ("django-admin", "runserver"): _RUNSERVER,
    ("http.server",): _server("http.server", None, 8000, "--bind -b"),
    ("mkdocs", "serve"): _server("mkdocs serve", LOCAL, 8000, joined="-a --dev-addr", mend="--dev-addr 0.0.0.0:8000"),
    ("rails", "s"): _RAILS,
    ("rails", "server"): _RAILS,
    ("jekyll", "serve"): _server("jekyll serve", LOCAL, 4000, "-H --host", "-P --port"),
    ("php", "-S"): _server("php -S", None, None, joined="-S"),
    ("artisan", "serve"): _server(
        "artisan serve", LOCAL, 8000, "--host", "--port", host_variables="SERVER_HOST", port_variables="SERVER_PORT"
    ),
    ("vite",): _VITE,
    ("vite", "dev"): _VITE,
    ("vite", "serve"): _VITE,
    ("vite", "preview"): _VITE_PREVIEW,
    ("ng", "serve"): _server("ng serve", "localhost", 4200, "--host", "--port"),
    ("next", "dev"): _NEXT,
    ("next", "start"): _NEXT,
    ("nuxt", "dev"): _NUXT,
    ("nuxi", "dev"): _NUXT,
    ("nuxt", "preview"): _NUXT,
    ("nuxi", "preview"): _NUXT,
    ("astro", "dev"): _ASTRO,
    ("astro", "preview"): _ASTRO,
    ("webpack", "serve"): _server("webpack serve", "localhost", 8080, "--host", "--port"),
    ("webpack-dev-server",): _server("webpack serve", "localhost", 8080, "--host", "--port"),
    ("gatsby", "develop"): _server("gatsby develop", "localhost", 8000, "-H --host", "-p --port"),
    ("gatsby", "serve"): _server("gatsby serve", "localhost", 9000, "-H --host", "-p --port"),
    ("docusaurus", "start"): _server("docusaurus start", "localhost", 3000, "--host -h", "--port -p"),
    ("docusaurus", "serve"): _server("docusaurus serve", "localhost", 3000, "--host -h", "--port -p"),
    ("react-scripts", "start"): _server(
        "react-scripts start", None, 3000, host_variables="HOST", port_variables="PORT"
    ),
    ("vue-cli-service", "serve"): _server(
        "vue-cli-service serve", None, 8080, "--host", "--port", host_variables="HOST", port_variables="PORT"
    ),
    ("http-server",): _server("http-server", None, 8080, "-a", "-p --port"),
    ("serve",): _server("serve", None, 3000, "", "-l --listen -p", port_variables="PORT"),
    ("hugo", "server"): _server("hugo server", LOCAL, 1313, "--bind", "--port -p"),
    ("hugo", "serve"): _server("hugo server", LOCAL, 1313, "--bind", "--port -p"),
    ("streamlit", "run"): _server("streamlit run", None, 8501, "--server.address", "--server.port"),
}
"""By the words that make the program serve: its name, and where needed the word behind it."""

CONFIG_FILES: Final[Mapping[str, re.Pattern[str]]] = {
    "vite": re.compile(r"(?:vite|svelte)\.config\.\w+"),
    "astro": re.compile(r"astro\.config\.\w+"),
    "nuxt": re.compile(r"nuxt\.config\.\w+"),
    "webpack": re.compile(r"webpack[\w.-]*\.\w+"),
    "ng": re.compile(r"angular\.json"),
    "gunicorn": re.compile(r".*gunicorn.*|config\.py"),
    "hypercorn": re.compile(r".*hypercorn.*"),
    "flask": re.compile(r"\.flaskenv|\.env"),
    "mkdocs": re.compile(r"mkdocs\.ya?ml"),
    "rails": re.compile(r"puma\.rb|boot\.rb|application\.rb"),
    "jekyll": re.compile(r"_config\.ya?ml"),
    "hugo": re.compile(r"(?:hugo|config)\.\w+"),
    "vue-cli-service": re.compile(r"vue\.config\.\w+"),
}
"""Files in which a program finds a host as well, by the first word of its name."""
