"""A run over a real registry: each distinct layer once, nothing twice, and what a scan of each image says."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fleetregistry import APPS, NOISE, SECRETS, blob_requests, fill, layer_digests
from fleetruns import SCANNER, scanned, want
from imagemaker import Blobs, Made, add_manifest, docker25, gzipped
from registries import Pusher, running
from tarmaker import archive, member

from imgscan.assess import Gate
from imgscan.fleet.limits import Limits
from imgscan.fleet.lookup import Resolving
from imgscan.fleet.preview import preview
from imgscan.fleet.read import work_version
from imgscan.fleet.run import FleetMeans, run_fleet
from imgscan.fleet.telling import tell_run
from imgscan.fleets import Change, FleetReport, Origin
from imgscan.model import Severity
from imgscan.progress import Progress
from imgscan.scan import Means
from imgscan.store.fleetstore import FleetStore, open_fleet_store

pytestmark = pytest.mark.registry


@contextmanager
def opened(folder: Path) -> Iterator[FleetStore]:
    with open_fleet_store(f"sqlite:///{folder}/fleet.sqlite3", rules=work_version(SCANNER)) as store:
        yield store


def means(store: FleetStore, **more: Any) -> FleetMeans:
    progress = Progress(sys.stderr, live=False, lines=False)
    return FleetMeans(
        means=Means(scanner=SCANNER, progress=progress, jobs=more.pop("jobs", None)),
        store=store,
        gate=Gate(fail_on=Severity.HIGH),
        limits=Limits(),
        resolving=Resolving(),
        **more,
    )


def run(store: FleetStore, refs: Sequence[str], at: str = "2026-01-01T00:00:00Z", **more: Any) -> FleetReport:
    number = store.begin_run(at, version="1", sources=["all"])
    result = run_fleet(number, means(store, **more), [want(ref) for ref in refs])
    store.finish_run(number, at, result.figures, result.complete)
    return tell_run(
        store,
        number,
        started_at=at,
        finished_at=at,
        rule_packs=(),
        figures=result.figures,
        complete=result.complete,
        made_by=result.made_by,
    )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("registry")
    with running(folder) as host:
        fill(host)
        yield host, folder / "log"


def test_every_distinct_layer_is_read_once(registry: tuple[str, Path], tmp_path: Path) -> None:
    host, log = registry
    refs = [f"registry://{host}/{name}" for name in APPS]
    before = len(blob_requests(log))
    with opened(tmp_path) as store:
        report = run(store, refs)
        asked = [digest for digest in blob_requests(log)[before:] if digest in layer_digests(APPS)]
        assert sorted(asked) == sorted(layer_digests(APPS))
        assert report.figures.layers_read == report.figures.layers_distinct == len(asked)
        assert report.figures.bytes_read == report.figures.bytes_distinct
        assert report.complete
        again = run(store, refs, at="2026-01-02T00:00:00Z")
    assert [digest for digest in blob_requests(log)[before:] if digest in layer_digests(APPS)] == asked
    assert {image.origin for image in again.images} == {Origin.KEPT}
    assert {finding.change for finding in again.findings} == {Change.STANDING}
    assert {(one.image, one.fingerprint) for one in again.findings} == {
        (one.image, one.fingerprint) for one in report.findings
    }


def test_an_image_is_told_as_by_a_scan(registry: tuple[str, Path], tmp_path: Path) -> None:
    host, _ = registry
    refs = [f"registry://{host}/{name}" for name in APPS]
    with opened(tmp_path) as store:
        report = run(store, refs, jobs=2)
    for ref in refs:
        found = {(one.fingerprint, one.severity, one.message) for one in report.findings if one.image == ref}
        assert found == {(one.fingerprint, one.severity, one.message) for one in scanned(ref).findings}
    text = repr(report) + (tmp_path / "fleet.sqlite3").read_bytes().decode("latin-1")
    assert not [secret for secret in SECRETS if secret in text]


def test_one_new_image_costs_its_new_layers(registry: tuple[str, Path], tmp_path: Path) -> None:
    host, log = registry
    refs = [f"registry://{host}/{name}" for name in APPS]
    with opened(tmp_path) as store:
        run(store, refs)
        fresh = archive(member(b"srv/fresh", b"1" * 5000))
        more = {"pay/new:1": (*APPS["pay/api:2"], fresh)}
        (new,) = fill(host, more)
        before = len(blob_requests(log))
        planned = preview([want(ref) for ref in [*refs, new]], means(store))
        assert sum(len(task.blobs) for task in planned.tasks) == 1
        report = run(store, [*refs, new], at="2026-01-02T00:00:00Z")
    asked = [digest for digest in blob_requests(log)[before:] if digest in layer_digests({**APPS, **more})]
    assert set(asked) == layer_digests({"": (fresh,)})
    assert {one.image for one in report.findings if one.change is Change.NEW} == {new}
    assert all(one.first_run for one in report.findings if one.change is Change.NEW)


@pytest.mark.parametrize("apart", [False, True], ids=["one-run", "two-runs"])
@pytest.mark.parametrize("twice", [False, True], ids=["alone", "beside-the-layer-it-claims-to-be"])
def test_a_layer_that_claims_to_be_another_ones(apart: bool, twice: bool, tmp_path: Path) -> None:
    """A registry vouches for a blob's digest; what it unpacks to is the image's own word."""
    honest = Made(layers=(NOISE[0],) * (2 if twice else 1))
    with running(tmp_path) as host:
        fill(host, {"honest:1": (NOISE[0],)})
        blobs, secret = Blobs(), archive(member(b"opt/settings.py", f"TOKEN = '{SECRETS[0]}'\n".encode()))
        ways = iter([NOISE[0], secret] if twice else [secret])
        top = add_manifest(blobs, honest, lambda _: gzipped(next(ways)))
        Pusher(host, "liar").push(blobs, top, "1")
        refs = [f"registry://{host}/honest:1", f"registry://{host}/liar:1"]
        with opened(tmp_path) as store:
            if apart:
                run(store, refs[:1], "2026-01-01T00:00:00Z")
            told = run(store, refs, "2026-01-02T00:00:00Z")
    good, bad = told.images
    assert (good.complete, bad.complete) == (True, False)
    assert [finding.rule_id for finding in told.findings if finding.image == bad.name and "secret" in finding.rule_id]


def test_the_layer_that_leaks_into_many_is_told_once(registry: tuple[str, Path], tmp_path: Path) -> None:
    host, _ = registry
    with opened(tmp_path) as store:
        report = run(store, [f"registry://{host}/{name}" for name in APPS])
    (leak,) = report.shared
    named = {name.rpartition(f"{host}/")[2] for name in leak.images}
    assert named == {"base/leaky:1", "pay/api:1", "pay/api:2", "pay/web:1"}
    assert leak.instruction == "COPY part0 /"
    worst = report.bases[0]
    assert [name.rpartition("/")[2] for name in worst.names] == ["leaky:1"]


def test_what_is_mended_is_fixed_and_what_is_away_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as host, opened(tmp_path) as store:
        refs = fill(host, {"a:1": APPS["base/leaky:1"], "b:1": APPS["shop/job:1"]})
        first = run(store, refs)
        assert {one.change for one in first.findings} == {Change.NEW}
        fill(host, {"a:1": (NOISE[0],)})
        second = run(store, [refs[0], f"registry://{host}/nothing:1"], at="2026-01-02T00:00:00Z")
    changes = {(one.image, one.rule_id): one.change for one in second.findings}
    assert changes[refs[0], "secret-github-token"] is Change.FIXED
    failed = [image for image in second.images if image.origin is Origin.FAILED]
    assert [image.name for image in failed] == [f"registry://{host}/nothing:1"]
    assert "it has no repository of that name" in failed[0].error
    assert not second.complete


def test_the_registry_goes_away_in_the_middle(tmp_path: Path) -> None:
    with running(tmp_path) as host, opened(tmp_path) as store:
        (ref,) = fill(host, {"a:1": APPS["base/leaky:1"]})
        run(store, [ref])
    with opened(tmp_path) as store:
        gone = run(store, [ref], at="2026-01-02T00:00:00Z")
    assert {image.origin for image in gone.images} == {Origin.FAILED}
    assert not [one for one in gone.findings if one.change is Change.FIXED]
    assert not gone.complete


def test_a_cluster_reads_registries_and_this_machine_its_own_files(registry: tuple[str, Path], tmp_path: Path) -> None:
    host, _ = registry
    saved = tmp_path / "saved.tar"
    saved.write_bytes(docker25(Made(layers=APPS["shop/job:1"])))
    refs = [f"registry://{host}/pay/web:1", str(saved)]
    with opened(tmp_path) as store:
        report = run(store, refs, scheduler="local:1")
    assert {image.origin for image in report.images} == {Origin.NEW}
    assert {one.image for one in report.findings if one.rule_id == "secret-github-token"} == set(refs)


def test_a_damaged_result_is_read_again(registry: tuple[str, Path], tmp_path: Path) -> None:
    host, _ = registry
    refs = [f"registry://{host}/pay/web:1"]
    with opened(tmp_path) as store:
        first = run(store, refs)
    with sqlite3.connect(tmp_path / "fleet.sqlite3") as file:
        file.execute("DELETE FROM imgscan_fleet_images")
        file.execute("UPDATE imgscan_fleet_blocks SET data = randomblob(length(data))")
    file.close()
    with opened(tmp_path) as store:
        again = run(store, refs, at="2026-01-02T00:00:00Z")
    assert again.complete
    assert {one.fingerprint for one in again.findings} == {one.fingerprint for one in first.findings}
