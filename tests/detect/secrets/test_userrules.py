"""Rule files of users: what they may say, and that what is wrong is told with its line and a cure."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from imgscan.detect.secrets.examples import assemble
from imgscan.detect.secrets.rules import load_packs
from imgscan.detect.secrets.scanner import load_scanner
from imgscan.detect.secrets.userrules import user_pack
from imgscan.errors import InputError
from imgscan.model import Confidence, Severity

RULE = """\
- id: acme-token
  title: ACME   token
  severity: high
  confidence: high
  pattern: '\\b(?P<secret>acme_[a-z0-9]{32})\\b'
  prefixes: [acme_]
  entropy: 2.5
  why: It opens every door.
  fix: Ask ACME for another one.
  examples:
    - ["token = acme_", {random: base36, length: 32}]
  near_misses:
    - token = acme_short
"""
TOKEN = assemble(["acme_", {"random": "base36", "length": 32}], "test")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rules.yml"


def test_a_rule_is_as_good_as_imgscan_s_own(file: Path, tmp_path: Path) -> None:
    file.write_text(RULE)
    scanner = load_scanner(rule_files=[file], cache=tmp_path)
    (hit,) = scanner.scan_bytes(b"x " + TOKEN + b"\n", path="app/x")
    assert (hit.rule.id, hit.secret, hit.severity, hit.confidence) == (
        "secret-acme-token",
        TOKEN,
        Severity.HIGH,
        Confidence.HIGH,
    )
    assert (hit.rule.about.title, hit.rule.about.why) == ("ACME token", "It opens every door.")
    assert "rules.yml (1 rules)" in scanner.pack_names
    assert load_scanner(rule_files=[file], cache=tmp_path).version == scanner.version


def test_the_path_of_a_rule_is_where_it_is_looked_for(file: Path) -> None:
    file.write_text(RULE + "  path: '\\.acmerc$'\n  file: .acmerc\n")
    for backend in ("hyperscan", "re2"):
        scanner = load_scanner(rule_files=[file], backend=backend, keep_compiled=False, trufflehog3=False)
        found = [[hit.rule.id for hit in scanner.scan_bytes(TOKEN, path=path)] for path in ("home/.AcmeRC", "home/x")]
        assert found == [["secret-acme-token"], []]


def test_rules_of_trufflehog3_s_shape(file: Path) -> None:
    file.write_text("- id: acme\n  message: ACME\n  pattern: acme_[a-z0-9]{32}\n  severity: HIGH\n")
    (rule,) = user_pack(file, ()).rules
    assert rule.id == "secret-user-acme"
    with pytest.raises(InputError, match="another rule is called secret-user-acme"):
        user_pack(file, {"secret-user-acme"})


def test_two_files_may_not_have_the_same_rule(file: Path, tmp_path: Path) -> None:
    file.write_text(RULE)
    (tmp_path / "more.yml").write_text(RULE)
    with pytest.raises(InputError, match=r"more\.yml:1: another rule is called secret-acme-token"):
        load_packs([file, tmp_path / "more.yml"])


BOMB = "[^x]{1,1000}a|[^y]{1,999}b|" * 12
SECOND = "- id: second\n  title: t\n  severity: low\n"


@pytest.mark.parametrize(
    ("text", "line", "told", "cure"),
    [
        pytest.param(SECOND + "  pattern: '(?=a)b'\n", 4, "invalid perl operator", "(?P<secret>", id="look-ahead"),
        pytest.param(SECOND + "  pattern: '(a)\\1'\n", 4, "invalid escape", "back-references", id="back-reference"),
        pytest.param(SECOND + "  pattern: 'a{1,1001}'\n", 4, "invalid repetition", "at most 1000", id="repetition"),
        pytest.param(SECOND + "  pattern: '((a{99}){99}){99}'\n", 4, "invalid repetition", "1000", id="nested"),
        pytest.param(SECOND + f"  pattern: '{BOMB}c'\n", 4, "too large", "{20,} costs", id="large-program"),
        pytest.param(SECOND + f"  pattern: '{'a' * 5000}'\n", 4, "longer than 4096", "", id="long"),
        pytest.param(SECOND + "  pattern: 'a*'\n", 4, "empty text", "+ for *", id="matches-nothing"),
        pytest.param(SECOND + "  patterns:\n    - ab\n    - 'a|'\n", 6, "empty text", "", id="second-of-two"),
        pytest.param(SECOND + "  pattern: '\\b(x)?'\n", 4, "empty text", "+ for *", id="nothing-at-a-word"),
        pytest.param(SECOND + "  pattern: '(?m)$'\n", 4, "empty text", "+ for *", id="nothing-at-a-line"),
        pytest.param(SECOND + "  pattern: '\\B'\n", 4, "empty text", "+ for *", id="nothing-but-a-word"),
        pytest.param(SECOND + "  pattern: '['\n", 4, "missing ]", "", id="syntax"),
        pytest.param(SECOND, 1, "no pattern", "", id="no-pattern"),
        pytest.param("- title: x\n  severity: low\n  pattern: ab\n", 1, "no id", "", id="no-id"),
        pytest.param(SECOND.replace("low", "awful") + "  pattern: ab\n", 3, "severity is one of", "", id="severity"),
        pytest.param(SECOND + "  pattern: ab\n  entropie: 3\n", 5, "unknown key 'entropie'", "'entropy'", id="key"),
        pytest.param(SECOND + "  pattern: ab\n  entropy: much\n", 5, "number from 0 to 8", "", id="number"),
        pytest.param(SECOND + "  pattern: ab\n  filters: [plcholder]\n", 5, "no filter", "placeholder", id="filter"),
        pytest.param(SECOND + "  pattern: ab\n  prefixes: [ab]\n", 5, "at least 4", "", id="short-prefix"),
        pytest.param(SECOND + "  pattern: ab\n  path: '(?!x)'\n", 5, "invalid perl operator", "", id="path"),
        pytest.param(SECOND + "  pattern: ab\n  keywords: ab\n", 5, "keywords is a list", "", id="no-list"),
        pytest.param(SECOND + "  pattern: ab\n  max_length: 99999999\n", 5, "max_length", "", id="length"),
        pytest.param(SECOND.replace("second", "Second_1") + "  pattern: ab\n", 1, "an id is lower", "", id="bad-id"),
        pytest.param("- id: secret-github-token\n" + SECOND[13:] + "  pattern: ab\n", 1, "another rule", "", id="own"),
        pytest.param("- id: layer-large-file\n" + SECOND[13:] + "  pattern: ab\n", 1, "", "", id="not-the-same-family"),
        pytest.param(RULE + RULE, 14, "another rule is called", "", id="twice"),
        pytest.param(
            RULE.replace("acme_short", "zzzz").replace('token = acme_"', 'x"'),
            11,
            "finds nothing",
            "entropy",
            id="example",
        ),
        pytest.param(RULE.replace("entropy: 2.5", "entropy: 7.5"), 11, "finds nothing", "entropy", id="entropy"),
        pytest.param(
            RULE.replace("token = acme_short", '["acme_", {random: base36, length: 32}]'),
            13,
            "near miss",
            "",
            id="miss",
        ),
        pytest.param(RULE.replace("length: 32", "length: 999999"), 11, "at most 65536", "", id="large-example"),
        pytest.param(RULE.replace("random: base36", "random: nothing"), 11, "not an example", "", id="bad-example"),
        pytest.param("- id: x\n  title: [\n", 3, "not valid YAML", "", id="yaml"),
        pytest.param("just words\n", 1, "a rule file is a list", "", id="no-list-at-all"),
        pytest.param("- a\n- b\n", 1, "a rule file is a list", "", id="list-of-words"),
        pytest.param("", 1, "a rule file is a list", "", id="empty"),
        pytest.param("[" * 3000, 1, "not valid YAML", "", id="deep"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(file: Path, text: str, line: int, told: str, cure: str) -> None:
    file.write_text(text)
    if not told:
        assert [rule.id for rule in load_packs([file])[1].rules] == ["secret-layer-large-file"]
        return
    with pytest.raises(InputError) as caught:
        load_packs([file])
    assert caught.value.what.startswith(f"{file}:{line}: "), caught.value.what
    assert told in caught.value.what
    assert cure in caught.value.next_step


def test_a_file_of_any_size_is_not_read(file: Path) -> None:
    file.write_bytes(b"#" * 300_000)
    with pytest.raises(InputError, match="larger than 256 KiB"):
        user_pack(file, ())
    with pytest.raises(InputError, match="cannot be read"):
        user_pack(file.parent / "none.yml", ())


def test_many_patterns_that_are_large_together(file: Path) -> None:
    file.write_text(
        "".join(
            f"- {{id: r{n}, title: t, severity: low, pattern: 'k{n}[^x]{{1000}}[^y]{{1000}}'}}\n" for n in range(99)
        )
    )
    with pytest.raises(InputError, match="too large together"):
        user_pack(file, ())


def test_aliases_that_multiply_are_stopped(file: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]
    body = SECOND + "  pattern: xx\n  examples: [*a8]\n"
    file.write_text("\n".join(lines) + "\nrules:\n" + "".join("  " + line + "\n" for line in body.splitlines()))
    start = time.process_time()
    with pytest.raises(InputError, match="too large"):
        user_pack(file, ())
    assert time.process_time() - start < 20


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+b", "(.*)(.*)(.*)(.*)x", "k(?:a?){30}a{30}"])
def test_what_is_exponential_elsewhere_is_linear_here(file: Path, pattern: str) -> None:
    """The time for a text of twice the length is about twice as long; backtracking would never end."""
    file.write_text(SECOND + f"  pattern: '{pattern}'\n")
    scanner = load_scanner(rule_files=[file], trufflehog3=False, keep_compiled=False)

    def took(size: int) -> float:
        start = time.process_time()
        scanner.scan_bytes(b"k" + b"a" * size + b"!", path="x")
        return time.process_time() - start

    took(1000)
    assert took(400_000) < max(60 * took(100_000), 20)
