"""The images of Kubernetes objects, whatever kind these are and however they are written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.fleet.kubernetes import Override, is_manifest, read_manifest

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      initContainers: [{name: init, image: registry.example/init:1}]
      containers:
        - name: web
          image: "registry.example/web@sha256:%s"
        - {name: side, image: nginx}
      volumes:
        - {name: model, image: {reference: registry.example/model:3, pullPolicy: Always}}
        - {name: other, configMap: {name: image}}
"""
POD = """\
apiVersion: v1
kind: Pod
spec:
  containers: [{name: a, image: busybox:1.36}]
  ephemeralContainers: [{name: b, image: debug:1}]
"""
CRON = """\
apiVersion: batch/v1
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: 'job:1'}]}}}}}
"""
ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
spec: {template: {spec: {containers: [{name: a, image: rollout:1}]}}}
"""
LIST = """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, spec: {containers: [{image: 'one:1'}]}}
- {apiVersion: v1, kind: Pod, spec: {containers: [{image: 'two:1'}, {image: 'one:1'}]}}
"""
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
spec: {versions: [{schema: {openAPIV3Schema: {properties: {containers: {type: array, items: {image: string}}}}}}]}
"""
CONFIG = """\
apiVersion: v1
kind: ConfigMap
data: {a: "containers: [{image: x}]"}
"""


def images(*documents: str) -> tuple[str, ...]:
    found = read_manifest("\n---\n".join(documents))
    assert found.problems == ()
    assert found.objects == len(documents)
    return found.images


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        pytest.param(
            [DEPLOYMENT % ("a" * 64)],
            ["registry.example/web@sha256:" + "a" * 64, "nginx", "registry.example/init:1", "registry.example/model:3"],
            id="Deployment",
        ),
        pytest.param([POD], ["busybox:1.36", "debug:1"], id="Pod"),
        pytest.param([CRON], ["job:1"], id="CronJob"),
        pytest.param([ROLLOUT], ["rollout:1"], id="another kind"),
        pytest.param([LIST], ["one:1", "two:1"], id="List"),
        pytest.param([CRD, CONFIG], [], id="no containers"),
        pytest.param([POD, CRON, POD], ["busybox:1.36", "debug:1", "job:1"], id="several"),
    ],
)
def test_kinds(documents: list[str], expected: list[str]) -> None:
    assert sorted(images(*documents)) == sorted(expected)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Job", "ReplicaSet", "Deployment", "Anything"])
def test_pod_templates(kind: str) -> None:
    assert images(ROLLOUT.replace("Rollout", kind)) == ("rollout:1",)


def test_json() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": "a:1"}]}}
    for text in (
        json.dumps(pod),
        json.dumps(pod, indent=2),
        "\n" + json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod]}),
    ):
        assert read_manifest(text).images == ("a:1",)
        assert is_manifest(text)
    # kubectl prints several in a row when asked for several kinds.
    assert read_manifest(json.dumps(pod) + "\n---\n" + json.dumps(pod)).images == ("a:1",)


def test_one_broken_document_does_not_hide_the_others() -> None:
    found = read_manifest(f"{POD}\n---\na: [b\n---\n{CRON}\n---\nx: *unknown\n")
    assert found.images == ("busybox:1.36", "debug:1", "job:1")
    assert [problem.split(":")[0] for problem in found.problems] == ["line 9", "line 15"]
    assert all("cannot be read" in problem for problem in found.problems)


def test_a_template() -> None:
    (problem,) = read_manifest("apiVersion: v1\nkind: Pod\nspec:\n  {{- if .Values.x }}\n  a: b\n").problems
    assert "helm template" in problem


BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(12)
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BOMB, id="aliases"),
        pytest.param("a: &a [*a]", id="an alias in itself"),
        pytest.param("[" * 5_000, id="deep"),
        pytest.param("{" * 50_000, id="deep mappings"),
        pytest.param("- a\n" * 600_000, id="many values"),
        pytest.param("a: !!python/object/apply:os.system ['true']", id="a tag"),
        pytest.param("---\n" * 30_000 + POD, id="many documents"),
        pytest.param("\x00\x01", id="binary"),
        pytest.param("a: {[b]: c}", id="a key that is a list"),
    ],
)
def test_hostile_text(text: str) -> None:
    found = read_manifest(text)
    assert found.images == ()
    assert len(found.problems) <= 21
    assert all(problem.isprintable() for problem in found.problems)


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Pod\nspec: {containers: {a: b}}",
        "apiVersion: v1\nkind: Pod\nspec: {containers: [a, [b], {image: [c]}, {image: 5}, {image: ''}, {name: x}]}",
        "apiVersion: v1\nkind: Pod\nspec: {containers: [], volumes: [a, {image: b}, {image: {reference: 1}}]}",
        "just text",
        "",
        "- a\n- b",
        "containers: [{image: a}]",
    ],
)
def test_nothing_to_see(text: str) -> None:
    assert read_manifest(text).images == ()
    assert read_manifest(text).problems == ()


OVERRIDES = [
    (Override(name="nginx", new_tag="2"), "nginx:1", "nginx:2"),
    (Override(name="nginx", new_tag="2"), "nginx", "nginx:2"),
    (Override(name="nginx", new_name="r.example/n"), "nginx:1", "r.example/n:1"),
    (Override(name="nginx", new_name="r.example:5000/n", new_tag="3"), "nginx@sha256:ab", "r.example:5000/n:3"),
    (Override(name="nginx", digest="sha256:cd"), "nginx:1", "nginx@sha256:cd"),
    (Override(name="nginx", new_name="n"), "nginx:1@sha256:ab", "n:1@sha256:ab"),
    (Override(name="nginx", new_tag="2"), "other/nginx:1", "other/nginx:1"),
    (Override(name="r.example:5000/a", new_tag="2"), "r.example:5000/a", "r.example:5000/a:2"),
    (Override(name="", new_tag="2"), "nginx", "nginx"),
]


@pytest.mark.parametrize(("override", "image", "expected"), OVERRIDES)
def test_overrides(override: Override, image: str, expected: str) -> None:
    assert override.applied(image) == expected


def test_a_kustomization() -> None:
    found = read_manifest(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        "resources: [a.yaml, ../base, 7]\ncomponents: [c]\n"
        "images: [{name: a, newTag: 1.5}, {newTag: x}, b, {name: c, newName: d, digest: e}]\n"
    ).kustomization
    assert found is not None
    assert found.resources == ("a.yaml", "../base", "c")
    assert found.overrides == (Override(name="a", new_tag="1.5"), Override(name="c", new_name="d", digest="e"))


@given(st.text("apiVersion: kind\n-{}[]&*a'\"|>#!%@,image", max_size=120))
def test_any_text(text: str) -> None:
    found = read_manifest(text)
    assert all(problem.isprintable() for problem in found.problems)
    assert all(isinstance(image, str) and image for image in found.images)
