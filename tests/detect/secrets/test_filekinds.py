"""What files are by their paths: tables."""

from __future__ import annotations

import pytest

from imgscan.detect.secrets.filekinds import ALONE, is_config_like, is_env_file


@pytest.mark.parametrize(
    ("path", "size", "expected"),
    [
        pytest.param("app/.env", 10, True, id="env"),
        pytest.param("app/config.yaml", 10, True, id="yaml"),
        pytest.param("app/config.yaml", 9_000_000, False, id="too-large"),
        pytest.param("app/config.yaml", None, True, id="unknown-size"),
        pytest.param("root/.aws/credentials", 10, True, id="aws"),
        pytest.param("app/node_modules/x/.npmrc", 10, True, id="npmrc-anywhere"),
        pytest.param("app/node_modules/x/package.json", 10, False, id="vendored"),
        pytest.param("app/logo.png", 10, False, id="picture"),
        pytest.param("app/run.sh", 10, True, id="shell"),
        pytest.param("Dockerfile.prod", 10, True, id="dockerfile"),
        pytest.param("app/config.php.bak", 10, True, id="put-aside"),
        pytest.param("app/settings.py~", 10, True, id="put-aside-by-an-editor"),
        pytest.param("app/start", 10, True, id="script-without-extension"),
        pytest.param(ALONE, 10, False, id="a-text-by-itself"),
        pytest.param("root/.bashrc", 10, True, id="settings"),
        pytest.param("root/.viminfo", 10, True, id="settings-of-an-editor"),
        pytest.param("app/server", 100_000, False, id="program"),
        pytest.param("app/LICENSE", 10, False, id="manual"),
        pytest.param("usr/local/bin/backup.sh", 10, True, id="script-of-the-administrators"),
        pytest.param("usr/local/bin/app", 10, False, id="program-of-the-administrators"),
        pytest.param("README.md", 10, True, id="notes"),
        pytest.param("docs/manual.md", 10, False, id="pages"),
        pytest.param("data/users.csv", 10, True, id="table"),
    ],
)
def test_config_like_files(path: str, size: int | None, expected: bool) -> None:
    assert is_config_like(path, size) is expected


@pytest.mark.parametrize("path", [".env", "a/.env.local", "a/prod.env", "a/env", "a/.envrc"])
def test_env_files(path: str) -> None:
    assert is_env_file(path)


@pytest.mark.parametrize("path", ["env.ts", "src/env.py", "rules/env.yml", "a/.env.json", "environment.ts"])
def test_files_about_the_environment_are_in_another_language(path: str) -> None:
    assert not is_env_file(path)
