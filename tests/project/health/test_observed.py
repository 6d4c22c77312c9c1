"""Health checks against the files of an image."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from setups import setup_of

from imgscan.model import Evidence, Location, Place, Severity, SourceLine
from imgscan.project.health.observed import CheckedTest, compose_tests, detect, image_test, names_in, programs_of

FILES = {"/bin/sh", "/usr/bin/wget", "/usr/local/bin/node", "/app/check"}

CASES = {
    "exec form": (("CMD", "node", "check.js"), None),
    "exec form, missing": (("CMD", "curl", "-f", "http://127.0.0.1"), "curl"),
    "shell form": (("CMD-SHELL", "wget -q http://127.0.0.1 || exit 1"), None),
    "shell form, missing": (("CMD-SHELL", "curl -f http://127.0.0.1 || exit 1"), "curl"),
    "the second one is missing": (("CMD-SHELL", "wget -q -O - http://x | jq .ok"), "jq"),
    "a shell in the exec form": (("CMD", "sh", "-c", "curl -f http://x"), "curl"),
    "by a path": (("CMD", "/app/check"), None),
    "by a path, missing": (("CMD", "/opt/check"), "/opt/check"),
    "by a path below the working directory": (("CMD", "./check"), None),
    "builtins": (("CMD-SHELL", "test -f /tmp/ok && [ -s /tmp/ok ] || exit 1"), None),
    "made by the shell": (("CMD-SHELL", "$CHECK && ${OTHER:-x} a"), None),
    "none": (("NONE",), None),
}


@pytest.mark.parametrize(("healthcheck", "missing"), CASES.values(), ids=CASES)
def test_programs_are_looked_for(healthcheck: tuple[str, ...], missing: str | None) -> None:
    test = image_test(healthcheck)
    found = list(detect([test] if test else [], lambda path: path.replace("/./", "/") in FILES, None, "/app"))
    assert [finding.message.split(" calls ")[1].split(",")[0] for finding in found] == ([missing] if missing else [])
    assert all((f.evidence, f.severity) == (Evidence.OBSERVED, Severity.HIGH) for f in found)


def test_the_check_of_an_image_has_the_line_that_it_is_from() -> None:
    line = SourceLine(file="Dockerfile", line=11)
    test = image_test(("CMD", "curl"), line)
    (found,) = detect([test] if test else [], lambda path: False)
    assert found.location.dockerfile == line


def test_a_shell_that_is_missing_is_the_fault() -> None:
    (found,) = detect([CheckedTest(who="x", where=_place(), script="wget a")], lambda path: path == "/usr/bin/wget")
    assert "/bin/sh" in found.message


def test_the_images_own_path_counts() -> None:
    test = CheckedTest(who="x", where=_place(), words=("check",))
    assert not list(detect([test], lambda path: path == "/opt/bin/check", "/opt/bin:/bin"))
    assert list(detect([test], lambda path: path == "/opt/bin/check"))


def test_checks_of_compose_files_are_those_of_services_built_by_the_dockerfile() -> None:
    setup = setup_of(
        {
            "compose.yaml": "services:\n"
            "  a:\n    build: {context: ., dockerfile: a/Dockerfile}\n    healthcheck: {test: [CMD, one]}\n"
            "  b:\n    build: {context: ., dockerfile: a/Dockerfile, target: t}\n    healthcheck: {test: [CMD, two]}\n"
            "  c:\n    image: x\n    healthcheck: {test: [CMD, three]}\n"
            "  d:\n    build: {context: ., dockerfile: a/Dockerfile}\n",
            "a/Dockerfile": "FROM x AS t\nFROM y\nHEALTHCHECK CMD four\n",
        }
    )
    assert [test.words for test in compose_tests(setup, "a/Dockerfile", None)] == [("one",)]
    assert [test.words for test in compose_tests(setup, "a/Dockerfile", "t")] == [("two",)]
    assert names_in(compose_tests(setup, "a/Dockerfile", None)) == {"one", "sh"}


@given(st.text(max_size=100))
def test_any_text_is_taken_apart(text: str) -> None:
    test = CheckedTest(who="x", where=_place(), script=text)
    assert len(programs_of(test)) <= 51
    list(detect([test], lambda _: True))


def _place() -> Location:
    return Location(place=Place.HEALTHCHECK)
