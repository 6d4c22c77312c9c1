"""Dockerfiles that can be mended, before and after, and those that must not be, with the reason."""

from __future__ import annotations

from imgscan.optimize.records import Kind

NODE = {"package.json": "{}", "package-lock.json": "{}", "src/index.js": "x"}
MOVED = {
    "two steps": (
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\nRUN npm run build\n",
        NODE,
        "FROM node:20\nWORKDIR /app\nCOPY package.json package-lock.json ./\nRUN npm ci\nCOPY . .\nRUN npm run build\n",
    ),
    "one chain of install and build": (
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci \\\n && npm run build && npm prune\n",
        NODE,
        "FROM node:20\nWORKDIR /app\nCOPY package.json package-lock.json ./\nRUN npm ci\nCOPY . .\n"
        "RUN npm run build && npm prune\n",
    ),
    "comments go with their instruction": (
        "FROM node:20\nWORKDIR /app\n# everything\nCOPY . .\n# what we use\nRUN npm ci\n# done\nUSER node\n",
        NODE,
        "FROM node:20\nWORKDIR /app\nCOPY package.json package-lock.json ./\n# what we use\nRUN npm ci\n# everything\n"
        "COPY . .\n# done\nUSER node\n",
    ),
    "no line end at the end": (
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci",
        NODE,
        "FROM node:20\nWORKDIR /app\nCOPY package.json package-lock.json ./\nRUN npm ci\nCOPY . .",
    ),
    "owner is kept": (
        "FROM node:20\nWORKDIR /app\nCOPY --chown=node:node . .\nRUN npm ci\n",
        NODE,
        "FROM node:20\nWORKDIR /app\nCOPY --chown=node:node package.json package-lock.json ./\nRUN npm ci\n"
        "COPY --chown=node:node . .\n",
    ),
    "a manifest that is there already is not copied again": (
        "FROM node:20\nWORKDIR /app\nCOPY package.json .\nCOPY src src\nCOPY package-lock.json .\nRUN npm ci\n",
        NODE,
        "FROM node:20\nWORKDIR /app\nCOPY package.json .\nCOPY package-lock.json .\nRUN npm ci\nCOPY src src\n",
    ),
    "packages of the system between stay above": (
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN apk add --no-cache git\nRUN npm ci\n",
        NODE,
        "FROM node:20\nWORKDIR /app\nRUN apk add --no-cache git\nCOPY package.json package-lock.json ./\nRUN npm ci\n"
        "COPY . .\n",
    ),
    "members of a workspace and their programs": (
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\n",
        {
            **NODE,
            "package.json": '{"workspaces": ["packages/*"]}',
            "packages/a/package.json": '{"bin": "cli.js"}',
            "packages/a/cli.js": "x",
        },
        "FROM node:20\nWORKDIR /app\nCOPY package.json package-lock.json ./\n"
        "COPY packages/a/package.json packages/a/cli.js packages/a/\nRUN npm ci\nCOPY . .\n",
    ),
    "prisma needs its schema, patch-package its patches": (
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\n",
        {
            **NODE,
            "package.json": '{"scripts": {"postinstall": "patch-package && prisma generate"}}',
            "prisma/schema.prisma": "x",
            "patches/a.patch": "x",
        },
        "FROM node:20\nWORKDIR /app\nCOPY package.json package-lock.json ./\nCOPY patches patches/\n"
        "COPY prisma prisma/\nRUN npm ci\nCOPY . .\n",
    ),
    "pnpm with a script that needs sources: fetch, then all": (
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN pnpm install --frozen-lockfile\n",
        {
            "package.json": '{"scripts": {"postinstall": "node make.js"}}',
            "pnpm-lock.yaml": "",
            "pnpm-workspace.yaml": "packages: [a]",
            "src/index.js": "x",
        },
        "FROM node:20\nWORKDIR /app\nCOPY pnpm-lock.yaml pnpm-workspace.yaml ./\nRUN pnpm fetch\nCOPY . .\n"
        "RUN pnpm install --frozen-lockfile\n",
    ),
    "yarn with its own release": (
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN yarn install --immutable\n",
        {"package.json": "{}", "yarn.lock": "", ".yarnrc.yml": "", ".yarn/releases/y.cjs": "x", "src/index.js": "x"},
        "FROM node:20\nWORKDIR /app\nCOPY package.json yarn.lock .yarnrc.yml ./\nCOPY .yarn .yarn/\n"
        "RUN yarn install --immutable\nCOPY . .\n",
    ),
    "requirements that include others": (
        "FROM python:3\nWORKDIR /app\nCOPY . .\nRUN pip install -r requirements/prod.txt\n",
        {"requirements/prod.txt": "-r base.txt\n-c ../c.txt\n", "requirements/base.txt": "x", "c.txt": "", "a.py": "x"},
        "FROM python:3\nWORKDIR /app\nCOPY requirements/prod.txt requirements/base.txt requirements/\nCOPY c.txt ./\n"
        "RUN pip install -r requirements/prod.txt\nCOPY . .\n",
    ),
    "poetry installs the project itself once it is there": (
        "FROM python:3\nWORKDIR /app\nRUN pip install poetry\nCOPY . .\nRUN poetry install\n",
        {"pyproject.toml": "[tool.poetry]\nname='x'\n", "poetry.lock": "", "a.py": "x"},
        "FROM python:3\nWORKDIR /app\nRUN pip install poetry\nCOPY pyproject.toml poetry.lock ./\n"
        "RUN poetry install --no-root\nCOPY . .\nRUN poetry install\n",
    ),
    "uv with members": (
        "FROM python:3\nWORKDIR /app\nCOPY . .\nRUN uv sync --locked\n",
        {
            "pyproject.toml": "[project]\nname='x'\n[tool.uv.workspace]\nmembers=['p/*']\n",
            "p/a/pyproject.toml": "",
            "uv.lock": "",
            "a.py": "x",
        },
        "FROM python:3\nWORKDIR /app\nCOPY pyproject.toml uv.lock ./\nCOPY p/a/pyproject.toml p/a/\n"
        "RUN uv sync --locked --no-install-workspace\nCOPY . .\nRUN uv sync --locked\n",
    ),
    "go with a build that downloads": (
        "FROM golang:1 AS b\nWORKDIR /src\nCOPY . .\nRUN go build -o /x .\nFROM scratch\nCOPY --from=b /x /x\n",
        {"go.mod": "module x\n", "go.sum": "y", "main.go": "x"},
        "FROM golang:1 AS b\nWORKDIR /src\nCOPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\nRUN go build -o /x .\n"
        "FROM scratch\nCOPY --from=b /x /x\n",
    ),
    "go with a replacement inside": (
        "FROM golang:1\nWORKDIR /src\nCOPY . .\nRUN go mod download\n",
        {"go.mod": "module x\nreplace y => ./y\n", "y/go.mod": "module y", "go.sum": "", "main.go": "x"},
        "FROM golang:1\nWORKDIR /src\nCOPY go.mod go.sum ./\nCOPY y/go.mod y/\nRUN go mod download\nCOPY . .\n",
    ),
    "cargo with empty targets": (
        "FROM rust:1\nWORKDIR /src\nCOPY . .\nRUN cargo build --release\n",
        {"Cargo.toml": "[package]\nname='x'\nversion='0.1.0'\n", "Cargo.lock": "", "src/main.rs": "x"},
        "FROM rust:1\nWORKDIR /src\nCOPY Cargo.toml Cargo.lock ./\nRUN mkdir -p src && touch src/lib.rs && "
        "cargo fetch --locked && rm src/lib.rs\nCOPY . .\nRUN cargo build --release\n",
    ),
    "maven": (
        "FROM maven:3\nWORKDIR /src\nCOPY . .\nRUN mvn -B -Pprod package\n",
        {"pom.xml": "<project/>", "src/main/java/A.java": "x"},
        "FROM maven:3\nWORKDIR /src\nCOPY pom.xml ./\nRUN mvn -B -Pprod dependency:go-offline\nCOPY . .\n"
        "RUN mvn -B -Pprod package\n",
    ),
    "composer keeps scripts and autoloader for later": (
        "FROM php:8\nWORKDIR /app\nCOPY . /app\nRUN composer install --no-dev\n",
        {"composer.json": "{}", "composer.lock": "{}", "src/a.php": "x"},
        "FROM php:8\nWORKDIR /app\nCOPY composer.json composer.lock ./\n"
        "RUN composer install --no-dev --no-scripts --no-autoloader\nCOPY . /app\nRUN composer install --no-dev\n",
    ),
    "bundler": (
        "FROM ruby:3\nWORKDIR /app\nCOPY . .\nRUN bundle install\n",
        {"Gemfile": "source 'x'\n", "Gemfile.lock": "", ".ruby-version": "3", "lib/a.rb": "x"},
        "FROM ruby:3\nWORKDIR /app\nCOPY Gemfile Gemfile.lock .ruby-version ./\nRUN bundle install\nCOPY . .\n",
    ),
    "dotnet keeps the folders of projects": (
        "FROM sdk:8\nWORKDIR /src\nCOPY . .\nRUN dotnet restore\n",
        {"Api/Api.csproj": "<Project/>", "Lib/Lib.csproj": "<Project/>", "x.sln": "", "Api/a.cs": "x"},
        "FROM sdk:8\nWORKDIR /src\nCOPY Api/Api.csproj Api/\nCOPY Lib/Lib.csproj Lib/\nCOPY x.sln ./\n"
        "RUN dotnet restore\nCOPY . .\n",
    ),
    "names with blanks": (
        "FROM python:3\nWORKDIR /app\nCOPY . .\nRUN pip install -r 'my requirements.txt'\n",
        {"my requirements.txt": "x", "a.py": "x"},
        'FROM python:3\nWORKDIR /app\nCOPY ["my requirements.txt", "./"]\n'
        "RUN pip install -r 'my requirements.txt'\nCOPY . .\n",
    ),
    "packages of the system need nothing": (
        "FROM debian:12\nCOPY . /app\nRUN apk add curl\n",
        {"a.py": "x"},
        "FROM debian:12\nRUN apk add curl\nCOPY . /app\n",
    ),
}

NPM = "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
PIP = "FROM python:3\nWORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt\n"
TRAPS = {
    "postinstall that needs sources": (
        NPM,
        {**NODE, "package.json": '{"scripts": {"postinstall": "node scripts/x.js"}}'},
        "postinstall of package.json runs node",
    ),
    "prepare that builds": (
        NPM,
        {**NODE, "package.json": '{"scripts": {"prepare": "tsc"}}'},
        "prepare of package.json runs tsc",
    ),
    "script of a member": (
        NPM,
        {
            **NODE,
            "package.json": '{"workspaces": ["a"]}',
            "a/package.json": '{"scripts": {"install": "make"}}',
        },
        "install of a/package.json runs make",
    ),
    "file dependency": (
        NPM,
        {**NODE, "package.json": '{"dependencies": {"x": "file:./libs/x"}}', "libs/x/index.js": "x"},
        "x from file:./libs/x",
    ),
    "link dependency": (
        NPM,
        {**NODE, "package.json": '{"devDependencies": {"x": "link:../x"}}'},
        "x from link:../x",
    ),
    "native sources": (NPM, {**NODE, "binding.gyp": "{}"}, "binding.gyp"),
    "a schema somewhere else": (
        NPM,
        {**NODE, "package.json": '{"scripts": {"postinstall": "prisma generate --schema=db/s.prisma"}}'},
        "schema of its own",
    ),
    "a manifest that is no JSON": (NPM, {**NODE, "package.json": "{"}, "package.json cannot be read"),
    "editable project": (PIP, {"requirements.txt": "-e .\n", "a.py": "x"}, "own sources (-e .)"),
    "the project by a dot": (PIP, {"requirements.txt": "flask\n.[dev]\n", "a.py": "x"}, "own sources"),
    "editable in an included file": (
        PIP,
        {"requirements.txt": "-r more.txt", "more.txt": "--editable=./lib", "a.py": "x"},
        "more.txt installs the project's own sources",
    ),
    "a local path by name": (PIP, {"requirements.txt": "lib @ file:./lib\n", "a.py": "x"}, "own sources"),
    "pip install of the folder": (
        "FROM python:3\nWORKDIR /app\nCOPY . .\nRUN pip install .\n",
        {"pyproject.toml": "", "a.py": "x"},
        "installs the project itself",
    ),
    "poetry with a path": (
        "FROM python:3\nWORKDIR /app\nCOPY . .\nRUN poetry install\n",
        {"pyproject.toml": "[tool.poetry.dependencies]\nx = {path = './x'}\n", "poetry.lock": "", "a.py": "x"},
        "sources lie in the project",
    ),
    "go replacement outside": (
        "FROM golang:1\nWORKDIR /src\nCOPY . .\nRUN go build .\n",
        {"go.mod": "module x\nreplace y => ../y\n", "go.sum": "x", "main.go": "x"},
        "replaces a module by ../y",
    ),
    "go with vendor": (
        "FROM golang:1\nWORKDIR /src\nCOPY . .\nRUN go build .\n",
        {"go.mod": "module x\n", "go.sum": "x", "vendor/modules.txt": "x", "main.go": "x"},
        "vendor/",
    ),
    "cargo path outside": (
        "FROM rust:1\nWORKDIR /src\nCOPY . .\nRUN cargo build\n",
        {"Cargo.toml": "[package]\nname='x'\n[dependencies]\ny={path='../y'}\n", "Cargo.lock": "", "src/main.rs": "x"},
        "../y/Cargo.toml is not surely copied",
    ),
    "maven modules": (
        "FROM maven:3\nWORKDIR /src\nCOPY . .\nRUN mvn package\n",
        {"pom.xml": "<project><modules><module>a</module></modules></project>", "a/pom.xml": "", "a/A.java": "x"},
        "several modules",
    ),
    "gradle build": (
        "FROM gradle:8\nWORKDIR /src\nCOPY . .\nRUN gradle build\n",
        {"build.gradle": "", "src/A.java": "x"},
        "Gradle has no task",
    ),
    "gemspec": (
        "FROM ruby:3\nWORKDIR /app\nCOPY . .\nRUN bundle install\n",
        {"Gemfile": "source 'x'\ngemspec\n", "x.gemspec": "", "lib/a.rb": "x"},
        "gemspec",
    ),
    "gem by path": (
        "FROM ruby:3\nWORKDIR /app\nCOPY . .\nRUN bundle install\n",
        {"Gemfile": "gem 'x', path: 'engines/x'\n", "lib/a.rb": "x"},
        "sources lie in the project",
    ),
    "composer path repository": (
        "FROM php:8\nWORKDIR /app\nCOPY . .\nRUN composer install\n",
        {"composer.json": '{"repositories": [{"type": "path", "url": "./x"}]}', "composer.lock": "{}", "a.php": "x"},
        "lies in the project",
    ),
    "a step between that may use the sources": (
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN ./configure\nRUN npm ci\n",
        NODE,
        "line 4, between the copy and the install",
    ),
    "a folder that changes between": (
        "FROM node:20\nCOPY . .\nWORKDIR /app\nCOPY . .\nWORKDIR /app/x\nRUN npm ci\n",
        {**NODE, "x/package.json": "{}", "x/package-lock.json": "{}"},
        "changes the directory",
    ),
    "a variable that changes between": (
        "FROM node:20\nARG TO=/app\nWORKDIR /app\nCOPY . $TO\nARG TO=/x\nRUN npm ci\n",
        NODE,
        "sets a variable",
    ),
    "install and build with the shell's state": (
        "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci || npm install; npm run build\n",
        NODE,
        "also does other things",
    ),
    "whole context mounted": (
        "FROM node:20\nWORKDIR /app\nRUN --mount=type=bind,target=. npm ci\n",
        NODE,
        "mounts the context",
    ),
    "node_modules copied on purpose": (
        "FROM node:20\nWORKDIR /app\nCOPY . .\nCOPY node_modules node_modules\nRUN npm ci\n",
        {**NODE, "node_modules/a/package.json": "{}"},
        "copies node_modules",
    ),
    "sources of the stage below": (
        "FROM node:20 AS a\nWORKDIR /app\nCOPY . .\nFROM a\nRUN npm ci\n",
        NODE,
        "is of another stage",
    ),
}

AFTER = {
    "argument and its variable move to the first step that may use them": (
        Kind.VOLATILE,
        "FROM debian:12\n\n# which commit\nARG GIT_SHA=unknown\nENV GIT_SHA=${GIT_SHA}\n\nRUN apt-get install -y curl\n"
        "COPY a.py /\nRUN make\n",
        "FROM debian:12\n\nRUN apt-get install -y curl\nCOPY a.py /\n# which commit\nARG GIT_SHA=unknown\n"
        "ENV GIT_SHA=${GIT_SHA}\nRUN make\n",
    ),
    "label that uses the value goes along": (
        Kind.VOLATILE,
        'FROM debian:12\nARG BUILD_DATE\nLABEL created=$BUILD_DATE\nRUN apt-get install -y curl\nCMD ["x"]\n',
        'FROM debian:12\nRUN apt-get install -y curl\nARG BUILD_DATE\nLABEL created=$BUILD_DATE\nCMD ["x"]\n',
    ),
    "to the end, without a line end": (
        Kind.VOLATILE,
        "FROM debian:12\nARG GIT_SHA\nRUN apt-get install -y curl",
        "FROM debian:12\nRUN apt-get install -y curl\nARG GIT_SHA",
    ),
    "update and install become one": (
        Kind.APT,
        "FROM debian:12\nRUN apt-get update\n\n# tools\nRUN apt-get install -y curl\n",
        "FROM debian:12\nRUN apt-get update \\\n# tools\n && apt-get install -y curl \\\n && rm -rf /var/lib/apt/lists/*\n",
    ),
    "the index goes with its step": (
        Kind.APT,
        "FROM debian:12\nRUN apt-get update && \\\n    apt-get install -y curl\n",
        "FROM debian:12\nRUN apt-get update && \\\n    apt-get install -y curl \\\n && rm -rf /var/lib/apt/lists/*\n",
    ),
    "a mount for an install by the interpreter": (
        Kind.MOUNT,
        "FROM python:3\nCOPY a.txt ./\nRUN /opt/v/bin/python -m pip install -r a.txt\n",
        "FROM python:3\nCOPY a.txt ./\nRUN --mount=type=cache,target=/root/.cache/pip /opt/v/bin/python -m pip install -r a.txt\n",
    ),
    "a mount for every step of the manager": (
        Kind.MOUNT,
        "FROM node:20\nWORKDIR /app\nCOPY package.json ./\nRUN npm ci\nRUN npm run build\n",
        "FROM node:20\nWORKDIR /app\nCOPY package.json ./\nRUN --mount=type=cache,target=/root/.npm npm ci\n"
        "RUN --mount=type=cache,target=/root/.npm npm run build\n",
    ),
}
