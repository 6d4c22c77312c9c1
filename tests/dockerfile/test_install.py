"""Which shell text is an install, of what, and which files it needs."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.dockerfile.install import Ecosystem, Install, find_installs, installs_in, is_install
from imgscan.dockerfile.managers import MANAGERS


def only(script: str) -> Install:
    installs = installs_in(script)
    assert len(installs) == 1, installs
    return installs[0]


@pytest.mark.parametrize(
    ("script", "manager", "frozen", "production"),
    [
        pytest.param("npm ci", "npm", True, False, id="npm-ci"),
        pytest.param("npm install", "npm", False, False, id="npm-install"),
        pytest.param("npm --prefix api ci --omit=dev", "npm", True, True, id="npm-prefix"),
        pytest.param("npm ci --omit dev", "npm", True, True, id="omit-in-two-words"),
        pytest.param("NODE_ENV=production npm ci", "npm", True, True, id="environment"),
        pytest.param("corepack pnpm@9.1 install --frozen-lockfile", "pnpm", True, False, id="corepack-runs"),
        pytest.param("npx --yes pnpm@9 i -P", "pnpm", False, True, id="npx-runs"),
        pytest.param("pnpm --filter './x/*' install --no-frozen-lockfile", "pnpm", False, False, id="pnpm-filter"),
        pytest.param("pnpm fetch --store-dir /pnpm/store", "pnpm", True, False, id="pnpm-fetch"),
        pytest.param("yarn", "yarn", False, False, id="yarn-bare"),
        pytest.param("yarn --frozen-lockfile --production", "yarn", True, True, id="yarn-flags"),
        pytest.param("yarn workspaces focus --production", "yarn", False, True, id="yarn-focus"),
        pytest.param("bun install --frozen-lockfile", "bun", True, False, id="bun"),
        pytest.param("python3 -m pip install -r requirements.txt", "pip", False, False, id="python-m-pip"),
        pytest.param("/venv/bin/pip3.11 install --no-cache-dir -r req/base.txt", "pip", False, False, id="pip-path"),
        pytest.param("pip install --require-hashes -r r.txt", "pip", True, False, id="pip-hashes"),
        pytest.param("uv sync --locked --no-dev --no-install-project", "uv", True, True, id="uv-sync"),
        pytest.param("uv pip install --system .", "uv", False, False, id="uv-pip"),
        pytest.param("poetry install --only main --no-root", "poetry", True, True, id="poetry"),
        pytest.param("pipenv install --deploy --system", "pipenv", True, False, id="pipenv"),
        pytest.param("go mod download", "go", True, False, id="go"),
        pytest.param("cargo fetch --locked", "cargo", True, False, id="cargo"),
        pytest.param("cargo chef cook --release --recipe-path recipe.json", "cargo", False, False, id="cargo-chef"),
        pytest.param("./mvnw -B dependency:go-offline", "maven", False, False, id="maven"),
        pytest.param("./gradlew --no-daemon dependencies", "gradle", False, False, id="gradle"),
        pytest.param("php -d memory_limit=-1 composer.phar install --no-dev", "composer", True, True, id="composer"),
        pytest.param("bundle", "bundler", False, False, id="bundle-bare"),
        pytest.param("bundle install --without 'development test'", "bundler", False, True, id="bundle"),
        pytest.param("dotnet restore --locked-mode", "dotnet", True, False, id="dotnet"),
        pytest.param("mix deps.get --only prod", "mix", False, True, id="mix"),
        pytest.param("sudo -u app env A=b timeout 30 npm ci", "npm", True, False, id="wrappers"),
        pytest.param('su app -c "cd /x && npm ci"', "npm", True, False, id="su"),
        pytest.param("bash -euxc 'set -o pipefail; npm ci | tee log'", "npm", True, False, id="shell-c"),
        pytest.param("if [ -f x ]; then apk add --no-cache -t .deps gcc; fi", "apk", False, False, id="if-apk"),
        pytest.param("pacman -Syu --noconfirm", "pacman", False, False, id="pacman"),
        pytest.param("X=$(npm ci)", "npm", True, False, id="substitution"),
        pytest.param("retry() { :; }; microdnf -y install git", "dnf", False, False, id="microdnf"),
    ],
)
def test_install(script: str, manager: str, frozen: bool, production: bool) -> None:
    install = only(script)
    assert (install.manager, install.frozen, install.production) == (manager, frozen, production)


@pytest.mark.parametrize(
    "script",
    [
        "npm run build",
        "npm run install-all",
        "npm --version",
        "pnpm --filter backend deploy --prod /prod",
        "pnpm run ci",
        "yarn build",
        "yarn -v",
        "pip list",
        "pip install --help",
        "echo npm ci",
        'echo "npm ci; pnpm install"',
        "# npm ci",
        "cat > run.sh <<EOF\nnpm ci\nEOF",
        "go build ./...",
        "cargo build --release",
        "mvn package",
        "bundle exec rake",
        "corepack enable",
        "apt-get clean && rm -rf /var/lib/apt/lists/*",
        "make install",
        "install -d /app",
        "sh install.sh",
        "",
        "python -m",
        "sh -c",
        "sudo",
    ],
)
def test_no_install(script: str) -> None:
    assert installs_in(script) == ()


@pytest.mark.parametrize(
    ("script", "manifests", "lockfiles"),
    [
        pytest.param("npm ci", ("package.json", ".npmrc"), ("package-lock.json", "npm-shrinkwrap.json"), id="npm"),
        pytest.param("npm install -g pnpm@10", (), (), id="global"),
        pytest.param(
            "pip install -r a.txt -rb.txt -c=c.txt", ("a.txt", "b.txt", "c.txt"), ("a.txt", "b.txt", "c.txt"), id="pip"
        ),
        pytest.param("pip install flask gunicorn", (), (), id="named"),
        pytest.param("pip install -e '.[dev]'", ("pyproject.toml", "setup.py", "setup.cfg"), (), id="editable"),
        pytest.param("cargo install sqlx-cli", (), (), id="tool"),
        pytest.param("apt-get install -y curl", (), (), id="system"),
        pytest.param("conda env create -f environment.yml", ("environment.yml",), ("environment.yml",), id="conda"),
        pytest.param("bundle install --gemfile=api/Gemfile", ("api/Gemfile",), ("api/Gemfile",), id="gemfile"),
    ],
)
def test_needed_files(script: str, manifests: tuple[str, ...], lockfiles: tuple[str, ...]) -> None:
    install = only(script)
    assert (install.manifests, install.lockfiles) == (manifests, lockfiles)


def test_cache_dir_follows_the_flag() -> None:
    assert only("pnpm install --store-dir=/s").cache_dir == "/s"
    assert only("pnpm install").cache_dir == "/root/.local/share/pnpm/store"


def test_several_in_order_with_their_text() -> None:
    script = "apt-get update -q && apt-get install -y curl >/dev/null && npm ci  # at last"
    assert [i.command_text for i in installs_in(script)] == [
        "apt-get update -q",
        "apt-get install -y curl >/dev/null",
        "npm ci",
    ]


def test_every_manager_names_a_known_ecosystem() -> None:
    assert {manager.ecosystem for manager in MANAGERS} <= set(Ecosystem)


@dataclass
class _Keyword:
    keyword: str


@dataclass
class _Heredoc:
    body: str


@dataclass
class _Run:
    """What `find_installs` reads of a parsed instruction."""

    value: str
    words: tuple[str, ...] = ()
    is_json: bool = False
    heredocs: tuple[_Heredoc, ...] = ()
    instruction: _Keyword = field(default_factory=lambda: _Keyword("RUN"))


@pytest.mark.parametrize(
    ("run", "managers"),
    [
        pytest.param(_Run("npm ci"), ["npm"], id="shell-form"),
        pytest.param(_Run("", words=("npm", "ci"), is_json=True), ["npm"], id="json"),
        pytest.param(_Run("", words=("sh", "-c", "npm ci && bundle"), is_json=True), ["npm", "bundler"], id="json-sh"),
        pytest.param(_Run("", words=("echo", "; npm ci"), is_json=True), [], id="json-is-not-shell"),
        pytest.param(_Run("<<EOF", heredocs=(_Heredoc("set -e\nnpm ci\n"),)), ["npm"], id="heredoc"),
        pytest.param(_Run("bash -x <<EOF", heredocs=(_Heredoc("npm ci\n"),)), ["npm"], id="heredoc-into-bash"),
        pytest.param(_Run("<<EOF", heredocs=(_Heredoc("#!/usr/bin/env python3\nnpm\n"),)), [], id="heredoc-python"),
        pytest.param(_Run("<<EOF", heredocs=(_Heredoc("#!/bin/bash -e\nyarn\n"),)), ["yarn"], id="heredoc-shebang"),
        pytest.param(_Run("cat <<EOF > x", heredocs=(_Heredoc("npm ci\n"),)), [], id="heredoc-data"),
        pytest.param(_Run("npm ci", instruction=_Keyword("CMD")), [], id="not-run"),
    ],
)
def test_find_installs(run: _Run, managers: list[str]) -> None:
    installs = find_installs(run)  # type: ignore[arg-type]
    assert [install.manager for install in installs] == managers
    assert is_install(run) == (installs[0].ecosystem if installs else None)  # type: ignore[arg-type]


@given(st.text(alphabet=st.sampled_from("npm ciyar\n;&|()<>'\"\\`$#{}=-E"), max_size=80))
def test_any_text_is_read(script: str) -> None:
    for install in installs_in(script):
        assert install.command_text in script
