"""An image put together of kept layers is told exactly as a scan tells it, and what was kept holds no secret."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from fleetruns import KEY, SCANNER, Layers, make_task, put_together, resolved, scanned
from imagemaker import Made, docker25, legacy, oci, sha, small_layer
from secretmaker import token_of
from tarmaker import archive, member
from test_layerresult import IMAGE, SECRETS

from imgscan.assess import Gate
from imgscan.fleet.assemble import LayerGoneError, judged, scan_alone
from imgscan.fleet.plan import layer_tasks
from imgscan.fleet.read import read_layers
from imgscan.model import Severity, Verdict
from imgscan.progress import Progress
from imgscan.redaction import redactor_for
from imgscan.scan import Means

LAYOUTS: dict[str, Callable[[Made], bytes]] = {"docker25": docker25, "legacy": legacy, "oci": oci}


def saved(folder: Path, image: Made, layout: Callable[[Made], bytes] = docker25, name: str = "image") -> str:
    path = folder / f"{name}.tar"
    path.write_bytes(layout(image))
    return str(path)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_told_as_by_a_scan(layout: Callable[[Made], bytes], tmp_path: Path) -> None:
    ref = saved(tmp_path, IMAGE, layout)
    image, layers = resolved(ref), Layers()
    layers.read([image])
    report = put_together(image, layers)
    assert any(finding.severity is Severity.CRITICAL for finding in report.findings)
    assert judged(report, image, Gate(fail_on=Severity.HIGH)) == scanned_at(ref)


def scanned_at(ref: str) -> object:
    report = scanned(ref)
    # A scan of a test does not ask for a threshold.
    return judged(report, None, Gate(fail_on=Severity.HIGH))


def test_nothing_kept_holds_a_secret(tmp_path: Path) -> None:
    image, layers = resolved(saved(tmp_path, IMAGE)), Layers()
    layers.read([image])
    kept = b"".join(msgspec.msgpack.encode(outcome) for outcome in layers.outcomes)
    report = msgspec.json.encode(put_together(image, layers))
    for secret in SECRETS:
        assert secret.encode() not in kept
        assert secret.encode() not in report


def test_a_layer_of_two_images_is_read_once(tmp_path: Path) -> None:
    more = Made(layers=(*IMAGE.layers, small_layer(b"more", b"1")), history=None)
    one, two = resolved(saved(tmp_path, IMAGE)), resolved(saved(tmp_path, more, name="more"))
    layers = Layers()
    layers.read([one, two])
    assert [outcome.blob.is_kept for outcome in layers.outcomes] == [False] * 3 + [False] + [True] * 3
    assert len(layers.sealed) == 4
    assert not [outcome.why for outcome in layers.outcomes if outcome.why]
    assert put_together(two, layers).image == scanned(two.ref).image


def test_content_that_is_not_what_it_says_is_noticed(tmp_path: Path) -> None:
    """An archive may say of its layer that it is one whose result is kept."""
    honest, token = small_layer(b"a", b"harmless"), token_of("hidden")
    layers = Layers()
    layers.read([resolved(saved(tmp_path, Made(layers=(honest,))))])
    hostile = small_layer(b"a", token.encode())
    forged = docker25(Made(layers=(hostile,)))
    said, true = sha(honest), sha(hostile)
    path = tmp_path / "forged.tar"
    config_says = forged.replace(f'"diff_ids": ["sha256:{true}"]'.encode(), f'"diff_ids": ["sha256:{said}"]'.encode())
    assert config_says != forged
    path.write_bytes(config_says)
    image = resolved(str(path))
    (task,) = layer_tasks([image], layers.sealed.keys(), make_task)
    (outcome,) = read_layers(task)
    assert outcome.blob.is_kept
    assert outcome.why == "its content is not what the configuration says"
    alone = scan_alone(image, means(), redactor_for(SCANNER), KEY)
    assert not alone.complete
    assert [finding.rule_id for finding in alone.findings if finding.rule_id.startswith("secret-")]


def means() -> Means:
    return Means(scanner=SCANNER, progress=Progress(sys.stderr, live=False, lines=False), jobs=1)


def test_a_secret_in_a_name_does_not_leave(tmp_path: Path) -> None:
    token = token_of("named")
    layer = archive(member(f"srv/{token}".encode(), b"x"))
    image, layers = resolved(saved(tmp_path, Made(layers=(layer,)))), Layers()
    layers.read([image])
    (outcome,) = layers.outcomes
    assert outcome.sealed is None
    assert outcome.why == "a file's name in it, or what lies beside its archive, holds a secret"
    with pytest.raises(LayerGoneError):
        put_together(image, layers)
    alone = judged(scan_alone(image, means(), redactor_for(SCANNER), KEY), image, Gate(fail_on=Severity.HIGH))
    assert alone.verdict is Verdict.NO_GO
    assert token not in msgspec.json.encode(alone).decode()
    assert [finding.fingerprint for finding in alone.findings] == [f.fingerprint for f in scanned(image.ref).findings]
