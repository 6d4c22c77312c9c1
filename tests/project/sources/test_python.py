"""Variables, servers and routes in Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.project.sources.python import read

READS = {
    "subscript": ("import os\nos.environ['A']", [("A", None, True)]),
    "set": ("import os\nos.environ['A'] = 'x'", []),
    "get": ("import os\nos.environ.get('A', 'x')", [("A", "x", False)]),
    "getenv": ("from os import getenv\ngetenv('A')", [("A", None, False)]),
    "default by name": ("import os\nos.getenv('A', default=5)", [("A", "5", False)]),
    "decouple": ("from decouple import config\nconfig('A', default=True, cast=bool)\nconfig('B')", [("A", "True", False), ("B", None, True)]),
    "environs": ("from environs import Env\nenv = Env()\nenv.str('A', 'x')\nenv.int('B')", [("A", "x", False), ("B", None, True)]),
    "django-environ": ("import environ\nenv = environ.Env()\nenv.db('DATABASE_URL')", [("DATABASE_URL", None, True)]),
    "settings": (
        "from pydantic_settings import BaseSettings\nclass S(BaseSettings):\n    db_url: str\n    port: int = 1\n    x: str | None = None",
        [("DB_URL", None, True), ("PORT", "1", False), ("X", None, False)],
    ),
    "settings with a prefix": (
        "class S(BaseSettings):\n    model_config = SettingsConfigDict(env_prefix='app_')\n    port: int = 1",
        [("APP_PORT", "1", False)],
    ),
    "settings with a class for its configuration": (
        "class S(BaseSettings):\n    port: int = Field(1, env='THE_PORT')\n    class Config:\n        env_prefix = 'X_'",
        [("THE_PORT", "1", False)],
    ),
    "no environment": ("config = {}\nconfig.get('A', 'x')\nrequests.get('B')", []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), READS.values(), ids=READS)
def test_reads(text: str, expected: list[tuple[str, str | None, bool]]) -> None:
    assert [(each.name, each.default, each.required) for each in read({"a.py": text}, {}).reads] == expected


BINDS = {
    "uvicorn": ("import uvicorn\nuvicorn.run(app)", ("uvicorn", None, "127.0.0.1", 8000)),
    "uvicorn with a host": ("import uvicorn\nuvicorn.run(app, host='0.0.0.0', port=80)", ("uvicorn", "0.0.0.0", None, 80)),
    "flask": ("from flask import Flask\napp = Flask('x')\napp.run()", ("flask", None, "127.0.0.1", 5000)),
    "flask by places": ("from flask import Flask\napp.run('0.0.0.0', port=1)", ("flask", "0.0.0.0", None, 1)),
    "a name": ("import uvicorn\nHOST = 'localhost'\nuvicorn.run(app, host=HOST)", ("uvicorn", "localhost", None, 8000)),
    "the environment": ("import os, uvicorn\nuvicorn.run(app, host=os.getenv('H', '::1'))", ("uvicorn", "::1", None, 8000)),
    "aiohttp": ("from aiohttp import web\nweb.run_app(app)", ("aiohttp", None, None, 8080)),
    "standard library": ("from http.server import HTTPServer\nHTTPServer(('', 8000), H)", ("HTTPServer", "0.0.0.0", None, 8000)),
    "an address by a name": ("A = ('localhost', 1)\nfrom http.server import HTTPServer\nHTTPServer(A, H)", ("HTTPServer", "localhost", None, 1)),
    "grpc": ("import grpc\nserver.add_insecure_port('[::]:50051')", ("grpc", "::", None, 50051)),
    "gradio": ("import gradio as gr\ngr.Interface(f).queue().launch()", None),
    "gradio by a name": ("import gradio as gr\ndemo.launch(server_name='0.0.0.0')", ("gradio", "0.0.0.0", None, 7860)),
    "no server": ("import subprocess\nfrom flask import Flask\nsubprocess.run('x')\nasyncio.run(main())", None),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BINDS.values(), ids=BINDS)
def test_binds(text: str, expected: tuple[str, str | None, str | None, int | None] | None) -> None:
    found = [(each.framework, each.host, each.framework_host, each.port) for each in read({"a.py": text}, {}).binds]
    assert found == ([expected] if expected else [])


MENDS = {
    "no arguments": ("from flask import Flask\napp.run()\n", 'app.run(host="0.0.0.0")'),
    "some": ("from flask import Flask\napp.run(debug=True)\n", 'app.run(debug=True, host="0.0.0.0")'),
    "a comma at the end": ("from flask import Flask\napp.run(\n    debug=True,\n)\n", 'debug=True,host="0.0.0.0"\n)'),
    "a host": ("# ä\nfrom flask import Flask\napp.run(host='127.0.0.1')\n", 'app.run(host="0.0.0.0")'),
    "a fallback": (
        "import os\nfrom flask import Flask\napp.run(host=os.getenv('H', 'localhost'))\n",
        "os.getenv('H', \"0.0.0.0\")",
    ),
}


@pytest.mark.parametrize(("text", "expected"), MENDS.values(), ids=MENDS)
def test_mends(text: str, expected: str) -> None:
    (bind,) = read({"a.py": text}, {}).binds
    assert bind.mend is not None
    mended = text[: bind.mend.start] + bind.mend.text + text[bind.mend.end :]
    assert expected in mended
    (again,) = read({"a.py": mended}, {}).binds
    assert again.host == "0.0.0.0"


def test_routes() -> None:
    text = (
        "import django\nfrom django.urls import path\n@app.get('/health')\ndef a(): ...\n"
        "@bp.route('/x', methods=['GET'])\nasync def b(): ...\napp.include_router(r, prefix='/api')\n"
        "urls = [path('admin/', view), path('v1/', include('x'))]\n"
    )
    found = {(each.path, each.method) for each in read({"a.py": text}, {}).routes}
    assert found == {("/health", "GET"), ("/x", None), ("/api", "MOUNT"), ("/admin", None), ("/v1", "MOUNT")}


HOSTILE = {
    "deep": "os.environ[" + "(" * 100_000,
    "a long sum": "import os\nx = os.environ['A']" + "+1" * 20_000,
    "minus": "x = os.getenv('A', " + "-" * 50_000 + "1)",
    "names in a circle": "HOST = PORT\nPORT = HOST\nimport uvicorn\nuvicorn.run(app, host=HOST, port=PORT)",
    "attributes": "import os\nos.environ.get" + ".a" * 20_000 + "('A')",
    "an old version": "print 'x', os.environ['A']",
    "surrogates": "os.environ['\udc80']",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_end(text: str) -> None:
    read({"a.py": text}, {})


PIECES = [
    "os.environ",
    "['A']",
    ".get(",
    "'A'",
    ")",
    "(",
    "import uvicorn\n",
    "uvicorn.run(",
    "host=",
    "\n",
    "def f():",
    " ",
    ",",
    "=",
    "class S(BaseSettings):\n",
    " a: int = 1\n",
    "é",
]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_anything_is_read(text: str) -> None:
    read({"a.py": text}, {})
