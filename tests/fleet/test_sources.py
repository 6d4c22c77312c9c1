"""What a source means is seen from how it is written and what lies there."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from fleetsources import told
from hypothesis import given
from hypothesis import strategies as st
from tarmaker import archive, member

from imgscan.errors import InputError
from imgscan.escape import plain
from imgscan.fleet.catalogue import RegistryPart
from imgscan.fleet.sources import Kind, read_source

HUB = "docker.io"
R = "registry.example"
PARTS = [
    (f"registry://{R}", RegistryPart(host=R)),
    (f"registry://{R}/", RegistryPart(host=R)),
    (f"registry://{R}:5000", RegistryPart(host=f"{R}:5000")),
    ("registry://localhost:5000", RegistryPart(host="localhost:5000")),
    ("registry://[::1]:5000", RegistryPart(host="[::1]:5000")),
    ("registry://[::1]:5000/a*", RegistryPart(host="[::1]:5000", repositories="a*")),
    ("registry://registry:5000/", RegistryPart(host="registry:5000")),
    (f"registry://{R}/pay/", RegistryPart(host=R, repositories="pay/")),
    (f"registry://{R}/pay/*", RegistryPart(host=R, repositories="pay/*")),
    (f"registry://{R}/*/app", RegistryPart(host=R, repositories="*/app")),
    (f"registry://{R}/pay/*:1.*", RegistryPart(host=R, repositories="pay/*", tags="1.*")),
    (f"registry://{R}/pay/app:*", RegistryPart(host=R, repository="pay/app", tags="*")),
    (f"registry://{R}/pay/app:[12].?", RegistryPart(host=R, repository="pay/app", tags="[12].?")),
    ("registry://nginx:1.*", RegistryPart(host=HUB, repository="library/nginx", tags="1.*")),
    ("registry://bitnami/*", RegistryPart(host=HUB, repositories="bitnami/*")),
    ("registry://docker.io/nginx:*", RegistryPart(host=HUB, repository="library/nginx", tags="*")),
    ("registry://index.docker.io/", RegistryPart(host=HUB)),
]


@pytest.mark.parametrize(("text", "part"), PARTS, ids=[text for text, _ in PARTS])
def test_a_part_of_a_registry(text: str, part: RegistryPart) -> None:
    source = read_source(text)
    assert (source.kind, source.part) == (Kind.REGISTRY, part)


@pytest.mark.parametrize(
    "text",
    [
        f"registry://{R}/pay/app",
        f"registry://{R}/pay/app:1",
        f"registry://{R}/app@sha256:{'a' * 64}",
        "registry://nginx",
        "registry://nginx:1",
        "registry://bitnami/redis:7",
        f"registry://{R}:1.2",
        "app:1",
        "nginx",
        f"{R}/app:1",
        "sha256:" + "a" * 64,
    ],
)
def test_one_image(text: str) -> None:
    assert (read_source(text).kind, read_source(text).part) == (Kind.IMAGE, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\0b",
        "x" * 5000,
        "registry://team/",
        "registry://-bad.example/",
        f"registry://{R}/Pay/app:*",
        f"registry://{R}/a//b:*",
        f"registry://{R}/pay/app:!x*",
        f"registry://{R}/pay/[z-a]:1",
        "engine://app:!x",
        "list:",
        "compose:",
        "k8s:/nowhere/at/all",
        "list:/nowhere/at/all",
        "./nothing",
        "/nowhere/at/all",
        "nothing.tar",
        "nothing.txt",
        "nothing.yml",
    ],
    ids=lambda text: repr(text)[:30],
)
def test_what_means_nothing(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_source(text)
    assert caught.value.what.isprintable()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Files and folders of every kind."""
    (tmp_path / "redis").mkdir()
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout/index.json").write_text("{}")
    tar = archive(member(b"a", b"b"))
    (tmp_path / "saved").write_bytes(tar)
    (tmp_path / "saved.tar.gz").write_bytes(gzip.compress(tar))
    for name in ("app", "images.txt", "images.toml", "compose.yml", "deploy.yaml", "pods.json"):
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("redis/", Kind.FOLDER),
        ("layout/", Kind.FOLDER),
        ("layout", Kind.FOLDER),
        ("saved", Kind.FILE),
        ("saved:app:1", Kind.FILE),
        ("saved.tar.gz", Kind.FILE),
        ("app", Kind.FILE),
        ("images.txt", Kind.IMAGES),
        ("images.toml", Kind.IMAGES),
        ("list:app", Kind.IMAGES),
        ("compose.yml", Kind.MANIFEST),
        ("deploy.yaml", Kind.MANIFEST),
        ("pods.json", Kind.MANIFEST),
        ("compose:compose.yml", Kind.COMPOSE),
        ("compose:redis", Kind.COMPOSE),
        ("k8s:redis", Kind.KUBERNETES),
    ],
)
def test_on_disk(name: str, kind: Kind, here: Path) -> None:
    prefix, colon, path = name.partition(":") if name.startswith(("list:", "compose:", "k8s:")) else ("", "", name)
    source = read_source(f"{prefix}{colon}{here}/{path}")
    assert (source.kind, source.rest) == (kind, f"{here}/{path}")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-", Kind.IMAGES),
        ("k8s:-", Kind.KUBERNETES),
        ("list:-", Kind.IMAGES),
        ("engine://", Kind.ENGINE),
        ("engine://app*:1", Kind.ENGINE),
        (".", Kind.FOLDER),
        ("./", Kind.FOLDER),
    ],
)
def test_without_a_name(text: str, kind: Kind) -> None:
    assert read_source(text).kind is kind


def test_a_plain_word_is_an_image_whatever_folder_has_its_name(here: Path) -> None:
    assert read_source(os.path.relpath(here / "redis").removeprefix("./")).kind in (Kind.FOLDER, Kind.IMAGE)
    assert read_source("tests").kind is Kind.IMAGE
    assert read_source("tests/").kind is Kind.FOLDER


@given(
    st.one_of(st.text(max_size=40), st.text("registry:/*?[].a0-@", max_size=20).map(lambda rest: f"registry://{rest}"))
)
def test_any_text(text: str) -> None:
    with told() as error:
        read_source(text)
    assert all(what == plain(what) for what in error)
