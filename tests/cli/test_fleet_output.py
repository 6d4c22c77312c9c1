"""Where reports of a fleet go, with a real store and a real web server as webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from fakes import report as image_report
from fleetreports import BASE, LEAK, finding, fleet_report, image, run_of
from imagemaker import Made, docker25, small_layer
from secretmaker import token_of
from webhooks import Hook, hooked

from imgscan.cli.fleet_output import loader, plan_fleet_outputs, write_fleet
from imgscan.cli.main import run
from imgscan.cli.options import Output
from imgscan.errors import EngineError, InputError
from imgscan.fleets import Change, FleetReport
from imgscan.forge.webhook import post_fleet
from imgscan.model import Severity
from imgscan.store.fleetstore import FleetStore, open_fleet_store

PARAMS = {"color": "never", "verbose": False}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FleetStore]:
    with open_fleet_store(str(tmp_path / "fleet.sqlite3"), rules="1") as opened:
        yield opened


def test_without_a_format_the_table_is_on_stdout() -> None:
    assert plan_fleet_outputs((), quiet=False) == (Output(name="table", path=None),)
    assert plan_fleet_outputs((), quiet=True) == ()


def test_a_folder_of_sarif_is_no_table(tmp_path: Path) -> None:
    sarif = Output(name="sarif", path=tmp_path / "new" / "sarif")
    assert plan_fleet_outputs((sarif,), quiet=False) == (Output(name="table", path=None), sarif)
    assert not (tmp_path / "new").exists()


REFUSED = [
    pytest.param([("sarif", None)], "a file an image", id="sarif-on-stdout"),
    pytest.param([("sarif", "file")], "is a file", id="sarif-into-a-file"),
    pytest.param([("sarif", "file/below")], "is a file", id="sarif-below-a-file"),
    pytest.param([("sarif", "x"), ("sarif", "x")], "twice", id="sarif-twice"),
    pytest.param([("json", None), ("jsonl", None)], "would mix on stdout", id="two-on-stdout"),
    pytest.param([("json", "no/x")], "there is no folder", id="no-folder"),
    pytest.param([("json", "x"), ("jsonl", "x")], "would both write", id="one-file"),
]


@pytest.mark.parametrize(("asked", "says"), REFUSED)
def test_what_cannot_be_written_is_refused_at_once(
    tmp_path: Path, asked: list[tuple[str, str | None]], says: str
) -> None:
    (tmp_path / "file").write_text("")
    outputs = [Output(name=name, path=tmp_path / path if path else None) for name, path in asked]
    with pytest.raises(InputError, match=says):
        plan_fleet_outputs(outputs, quiet=False)


def test_files_and_stdout(tmp_path: Path, store: FleetStore, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("json", "jsonl", "markdown", "prometheus")
    out = tmp_path / "out"
    out.mkdir()
    outputs = (Output(name="table", path=None), *(Output(name=name, path=out / name) for name in names))
    write_fleet(fleet_report(), store, outputs, PARAMS)
    assert capsys.readouterr().out.startswith(" NEW FINDINGS ")
    assert msgspec.json.decode((out / "json").read_bytes(), type=FleetReport) == fleet_report()
    assert all((out / name).read_text("utf-8").endswith("\n") for name in names)
    assert {path.name for path in out.iterdir()} == set(names)


def test_reports_of_images_come_from_the_store(store: FleetStore) -> None:
    load = loader(store)
    store.put_image("key-a", msgspec.json.encode(image_report()), [BASE])
    store.put_image("key-b", b'{"schema_version": 3}', [BASE])
    store.put_image("key-c", b"{", [BASE])
    assert load(image("a")) == image_report()
    assert [load(image(name)) for name in ("b", "c", "d")] == [None, None, None]
    assert load(image("a", key="")) is None


# ---- webhook ----


@pytest.fixture
def hook(request: pytest.FixtureRequest) -> Iterator[Hook]:
    with hooked(*getattr(request, "param", ())) as made:
        yield made


def test_the_webhook_hears_of_a_shared_layer_once(hook: Hook) -> None:
    report = fleet_report()
    post_fleet(hook.url, report, [one for one in report.findings if one.is_news])
    (body,) = hook.bodies
    first, second = body["new"]
    assert first["images"] == ["acme/shop1", "acme/shop2", "acme/shop3"]
    assert (first["severity"], first["layer"], first["images_total"]) == ("critical", LEAK, 3)
    assert first["mend"] == "mend the build that made this layer"
    assert (second["rule_id"], second["layer"], second["mend"]) == ("config-root-user", None, None)
    assert (body["new_total"], body["new_groups_total"], body["standing_total"], body["fixed_total"]) == (4, 2, 5, 1)
    assert (body["run"], body["complete"]) == (7, False)


def test_the_webhook_is_not_flooded(hook: Hook) -> None:
    found = [finding(f"i{number}", message=str(number), change=Change.NEW) for number in range(500)]
    found += [
        finding(f"i{number}", rule_id="one", severity=Severity.CRITICAL, change=Change.NEW) for number in range(500)
    ]
    post_fleet(hook.url, run_of((), tuple(found)), found)
    (body,) = hook.bodies
    assert len(body["new"]) == 100
    assert (body["new_total"], body["new_groups_total"]) == (1000, 501)
    assert (body["new"][0]["rule_id"], len(body["new"][0]["images"]), body["new"][0]["images_total"]) == (
        "one",
        100,
        500,
    )


@pytest.mark.parametrize(
    ("hook", "tries"), [pytest.param((500, 503), 3, id="busy"), pytest.param((404,), 1, id="gone")], indirect=["hook"]
)
def test_a_fleets_webhook_is_tried_again_as_any(hook: Hook, tries: int) -> None:
    slept: list[float] = []
    report = fleet_report()
    if tries == 3:
        post_fleet(hook.url, report, report.findings, sleep=slept.append)
    else:
        with pytest.raises(EngineError) as raised:
            post_fleet(hook.url, report, report.findings, sleep=slept.append)
        assert "geheim" not in f"{raised.value} {raised.value.__dict__}"
    assert (len(hook.bodies), len(slept)) == (tries, tries - 1)


# ---- the command ----


def test_schema_of_a_fleet_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "fleet"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "imgscan fleet"


CLEAN = Made(layers=(small_layer(b"etc/motd", b"hello"),))
LEAKY = Made(layers=(*CLEAN.layers, small_layer(b"app/.env", b"GITHUB_TOKEN=" + token_of("fleet").encode())))


def fleet_run(folder: Path, images: dict[str, Made], *options: str) -> int:
    """A run over a folder of these archives."""
    (folder / "images").mkdir(exist_ok=True)
    for name, made in images.items():
        (folder / "images" / f"{name}.tar").write_bytes(docker25(made))
    told = ("--format", f"jsonl={folder / 'run.jsonl'}", "-q", "--no-config", "--jobs", "1")
    return run(["fleet", f"{folder / 'images'}/", "--store", str(folder / "s.db"), *told, *options])


def test_only_what_is_new_fails_and_is_posted(tmp_path: Path, hook: Hook) -> None:
    options = ("--fail-on-new", "--webhook", hook.url)
    assert fleet_run(tmp_path, {"a": CLEAN, "b": LEAKY}, *options) == 0
    assert hook.bodies == []
    assert fleet_run(tmp_path, {"a": LEAKY, "b": LEAKY, "c": LEAKY}, *options) == 1
    (body,) = hook.bodies
    assert [len(group["images"]) for group in body["new"]] == [1]
    assert body["new"][0]["images"][0].endswith("a.tar")
    assert token_of("fleet") not in json.dumps(body) + (tmp_path / "run.jsonl").read_text("utf-8")
    assert fleet_run(tmp_path, {}, *options) == 0
    assert fleet_run(tmp_path, {}) == 1
    assert len(hook.bodies) == 1


@pytest.mark.parametrize("hook", [(404,)], indirect=True, ids=["not-there"])
def test_a_webhook_that_does_not_take_it_loses_no_report(
    tmp_path: Path, hook: Hook, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fleet_run(tmp_path, {"a": CLEAN}) == 0
    assert fleet_run(tmp_path, {"a": LEAKY}, "--webhook", hook.url) == 3
    assert "did not take the new findings" in capsys.readouterr().err
    lines = (tmp_path / "run.jsonl").read_text("utf-8").splitlines()
    assert any(one.get("change") == "new" for one in map(json.loads, lines))
    assert json.loads(lines[-1])["type"] == "summary"


def test_a_webhook_in_the_clear_is_refused_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--store", str(tmp_path / "s.db"), "--no-config", "--webhook", "http://example.org/token-geheim"]
    assert run(["fleet", str(tmp_path), *options]) == 2
    captured = capsys.readouterr()
    assert "--webhook is an https://" in captured.err
    assert "geheim" not in captured.err
    assert not (tmp_path / "s.db").exists()
