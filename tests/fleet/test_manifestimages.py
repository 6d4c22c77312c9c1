"""The images of compose files and Kubernetes manifests, as references to registries."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleetsources import expanded, names, nowhere, reasons

from imgscan.errors import InputError
from imgscan.fleet.listing import World

POD = "apiVersion: v1\nkind: Pod\nspec: {containers: [%s]}\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return nowhere(tmp_path)


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def pod(*images: str) -> str:
    return POD % ", ".join(f"{{image: '{image}'}}" for image in images)


COMPOSE = """\
name: shop
services:
  web: {image: "registry.example/web:${TAG:-1}", build: .}
  cache: {image: redis}
  again: {image: redis, profiles: [debug]}
  built: {build: ./app}
  lost: {image: "app:${NOT_SET}"}
  wrong: {image: "Not An Image"}
"""


@pytest.mark.parametrize("source", ["compose:{0}/compose.yml", "{0}/compose.yml", "compose:{0}"])
def test_compose(source: str, tmp_path: Path, world: World) -> None:
    write(tmp_path, {"compose.yml": COMPOSE, ".env": "TAG=2.1\n"})
    listed = expanded(source.format(tmp_path), world=world, platforms=("linux/arm64",))
    assert [(one.ref, one.platform) for one in listed.wanted] == [
        ("registry://registry.example/web:2.1", "linux/arm64"),
        ("registry://docker.io/library/redis:latest", "linux/arm64"),
    ]
    whose = f"{tmp_path}/compose.yml, service "
    told = reasons(listed)
    assert [one.removeprefix(whose).split(":")[0] for one in told] == ["built", "lost", "wrong"]
    assert "it is built and has no `image`" in told[0]
    assert "hangs on variables without a value: NOT_SET" in told[1]
    assert "is no reference to an image" in told[2]


def test_compose_of_the_engine(tmp_path: Path, world: World) -> None:
    write(tmp_path, {"compose.yml": "services: {web: {build: .}, app: {image: 'app:1'}}\n"})
    listed = expanded(f"compose:{tmp_path}", world=world, names_from="engine")
    assert [one.ref for one in listed.wanted] == [f"{tmp_path.name.replace('.', '').lower()}-web", "app:1"]
    assert listed.not_listed == ()


def test_other_files_of_variables(tmp_path: Path, world: World) -> None:
    write(tmp_path, {"compose.yml": COMPOSE, "prod.env": "TAG=9\nNOT_SET=x\n"})
    listed = expanded(f"compose:{tmp_path}/compose.yml", world=world, env_files=(tmp_path / "prod.env",))
    assert "registry.example/web:9" in names(listed)
    (reason, *_) = reasons(expanded(f"compose:{tmp_path}", world=world, env_files=(tmp_path / "no.env",)))
    assert "no.env is no file below" in reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: [", "did not find expected node content"),
        ("services: {}\n", "it has no services"),
        ("services:\n  a: {extends: {file: gone.yml, service: b}}\n", "cannot extend"),
        ("services: {a: {restart: always}}\n", "neither `image` nor `build`"),
        ("include: [gone.yml]\nservices: {a: {image: b}}\n", "no such file"),
    ],
)
def test_a_broken_compose_file(text: str, words: str, tmp_path: Path, world: World) -> None:
    write(tmp_path, {"compose.yml": text})
    told = reasons(expanded(f"compose:{tmp_path}/compose.yml", world=world))
    assert words in told[0]


@pytest.mark.parametrize("prefix", ["", "k8s:"])
@pytest.mark.parametrize("name", ["web.yaml", "web.yml", "web.json"])
def test_a_manifest(prefix: str, name: str, tmp_path: Path, world: World) -> None:
    write(tmp_path, {name: pod("nginx", "registry.example/a:1")})
    assert names(expanded(f"{prefix}{tmp_path}/{name}", world=world)) == [
        "docker.io/library/nginx:latest",
        "registry.example/a:1",
    ]


def test_standard_input(tmp_path: Path) -> None:
    world = nowhere(tmp_path, f"{pod('nginx')}---\n{pod('redis:7')}".encode())
    assert names(expanded("k8s:-", world=world)) == ["docker.io/library/nginx:latest", "docker.io/library/redis:7"]


def test_standard_input_is_read_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="once only"):
        expanded("k8s:-", "-", world=nowhere(tmp_path))


def test_a_file_that_is_neither(tmp_path: Path, world: World) -> None:
    write(tmp_path, {"x.yaml": "a: b\n"})
    assert "no compose file and no manifest of Kubernetes" in reasons(expanded(f"{tmp_path}/x.yaml", world=world))[0]
    assert "holds no object" in reasons(expanded(f"k8s:{tmp_path}/x.yaml", world=world))[0]


def test_a_folder(tmp_path: Path, world: World) -> None:
    write(
        tmp_path,
        {
            "a/web.yaml": pod("web:1"),
            "b/c/d.yml": pod("d:1"),
            "broken.yaml": f"a: [\n---\n{pod('kept:1')}",
            "values.yaml": "image: {repository: x}\n",
            "README.md": pod("readme:1"),
            "bad.yaml": pod("Bad Name:1"),
            "chart/templates/x.yaml": "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: {{ .x }}}]}\n",
        },
    )
    (tmp_path / "link.yaml").symlink_to("/etc/passwd")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    listed = expanded(f"k8s:{tmp_path}", world=world)
    assert sorted(names(listed)) == [f"docker.io/library/{name}:1" for name in ("d", "kept", "web")]
    assert sorted(item.source.removeprefix(f"{tmp_path}/") for item in listed.not_listed) == [
        "bad.yaml",
        "broken.yaml",
        "chart/templates/x.yaml",
    ]


KUSTOMIZED = {
    "base/kustomization.yaml": "resources: [web.yaml]\nimages: [{name: web, newName: registry.example/web}]\n",
    "base/web.yaml": pod("web:1", "side:1"),
    "prod/kustomization.yml": "kind: Kustomization\nresources: [../base, extra.yaml]\n"
    "images: [{name: registry.example/web, newTag: '2'}]\n",
    "prod/extra.yaml": pod("extra:1"),
    "dev/Kustomization": "resources: [../base]\nimages: [{name: side, newTag: dev}]\n",
    "alone.yaml": pod("alone:1"),
}


def test_kustomizations(tmp_path: Path, world: World) -> None:
    write(tmp_path, KUSTOMIZED)
    listed = expanded(f"k8s:{tmp_path}", world=world)
    assert sorted(names(listed)) == [
        "docker.io/library/alone:1",
        "docker.io/library/extra:1",
        "docker.io/library/side:1",
        "docker.io/library/side:dev",
        "registry.example/web:1",
        "registry.example/web:2",
    ]
    assert listed.not_listed == ()


@pytest.mark.parametrize("source", ["k8s:{0}/prod", "k8s:{0}/prod/kustomization.yml"])
def test_a_kustomization_that_reaches_outside(source: str, tmp_path: Path, world: World) -> None:
    write(tmp_path, KUSTOMIZED)
    listed = expanded(source.format(tmp_path), world=world)
    assert names(listed) == ["docker.io/library/extra:1"]
    assert "../base is not in the folder" in reasons(listed)[0]
    assert "kubectl kustomize" in reasons(listed)[0]


@pytest.mark.parametrize(
    "resources", ["[../a]", "[.]", "[../b]", "['https://example.com/x?ref=1']", "[/etc/passwd]", "['../../../../etc']"]
)
def test_kustomizations_that_go_round_or_away(resources: str, tmp_path: Path, world: World) -> None:
    write(
        tmp_path, {"a/kustomization.yaml": f"resources: {resources}\n", "b/kustomization.yaml": "resources: [../a]\n"}
    )
    listed = expanded(f"k8s:{tmp_path}", world=world)
    assert listed.wanted == ()
    assert listed.not_listed
