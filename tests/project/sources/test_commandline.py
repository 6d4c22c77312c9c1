"""Command lines that serve, and what a container runs."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from setups import setup_of

from imgscan.model import SourceLine
from imgscan.project.process import processes_of, script_name
from imgscan.project.serviceimages import service_images
from imgscan.project.sources.commandline import served_by

AT = SourceLine(file="Dockerfile", line=1)
SERVED = {
    "uvicorn app:app": ("uvicorn", None, "127.0.0.1", 8000),
    "uvicorn app:app --host 0.0.0.0 --port 80": ("uvicorn", "0.0.0.0", None, 80),
    "uvicorn app:app --host=:: --port=$PORT": ("uvicorn", "::", None, None),
    "poetry run uvicorn app:app --port 80": ("uvicorn", None, "127.0.0.1", 80),
    "python -m uvicorn app:app": ("uvicorn", None, "127.0.0.1", 8000),
    "tini -- gunicorn app:app": ("gunicorn", None, "127.0.0.1", 8000),
    "gunicorn -w 3 -b 0.0.0.0:9000 app:app": ("gunicorn", "0.0.0.0", None, 9000),
    "gunicorn --bind=:9000 app:app": ("gunicorn", "0.0.0.0", None, 9000),
    "gunicorn -b127.0.0.1:1 app:app": ("gunicorn", "127.0.0.1", None, 1),
    "flask run": ("flask run", None, "127.0.0.1", 5000),
    "python -m flask --app x run --host 0.0.0.0": ("flask run", "0.0.0.0", None, 5000),
    "python manage.py runserver": ("runserver", None, "127.0.0.1", 8000),
    "python3 manage.py runserver 0.0.0.0:8080": ("runserver", "0.0.0.0", None, 8080),
    "manage.py runserver 8080": ("runserver", None, "127.0.0.1", 8080),
    "vite": ("vite", None, "localhost", 5173),
    "vite --host": ("vite", "0.0.0.0", None, 5173),
    "vite dev --host 0.0.0.0 --port 80": ("vite", "0.0.0.0", None, 80),
    "npx vite preview": ("vite preview", None, "localhost", 4173),
    "next start -p 80": ("next", None, None, 80),
    "ng serve --host 0.0.0.0": ("ng serve", "0.0.0.0", None, 4200),
    "bundle exec rails s -b 0.0.0.0": ("rails server", "0.0.0.0", None, 3000),
    "php -S 0.0.0.0:80 -t public": ("php -S", "0.0.0.0", None, 80),
    "php artisan serve --host=0.0.0.0": ("artisan serve", "0.0.0.0", None, 8000),
}
NOT_SERVED = [
    "node index.js",
    "echo uvicorn app:app",
    "celery -A app worker",
    "npm start",
    "vite build",
    "pip install uvicorn",
    "",
]


@pytest.mark.parametrize(("command", "expected"), SERVED.items(), ids=SERVED)
def test_served(command: str, expected: tuple[str, str | None, str | None, int | None]) -> None:
    found = served_by(shlex.split(command), AT)
    assert found is not None
    bind = found.bind
    assert (bind.framework, bind.host, bind.framework_host, bind.port) == expected


@pytest.mark.parametrize("command", NOT_SERVED)
def test_not_served(command: str) -> None:
    assert served_by(shlex.split(command), AT) is None


def test_a_host_by_a_variable() -> None:
    found = served_by(["uvicorn", "a:a", "--host", "${HOST:-127.0.0.1}"], AT)
    assert found is not None
    assert (found.bind.host, found.bind.host_variable) == ("127.0.0.1", "HOST")


@given(
    st.lists(
        st.sampled_from(["vite", "--host", "-b", ":", "=", "run", "$X", "0.0.0.0:1", "gunicorn", "--bind=", ""]),
        max_size=8,
    )
)
def test_any_words_are_taken(words: list[str]) -> None:
    served_by(words, AT)


SCRIPTS = {
    "npm start": ("start", ()),
    "npm run dev -- --host": ("dev", ("--host",)),
    "pnpm --filter api dev": ("dev", ()),
    "yarn serve": ("serve", ()),
    "bun run start": ("start", ()),
    "npm install": (None, ()),
    "node npm.js": (None, ()),
}


@pytest.mark.parametrize(("command", "expected"), SCRIPTS.items(), ids=SCRIPTS)
def test_script_names(command: str, expected: tuple[str | None, tuple[str, ...]]) -> None:
    assert script_name(command.split()) == expected


PROCESSES = {
    "exec form": ('CMD ["node", "a.js"]', "", [("node", "a.js")]),
    "shell form": ("CMD node a.js && node b.js", "", [("node", "a.js"), ("node", "b.js")]),
    "entrypoint and command": ('ENTRYPOINT ["tini", "--"]\nCMD ["node", "a.js"]', "", [("tini", "--", "node", "a.js")]),
    "compose's command": ('ENTRYPOINT ["tini", "--"]\nCMD ["node", "a.js"]', "command: node b.js", [("tini", "--", "node", "b.js")]),
    "compose's entrypoint": ('CMD ["node", "a.js"]', "entrypoint: ['node', 'b.js']", [("node", "b.js")]),
    "a shell's text": ('CMD ["sh", "-c", "migrate; exec node a.js"]', "", [("migrate",), ("exec", "node", "a.js")]),
    "a package script": ('CMD ["npm", "run", "dev"]', "", [("vite", "--port", "80")]),
    "a script that calls another": ('CMD ["npm", "start"]', "", [("vite", "--port", "80", "--host")]),
    "a script that calls itself": ('CMD ["npm", "run", "loop"]', "", [("npm", "run", "loop")]),
    "nothing": ("", "", []),
}  # fmt: skip


@pytest.mark.parametrize(("dockerfile", "key", "expected"), PROCESSES.values(), ids=PROCESSES)
def test_processes(dockerfile: str, key: str, expected: list[tuple[str, ...]]) -> None:
    setup = setup_of(
        {
            "compose.yaml": f"services:\n  web:\n    build: .\n    {key}\n",
            "Dockerfile": f"FROM node:24\n{dockerfile}\n",
            "package.json": '{"scripts": {"dev": "vite --port 80", "start": "npm run dev -- --host", "loop": "npm run loop"}}',
        }
    )
    (project,) = setup.composes
    image = service_images(project, setup)["web"]
    assert [process.words for process in processes_of(project.services["web"], image, setup)] == expected
