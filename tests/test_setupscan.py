"""Secrets of what stands around the image: each is said once, by whom knows what it is for."""

from __future__ import annotations

import pytest
from setups import setup_of

from imgscan.detect.secrets.scanner import load_scanner
from imgscan.setupscan import scan_setup

STRONG = "9k2xVx7" + "fQwPz4m"


@pytest.mark.parametrize(
    ("host", "rules"),
    [
        pytest.param("db", [], id="another-service"),
        pytest.param("db:5432", [], id="another-service-with-its-port"),
        pytest.param("db.prod.acme.io:5432", ["secret-uri-credentials"], id="a-host-outside"),
    ],
)
def test_the_password_of_another_service_is_judged_with_its_variable(host: str, rules: list[str]) -> None:
    compose = (
        f"services:\n  api:\n    image: x\n    environment:\n      DATABASE_URL: postgres://root:{STRONG}@{host}/app\n"
    )
    hits = scan_setup(setup_of({"compose.yaml": compose}), load_scanner())
    assert [hit.hit.rule.id for hit in hits] == rules


def test_the_password_of_a_command_is_said_by_the_scanner() -> None:
    compose = f"services:\n  api:\n    image: x\n    command: run --database postgres://root:{STRONG}@db:5432/app\n"
    hits = scan_setup(setup_of({"compose.yaml": compose}), load_scanner())
    assert [hit.hit.rule.id for hit in hits] == ["secret-uri-credentials"]
