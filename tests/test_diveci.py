"""A `.dive-ci` as dive reads it, and what dive passes over in silence as an error."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscan.diveci import MAX_BYTES, find_dive_ci, read_dive_ci
from imgscan.errors import InputError

DEFAULTS = {"dive-efficiency": 0.9, "dive-user-wasted-percent": 0.1}
FULL = "rules:\n  lowestEfficiency: {}\n  highestWastedBytes: {}\n  highestUserWastedPercent: {}\n"


def limits(tmp_path: Path, text: str | bytes) -> dict[str, float]:
    path = tmp_path / ".dive-ci"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return {limit.key: limit.value for limit in read_dive_ci(path).limits}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", DEFAULTS, id="empty-file"),
        pytest.param("# nothing\n", DEFAULTS, id="only-a-comment"),
        pytest.param("rules:\n", DEFAULTS, id="no-rule"),
        pytest.param("rules: {}\n", DEFAULTS, id="empty-mapping"),
        pytest.param("rules:\n  lowestEfficiency: 0.95\n", {**DEFAULTS, "dive-efficiency": 0.95}, id="one-rule"),
        pytest.param(
            FULL.format("0.95", "20MB", "0.20"),
            {"dive-efficiency": 0.95, "dive-wasted-bytes": 20e6, "dive-user-wasted-percent": 0.2},
            id="numbers",
        ),
        pytest.param(
            FULL.format('"0.95"', "'20MB'", '"0.20"'),
            {"dive-efficiency": 0.95, "dive-wasted-bytes": 20e6, "dive-user-wasted-percent": 0.2},
            id="strings",
        ),
        pytest.param(FULL.format("disabled", "disabled", "disabled"), {}, id="disabled"),
        pytest.param(FULL.format("off", '"Off"', "OFF"), {}, id="off"),
        pytest.param(FULL.format("false", '" False "', "FALSE"), {}, id="false"),
        pytest.param(FULL.format("''", '""', '" "'), {}, id="empty-strings"),
        pytest.param(FULL.format("", "~", "null"), DEFAULTS, id="no-value-is-the-default"),
        pytest.param(
            FULL.format("1", "0", "0"),
            {"dive-efficiency": 1, "dive-wasted-bytes": 0, "dive-user-wasted-percent": 0},
            id="bounds",
        ),
        pytest.param(
            FULL.format("9e-1", "1,000", "1."),
            {"dive-efficiency": 0.9, "dive-wasted-bytes": 1000, "dive-user-wasted-percent": 1},
            id="as-go-reads-numbers",
        ),
        pytest.param("\ufeffrules: {lowestEfficiency: 0.5}", {**DEFAULTS, "dive-efficiency": 0.5}, id="bom-and-flow"),
        pytest.param('{"rules": {"lowestEfficiency": "0.5"}}', {**DEFAULTS, "dive-efficiency": 0.5}, id="json"),
    ],
)
def test_rules(tmp_path: Path, text: str, expected: dict[str, float]) -> None:
    assert limits(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20MB", 20e6),
        ("20 mb", 20e6),
        ("20M", 20e6),
        ("20MiB", 20 * 1024**2),
        ("20Ki", 20 * 1024),
        ("1.5GB", 1.5e9),
        (".5kB", 500),
        ("42", 42),
        ("42B", 42),
        ("2TB", 2e12),
        ("1PiB", 1024**5),
    ],
)
def test_sizes(tmp_path: Path, text: str, value: float) -> None:
    assert limits(tmp_path, f"rules:\n  highestWastedBytes: {text}\n")["dive-wasted-bytes"] == value


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        pytest.param(
            "rules:\n  lowestEficiency: 0.9", "unknown rule 'lowestEficiency' in line 2", "lowestEff", id="typo"
        ),
        pytest.param("rules:\n  lowestefficiency: 0.9", "unknown rule", "'lowestEfficiency'", id="case"),
        pytest.param(
            "rules:\n  lowest-efficiency-threshold: 0.9", "unknown rule", "'lowestEfficiency'", id="other-file"
        ),
        pytest.param("rules:\n  highest_wasted_bytes: 1", "unknown rule", "'highestWastedBytes'", id="snake"),
        pytest.param("rules:\n  zzz: 1", "unknown rule", "rules: lowestEfficiency", id="unlike-any"),
        pytest.param("lowestEfficiency: 0.9", "unknown key", "indent lowestEfficiency", id="not-indented"),
        pytest.param("rule:\n  lowestEfficiency: 0.9", "unknown key 'rule'", "'rules'", id="rule"),
        pytest.param("rules:\n- lowestEfficiency: 0.9", "line 2 is not a list", "write rules", id="sequence"),
        pytest.param("rules: 0.9", "line 1 is not a list", "write rules", id="scalar"),
        pytest.param("hello", "line 1 is not a list", "write rules", id="text"),
        pytest.param("rules:\n  lowestEfficiency: [0.9]", "takes one value", "", id="list-as-value"),
        pytest.param("rules:\n  lowestEfficiency: 95%", "'95%' is not a ratio", "disabled", id="percent"),
        pytest.param("rules:\n  lowestEfficiency: 95", "'95' is not a ratio", "", id="over-one"),
        pytest.param("rules:\n  lowestEfficiency: -0.1", "is not a ratio", "", id="below-zero"),
        pytest.param("rules:\n  lowestEfficiency: nan", "is not a ratio", "", id="nan"),
        pytest.param("rules:\n  lowestEfficiency: on", "'on' is not a ratio", "", id="on"),
        pytest.param("rules:\n  highestWastedBytes: big", "'big' is not a size", "", id="no-size"),
        pytest.param("rules:\n  highestWastedBytes: -1MB", "is not a size", "", id="negative-size"),
        pytest.param("rules: {}\nrules: {}", "'rules' is there twice, again in line 2", "", id="twice"),
        pytest.param("rules:\n  lowestEfficiency: 1\n  lowestEfficiency: 0", "is there twice", "", id="rule-twice"),
        pytest.param("rules: [", "is not valid YAML", "", id="broken"),
        pytest.param("a: *b", "is not valid YAML in line 1", "", id="unknown-alias"),
        pytest.param("rules: {}\n---\nrules: {}", "is not valid YAML", "", id="two-documents"),
        pytest.param("[" * 5000, "is not valid YAML", "", id="deep"),
        pytest.param(b"\xff\xfe\x00", "is not valid YAML", "", id="no-text"),
        pytest.param("#" * (MAX_BYTES + 1), "is larger than", "", id="large"),
    ],
)
def test_what_dive_passes_over_is_an_error(tmp_path: Path, text: str | bytes, told: str, hint: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        limits(tmp_path, text)
    assert hint in caught.value.next_step


def test_an_error_does_not_show_the_file(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("word 'of some secret\n", encoding="utf-8")
    (tmp_path / ".dive-ci").symlink_to("env")
    with pytest.raises(InputError) as caught:
        read_dive_ci(tmp_path / ".dive-ci")
    assert "secret" not in str(caught.value) + caught.value.next_step


def test_sources_name_file_rule_and_default(tmp_path: Path) -> None:
    path = tmp_path / ".dive-ci"
    path.write_text("rules:\n  lowestEfficiency: 0.95\n", encoding="utf-8")
    rules = read_dive_ci(path)
    assert [limit.source for limit in rules.limits] == [
        f"lowestEfficiency of {path}",
        f"highestUserWastedPercent of {path}, dive's default",
    ]
    assert rules.summary == (
        "lowestEfficiency 0.95; highestWastedBytes off, dive's default; highestUserWastedPercent 0.1, dive's default"
    )


def test_the_first_folder_that_has_one(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "b" / ".dive-ci").touch()
    (tmp_path / "c" / ".dive-ci").symlink_to("nowhere")
    assert find_dive_ci([tmp_path / "a", tmp_path / "b", tmp_path / "c"]) == tmp_path / "b" / ".dive-ci"
    assert find_dive_ci([tmp_path / "c"]) == tmp_path / "c" / ".dive-ci"
    assert find_dive_ci([tmp_path / "a", tmp_path / "nowhere"]) is None


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("pipe", "link", "", "absent"):
        with pytest.raises(InputError, match="is not a file"):
            read_dive_ci(tmp_path / name)


@given(st.binary(max_size=200) | st.text("rules:{}[]&*!|>'\"- \n\t0.9%#,?").map(str.encode))
def test_any_bytes_give_rules_or_an_input_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.dive-ci"
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        assert len(read_dive_ci(path).limits) <= 3
