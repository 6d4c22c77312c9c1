"""The rule packs: complete as products, linear as patterns, right about their own examples."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
import re2

from imgscan.detect.secrets.examples import examples_of, near_misses_of
from imgscan.detect.secrets.filters import FILTERS
from imgscan.detect.secrets.matcher import HyperscanMatcher, re2_options
from imgscan.detect.secrets.rules import LONGEST_MATCH, Scope, SecretRule, default_rules, own_pack
from imgscan.detect.secrets.scanner import SecretScanner
from imgscan.detect.secrets.validators import VALIDATORS
from imgscan.model import Severity, Validity
from imgscan.rulebook import rules_dir

RULES = own_pack().rules
EVERY_RULE = pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULES])
EXAMPLES = [
    pytest.param(rule, text, id=f"{rule.id}-{number}")
    for rule in RULES
    for number, text in enumerate(examples_of(rule), 1)
]
NEAR_MISSES = [
    pytest.param(rule, text, id=f"{rule.id}-{number}")
    for rule in RULES
    for number, text in enumerate(near_misses_of(rule), 1)
]
RELIED_ON = (
    "secret-github-token secret-aws-access-key secret-aws-secret-key secret-private-key secret-npm-token "
    "secret-npmrc-auth secret-uri-credentials secret-stripe-key secret-slack-token secret-slack-webhook "
    "secret-env-assignment secret-jwt secret-gcp-service-account"
)


def test_there_are_at_least_seventy_types() -> None:
    assert len(RULES) >= 70


def test_rules_that_others_rely_on_exist() -> None:
    assert set(RELIED_ON.split()) <= set(default_rules())


@EVERY_RULE
def test_a_rule_is_a_whole_product(rule: SecretRule) -> None:
    about = rule.about
    assert re.fullmatch(r"secret-[a-z0-9]+(-[a-z0-9]+)*", about.id)
    assert about.risk_id == "SEC-001"
    for text in (about.title, about.why, about.fix, about.bad, about.good, about.source):
        assert text
        assert not re.search(r"\{[a-z]+\}", text), "an unfilled word of the family's text"
    assert about.why.endswith(".")
    assert about.fix.endswith(".")
    assert rule.examples, "a rule without an example cannot be tested"


@EVERY_RULE
def test_a_rules_checks_and_filters_exist(rule: SecretRule) -> None:
    assert set(rule.validators) <= set(VALIDATORS)
    assert set(rule.filters) <= set(FILTERS)


@EVERY_RULE
def test_patterns_are_linear_and_take_no_empty_text(rule: SecretRule) -> None:
    for pattern in {*rule.patterns, *rule.triggers}:
        assert re2.compile(pattern, re2_options()).search(b"") is None
    assert rule.max_length <= LONGEST_MATCH


@EVERY_RULE
def test_no_match_is_longer_than_the_rule_says(rule: SecretRule) -> None:
    """Bounded patterns: the longest match that they allow fits into the region that is confirmed."""
    for pattern in rule.patterns:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            tree = re._parser.parse(pattern.replace(rb"\z", rb"\Z"))  # type: ignore[attr-defined]
        widest = tree.getwidth()[1]
        unbounded = widest >= 2**31 or widest == re._parser.MAXREPEAT  # type: ignore[attr-defined]
        assert unbounded or widest <= rule.max_length


@pytest.mark.parametrize(("rule", "text"), EXAMPLES)
def test_a_rule_finds_its_examples(scanner: SecretScanner, rule: SecretRule, text: bytes) -> None:
    # Files of a format of their own are known by their first bytes.
    whole = rule.scope is Scope.FILE or any(pattern.startswith(rb"\A") for pattern in rule.patterns)
    around = b"" if whole else b"\n"
    hits = scanner.scan_bytes(around + text + around, path=f"app/{rule.file}")
    own = [hit for hit in hits if hit.rule.id == rule.id]
    assert own, [hit.rule.id for hit in hits]
    assert own[0].line >= len(around) + 1
    assert own[0].validity is not Validity.INVALID
    assert own[0].secret in text or own[0].validity is Validity.VALID
    assert own[0].secret.decode("latin-1") not in repr(own[0])
    assert own[0].secret.decode("latin-1") not in own[0].context


@pytest.mark.parametrize(("rule", "text"), NEAR_MISSES)
def test_a_rule_leaves_its_near_misses(scanner: SecretScanner, rule: SecretRule, text: bytes) -> None:
    hits = scanner.scan_bytes(b"\n" + text + b"\n", path=f"app/{rule.file}")
    assert rule.id not in [hit.rule.id for hit in hits]


@pytest.mark.parametrize("path", sorted((rules_dir() / "secrets").rglob("*.yml")), ids=lambda path: path.name)
def test_no_token_stands_in_a_rule_file(scanner: SecretScanner, path: Path) -> None:
    hits = scanner.scan_bytes(path.read_bytes(), path=f"src/{path.name}")
    assert [hit.rule.id for hit in hits if hit.severity.rank > Severity.LOW.rank] == []


def test_the_fast_matcher_takes_every_pattern(scanner: SecretScanner) -> None:
    """What it refuses is left to one that takes several times as long, for all bytes."""
    for rules in (scanner.blocks.everywhere, scanner.blocks.config, scanner.blocks.named):
        assert isinstance(rules.matcher, HyperscanMatcher)
        assert rules.matcher.refused == ()
