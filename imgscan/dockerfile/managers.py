"""The package managers as data: what makes a call of one an install, and what that install reads and keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """One package manager.

    `verbs`: subcommands that install. `bare`: it installs when called without a subcommand. `goals`: substrings of
    operands that mean an install (build tools whose goals come in any order). `install_flags`: options that mean one.
    `tool_verbs`, `tool_flags`: the install brings tools named on the command line, not the project's dependencies.
    `lock_only_verbs`: reads the lockfile and `settings`, no manifest. `file_flags`: options that name the manifest.
    `frozen_*`: the lockfile decides and is checked. `cache_flags`: options that move the cache from `cache_dir`.
    """

    name: str
    ecosystem: str
    programs: Words
    verbs: tuple[Words, ...] = ()
    bare: bool = False
    goals: Words = ()
    install_flags: Words = ()
    value_flags: Words = ()
    tool_verbs: tuple[Words, ...] = ()
    tool_flags: Words = ()
    lock_only_verbs: tuple[Words, ...] = ()
    frozen_verbs: tuple[Words, ...] = ()
    frozen_flags: Words = ()
    unfrozen_flags: Words = ()
    production_flags: Words = ()
    production_env: Words = ()
    manifests: Words = ()
    settings: Words = ()
    lockfiles: Words = ()
    file_flags: Words = ()
    cache_flags: Words = ()
    cache_dir: str | None = None


_NODE_PRODUCTION: Final = ("NODE_ENV=production",)

NODE: Final = (
    Manager(
        name="npm",
        ecosystem="node",
        programs=("npm",),
        verbs=(
            *((verb,) for verb in ("ci", "clean-install", "ic", "install-clean", "isntall-clean")),
            *((verb,) for verb in ("install", "i", "in", "ins", "inst", "isntall", "add")),
            *((verb,) for verb in ("install-ci-test", "cit", "clean-install-test", "install-test", "it")),
        ),
        frozen_verbs=(
            *((verb,) for verb in ("ci", "clean-install", "ic", "install-clean", "isntall-clean")),
            *((verb,) for verb in ("install-ci-test", "cit", "clean-install-test")),
        ),
        value_flags=(
            *("--prefix", "-C", "--cache", "--registry", "--userconfig", "--omit", "--include", "--only", "-w"),
            *("--workspace", "--loglevel", "--fetch-retries", "--fetch-timeout", "--maxsockets", "--network-timeout"),
        ),
        tool_flags=("-g", "--global", "--location=global"),
        production_flags=("--omit=dev", "--production", "--only=production", "--only=prod"),
        production_env=_NODE_PRODUCTION,
        manifests=("package.json", ".npmrc"),
        lockfiles=("package-lock.json", "npm-shrinkwrap.json"),
        cache_flags=("--cache",),
        cache_dir="/root/.npm",
    ),
    Manager(
        name="pnpm",
        ecosystem="node",
        programs=("pnpm",),
        verbs=(("install",), ("i",), ("add",), ("fetch",), ("ci",), ("clean-install",), ("install-test",), ("it",)),
        frozen_verbs=(("fetch",), ("ci",), ("clean-install",)),
        lock_only_verbs=(("fetch",),),
        value_flags=(
            *("--filter", "-F", "-C", "--dir", "--store-dir", "--reporter", "--network-concurrency", "--registry"),
            *("--filter-prod", "--loglevel", "--node-linker", "--child-concurrency", "--virtual-store-dir"),
        ),
        tool_flags=("-g", "--global"),
        frozen_flags=("--frozen-lockfile",),
        unfrozen_flags=("--no-frozen-lockfile", "--frozen-lockfile=false", "--fix-lockfile"),
        production_flags=("--prod", "-P", "--production"),
        production_env=_NODE_PRODUCTION,
        manifests=("package.json", "pnpm-workspace.yaml", ".npmrc", ".pnpmfile.cjs", "patches/"),
        settings=("pnpm-workspace.yaml", ".npmrc", ".pnpmfile.cjs", "patches/"),
        lockfiles=("pnpm-lock.yaml",),
        cache_flags=("--store-dir",),
        cache_dir="/root/.local/share/pnpm/store",
    ),
    Manager(
        name="yarn",
        ecosystem="node",
        programs=("yarn", "yarnpkg"),
        verbs=(("install",), ("add",), ("workspaces", "focus"), ("global", "add")),
        bare=True,
        value_flags=("--cwd", "--cache-folder", "--network-timeout", "--registry", "--mutex", "--modules-folder"),
        tool_verbs=(("global", "add"),),
        frozen_flags=("--frozen-lockfile", "--immutable"),
        production_flags=("--production", "--prod"),
        production_env=_NODE_PRODUCTION,
        manifests=("package.json", ".yarnrc.yml", ".yarnrc", ".npmrc", ".yarn/"),
        lockfiles=("yarn.lock",),
        cache_flags=("--cache-folder",),
        cache_dir="/usr/local/share/.cache/yarn",
    ),
    Manager(
        name="bun",
        ecosystem="node",
        programs=("bun",),
        verbs=(("install",), ("i",), ("add",), ("a",), ("ci",)),
        value_flags=("--cwd", "--filter", "--cache-dir", "--backend", "--registry", "--omit"),
        tool_flags=("-g", "--global"),
        frozen_verbs=(("ci",),),
        frozen_flags=("--frozen-lockfile",),
        production_flags=("--production", "-p", "--omit=dev"),
        manifests=("package.json", "bunfig.toml"),
        lockfiles=("bun.lock", "bun.lockb"),
        cache_flags=("--cache-dir",),
        cache_dir="/root/.bun/install/cache",
    ),
    Manager(
        name="corepack",
        ecosystem="tool",
        programs=("corepack",),
        verbs=(("prepare",), ("install",), ("use",), ("up",)),
        tool_verbs=(("prepare",), ("use",)),
        manifests=("package.json",),
        cache_dir="/root/.cache/node/corepack",
    ),
    Manager(
        name="deno",
        ecosystem="deno",
        programs=("deno",),
        verbs=(("install",), ("cache",), ("add",)),
        tool_flags=("-g", "--global"),
        frozen_flags=("--frozen",),
        manifests=("deno.json", "deno.jsonc", "package.json"),
        lockfiles=("deno.lock",),
        cache_dir="/deno-dir",
    ),
)

_PIP_VALUES: Final = (
    *("-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-t", "--target", "-i", "--index-url", "-f"),
    *("--extra-index-url", "--find-links", "--cache-dir", "--prefix", "--root", "--timeout", "--trusted-host"),
    *(
        "--platform",
        "--only-binary",
        "--no-binary",
        "--python",
        "-p",
        "--progress-bar",
        "--retries",
        "-w",
        "--wheel-dir",
    ),
    *("--src", "-d", "--dest", "--report", "--proxy", "--default-timeout", "--upgrade-strategy", "--implementation"),
)
_PYPROJECT: Final = ("pyproject.toml", "setup.py", "setup.cfg")

PYTHON: Final = (
    Manager(
        name="pip",
        ecosystem="python",
        programs=("pip",),
        verbs=(("install",), ("wheel",), ("download",)),
        value_flags=_PIP_VALUES,
        frozen_flags=("--require-hashes",),
        production_flags=(),
        manifests=_PYPROJECT,
        file_flags=("-r", "--requirement", "-c", "--constraint"),
        cache_flags=("--cache-dir",),
        cache_dir="/root/.cache/pip",
    ),
    Manager(
        name="uv",
        ecosystem="python",
        programs=("uv",),
        verbs=(("sync",), ("pip", "install"), ("pip", "sync"), ("add",), ("tool", "install"), ("python", "install")),
        value_flags=(
            *_PIP_VALUES,
            "--project",
            "--directory",
            "--group",
            "--only-group",
            "--extra",
            "--package",
            "--color",
        ),
        tool_verbs=(("tool", "install"), ("python", "install")),
        frozen_flags=("--locked", "--frozen", "--require-hashes"),
        production_flags=("--no-dev", "--no-default-groups"),
        manifests=(*_PYPROJECT, "uv.toml", ".python-version"),
        lockfiles=("uv.lock",),
        file_flags=("-r", "--requirement", "-c", "--constraint", "--requirements"),
        cache_flags=("--cache-dir",),
        cache_dir="/root/.cache/uv",
    ),
    Manager(
        name="poetry",
        ecosystem="python",
        programs=("poetry",),
        verbs=(("install",), ("sync",), ("add",)),
        value_flags=("-C", "--directory", "-P", "--project", "--only", "--without", "--with", "-E", "--extras"),
        frozen_verbs=(("install",), ("sync",)),
        production_flags=("--only=main", "--without=dev", "--no-dev"),
        manifests=("pyproject.toml", "poetry.toml"),
        lockfiles=("poetry.lock",),
        cache_dir="/root/.cache/pypoetry",
    ),
    Manager(
        name="pipenv",
        ecosystem="python",
        programs=("pipenv",),
        verbs=(("install",), ("sync",)),
        value_flags=("--python", "--pypi-mirror", "--categories"),
        frozen_verbs=(("sync",),),
        frozen_flags=("--deploy", "--ignore-pipfile"),
        manifests=("Pipfile",),
        lockfiles=("Pipfile.lock",),
        cache_dir="/root/.cache/pipenv",
    ),
    Manager(
        name="pdm",
        ecosystem="python",
        programs=("pdm",),
        verbs=(("install",), ("sync",), ("add",)),
        value_flags=("-p", "--project", "-G", "--group", "-L", "--lockfile"),
        frozen_verbs=(("sync",),),
        frozen_flags=("--frozen-lockfile", "--check"),
        production_flags=("--prod", "--production"),
        manifests=("pyproject.toml", "pdm.toml"),
        lockfiles=("pdm.lock",),
        cache_dir="/root/.cache/pdm",
    ),
    Manager(
        name="conda",
        ecosystem="python",
        programs=("conda", "mamba", "micromamba"),
        verbs=(("env", "create"), ("env", "update"), ("install",), ("create",), ("update",)),
        value_flags=("-f", "--file", "-n", "--name", "-c", "--channel", "-p", "--prefix"),
        file_flags=("-f", "--file"),
        cache_dir="/opt/conda/pkgs",
    ),
    Manager(
        name="pipx",
        ecosystem="tool",
        programs=("pipx",),
        verbs=(("install",), ("inject",), ("run",)),
        tool_verbs=(("install",), ("inject",), ("run",)),
        cache_dir="/root/.cache/pip",
    ),
)

COMPILED: Final = (
    Manager(
        name="go",
        ecosystem="go",
        programs=("go",),
        verbs=(("mod", "download"), ("mod", "vendor"), ("mod", "tidy"), ("get",), ("work", "sync")),
        value_flags=("-C", "-modfile"),
        frozen_verbs=(("mod", "download"), ("mod", "vendor")),
        manifests=("go.mod", "go.work"),
        lockfiles=("go.sum", "go.work.sum"),
        cache_dir="/go/pkg/mod",
    ),
    Manager(
        name="cargo",
        ecosystem="rust",
        programs=("cargo",),
        verbs=(("fetch",), ("vendor",), ("chef", "cook"), ("install",), ("binstall",)),
        value_flags=(
            "--manifest-path",
            "--target",
            "--features",
            "--recipe-path",
            "-p",
            "--package",
            "--root",
            "--version",
        ),
        tool_verbs=(("install",), ("binstall",)),
        frozen_flags=("--locked", "--frozen"),
        manifests=("Cargo.toml", ".cargo/config.toml", "rust-toolchain", "rust-toolchain.toml"),
        lockfiles=("Cargo.lock",),
        file_flags=("--recipe-path",),
        cache_dir="/usr/local/cargo/registry",
    ),
    Manager(
        name="maven",
        ecosystem="jvm",
        programs=("mvn", "mvnw", "mvnd"),
        goals=("dependency:go-offline", "dependency:resolve", "dependency:copy-dependencies", ":resolve-dependencies"),
        value_flags=("-f", "--file", "-s", "--settings", "-P", "-pl", "-T"),
        manifests=("pom.xml", ".mvn/"),
        file_flags=("-f", "--file"),
        cache_dir="/root/.m2",
    ),
    Manager(
        name="gradle",
        ecosystem="jvm",
        programs=("gradle", "gradlew"),
        goals=("dependencies", "downloadDependencies", "resolveDependencies", "resolveAll"),
        value_flags=("-p", "--project-dir", "-b", "-c", "-x", "-I"),
        manifests=("*.gradle", "*.gradle.kts", "gradle.properties", "gradle/"),
        lockfiles=("gradle.lockfile",),
        cache_dir="/root/.gradle",
    ),
    Manager(
        name="dotnet",
        ecosystem="dotnet",
        programs=("dotnet", "nuget"),
        verbs=(("restore",), ("tool", "install"), ("tool", "restore")),
        value_flags=("--source", "-s", "-r", "--runtime", "--configfile", "--packages", "-v", "--verbosity"),
        tool_verbs=(("tool", "install"),),
        frozen_flags=("--locked-mode",),
        manifests=("*.csproj", "*.fsproj", "*.sln", "*.slnx", "Directory.*.props", "NuGet.config", "nuget.config"),
        lockfiles=("packages.lock.json",),
        cache_flags=("--packages",),
        cache_dir="/root/.nuget/packages",
    ),
    Manager(
        name="swift",
        ecosystem="swift",
        programs=("swift",),
        verbs=(("package", "resolve"), ("package", "update")),
        frozen_flags=("--force-resolved-versions",),
        manifests=("Package.swift",),
        lockfiles=("Package.resolved",),
        cache_dir="/root/.cache/org.swift.swiftpm",
    ),
    Manager(
        name="cabal",
        ecosystem="haskell",
        programs=("cabal", "stack"),
        verbs=(("update",), ("setup",), ("install",)),
        install_flags=("--only-dependencies", "--dependencies-only"),
        manifests=("*.cabal", "cabal.project", "stack.yaml", "package.yaml"),
        lockfiles=("cabal.project.freeze", "stack.yaml.lock"),
        cache_dir="/root/.cabal",
    ),
)

SCRIPTED: Final = (
    Manager(
        name="composer",
        ecosystem="php",
        programs=("composer",),
        verbs=(("install",), ("i",), ("update",), ("require",), ("global", "require")),
        value_flags=("-d", "--working-dir"),
        tool_verbs=(("global", "require"),),
        frozen_verbs=(("install",), ("i",)),
        production_flags=("--no-dev",),
        production_env=("COMPOSER_NO_DEV=1",),
        manifests=("composer.json",),
        lockfiles=("composer.lock",),
        cache_dir="/root/.composer/cache",
    ),
    Manager(
        name="bundler",
        ecosystem="ruby",
        programs=("bundle", "bundler"),
        verbs=(("install",), ("i",), ("package",), ("cache",)),
        bare=True,
        value_flags=("--gemfile", "--path", "--jobs", "-j", "--retry", "--without", "--with"),
        frozen_flags=("--frozen", "--deployment"),
        production_flags=("--without=development", "--without=development:test", "--without=development test"),
        production_env=("BUNDLE_WITHOUT=development", "BUNDLE_WITHOUT=development:test"),
        manifests=("Gemfile", "*.gemspec", ".ruby-version"),
        lockfiles=("Gemfile.lock",),
        file_flags=("--gemfile",),
        cache_dir="/usr/local/bundle/cache",
    ),
    Manager(
        name="gem",
        ecosystem="ruby",
        programs=("gem",),
        verbs=(("install",), ("i",)),
        tool_verbs=(("install",), ("i",)),
        cache_dir="/usr/local/bundle/cache",
    ),
    Manager(
        name="mix",
        ecosystem="elixir",
        programs=("mix",),
        verbs=(("deps.get",), ("deps.compile",), ("local.hex",), ("local.rebar",)),
        value_flags=("--only",),
        tool_verbs=(("local.hex",), ("local.rebar",)),
        frozen_flags=("--check-locked",),
        production_flags=("--only=prod",),
        production_env=("MIX_ENV=prod",),
        manifests=("mix.exs", "config/"),
        lockfiles=("mix.lock",),
        cache_dir="/root/.hex",
    ),
    Manager(
        name="pub",
        ecosystem="dart",
        programs=("dart", "flutter"),
        verbs=(("pub", "get"), ("pub", "upgrade"), ("pub", "global", "activate")),
        tool_verbs=(("pub", "global", "activate"),),
        frozen_flags=("--enforce-lockfile",),
        manifests=("pubspec.yaml",),
        lockfiles=("pubspec.lock",),
        cache_dir="/root/.pub-cache",
    ),
    Manager(
        name="cpanm",
        ecosystem="perl",
        programs=("cpanm", "cpan", "carton"),
        verbs=(("install",),),
        install_flags=("--installdeps",),
        manifests=("cpanfile",),
        lockfiles=("cpanfile.snapshot",),
        cache_dir="/root/.cpanm",
    ),
    Manager(
        name="playwright",
        ecosystem="tool",
        programs=("playwright", "puppeteer"),
        verbs=(("install",), ("install-deps",), ("browsers", "install")),
        tool_verbs=(("install",), ("install-deps",), ("browsers", "install")),
        cache_dir="/root/.cache/ms-playwright",
    ),
    Manager(
        name="mise",
        ecosystem="tool",
        programs=("mise", "asdf", "rtx"),
        verbs=(("install",), ("use",)),
        tool_flags=("-g", "--global"),
        manifests=("mise.toml", ".mise.toml", ".tool-versions"),
        lockfiles=("mise.lock",),
        cache_dir="/root/.cache/mise",
    ),
)

SYSTEM: Final = (
    Manager(
        name="apt",
        ecosystem="system",
        programs=("apt-get", "apt", "aptitude"),
        verbs=tuple(
            (verb,) for verb in ("install", "update", "upgrade", "dist-upgrade", "full-upgrade", "build-dep", "satisfy")
        ),
        value_flags=("-o", "-t", "-c", "--target-release", "--option"),
        cache_dir="/var/cache/apt",
    ),
    Manager(
        name="apk",
        ecosystem="system",
        programs=("apk",),
        verbs=(("add",), ("update",), ("upgrade",), ("fetch",)),
        value_flags=("-t", "--virtual", "-X", "--repository", "-p", "--root", "--arch"),
        cache_dir="/var/cache/apk",
    ),
    Manager(
        name="dnf",
        ecosystem="system",
        programs=("dnf", "yum", "microdnf", "tdnf"),
        verbs=tuple(
            (verb,)
            for verb in (
                "install",
                "groupinstall",
                "localinstall",
                "reinstall",
                "update",
                "upgrade",
                "builddep",
                "makecache",
            )
        ),
        value_flags=("--enablerepo", "--disablerepo", "--setopt", "--releasever", "--installroot", "-c"),
        cache_dir="/var/cache/dnf",
    ),
    Manager(
        name="zypper",
        ecosystem="system",
        programs=("zypper",),
        verbs=(("install",), ("in",), ("refresh",), ("ref",), ("update",), ("up",), ("dup",)),
        value_flags=("--root", "-R", "--repo", "-r"),
        cache_dir="/var/cache/zypp",
    ),
    Manager(
        name="pacman",
        ecosystem="system",
        programs=("pacman",),
        install_flags=("-S", "-U", "--sync", "--upgrade"),
        bare=False,
        cache_dir="/var/cache/pacman/pkg",
    ),
)

MANAGERS: Final = (*NODE, *PYTHON, *COMPILED, *SCRIPTED, *SYSTEM)
