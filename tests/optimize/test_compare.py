"""What counts as a difference between two images."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imgscan.model import EntryKind
from imgscan.optimize.compare import Excuses, Noise, config_differences, differences, unexplained
from imgscan.optimize.flatten import Seen

NOTHING = Excuses(drops=(), ignored=lambda path, seen: False, rewritten={}, added={})


def file(content: bytes = b"a", mode: int = 0o644, uid: int = 0) -> Seen:
    return Seen(EntryKind.FILE, mode, uid, 0, content)


FOLDER = Seen(EntryKind.DIRECTORY, 0o755, 0, 0, None)
LINK = Seen(EntryKind.SYMLINK, 0o777, 0, 0, b"a")
ONE = {b"app": FOLDER, b"app/a": file(), b"app/b": file(b"b")}
WRONG = {
    "content": ({**ONE, b"app/a": file(b"x")}, "/app/a (content)"),
    "mode": ({**ONE, b"app/a": file(mode=0o600)}, "/app/a (mode 644 became 600)"),
    "owner": ({**ONE, b"app/a": file(uid=1000)}, "/app/a (owner)"),
    "type": ({**ONE, b"app/a": LINK}, "/app/a (type)"),
    "gone": ({b"app": FOLDER, b"app/a": file()}, "/app/b (only before)"),
    "new": ({**ONE, b"app/c": file()}, "/app/c (only after)"),
    "folder gone": ({b"app/a": file(), b"app/b": file(b"b")}, "/app (only before)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_differs(case: str) -> None:
    after, shown = WRONG[case]
    wrong, left_out = unexplained(differences(ONE, after), Noise(), NOTHING)
    assert [item.shown for item in wrong] == [shown]
    assert not left_out


def test_what_two_builds_of_the_same_do_not_agree_on_means_nothing() -> None:
    noise = Noise()
    noise.learn({**ONE, b"t": FOLDER, b"t/x1": file()}, {**ONE, b"app/a": file(b"z"), b"t": FOLDER, b"t/x2": file()})
    after = {**ONE, b"app/a": file(b"other"), b"t": FOLDER, b"t/x3": FOLDER, b"t/x3/f": file()}
    assert unexplained(differences({**ONE, b"t": FOLDER}, after), noise, NOTHING) == ([], [])
    wrong, _ = unexplained(differences(ONE, {**ONE, b"app/b": file(b"other")}), noise, NOTHING)
    assert [item.path for item in wrong] == [b"app/b"]


def test_compiled_python_has_a_time_in_it_but_must_be_there() -> None:
    one = {b"a.pyc": file()}
    assert unexplained(differences(one, {b"a.pyc": file(b"x")}), Noise(), NOTHING)[0] == []
    assert unexplained(differences(one, {}), Noise(), NOTHING)[0] != []
    assert unexplained(differences(one, {b"a.pyc": file(b"x", uid=5)}), Noise(), NOTHING)[0] != []


def test_what_the_patch_means_to_change() -> None:
    excuses = Excuses(
        drops=(b"var/lists",),
        ignored=lambda path, seen: path == b"app/.git/HEAD",
        rewritten={b"old": b"new"},
        added={b".dockerignore": b"lines"},
    )
    before = {
        b"var/lists": FOLDER,
        b"var/lists/x": file(),
        b"app/.git": FOLDER,
        b"app/.git/HEAD": file(),
        b"app/D": file(b"old"),
    }
    after = {b"app/D": file(b"new"), b"app/.dockerignore": file(b"lines"), b"var/lists": FOLDER}
    wrong, left_out = unexplained(differences(before, after), Noise(), excuses)
    assert not wrong
    assert left_out == [b"app/.git/HEAD", b"var/lists/x"]
    wrong, _ = unexplained(
        differences(before, {**after, b"app/D": file(b"else"), b"app/x": file(b"lines")}), Noise(), excuses
    )
    assert [item.path for item in wrong] == [b"app/D", b"app/x"]


def test_an_empty_folder_goes_if_it_is_kept_out_itself() -> None:
    excuses = replace(NOTHING, ignored=lambda path, seen: path == b"app/.git/refs")
    before = {b"app/.git/refs": FOLDER, b"app/data": FOLDER}
    wrong, left_out = unexplained(differences(before, {}), Noise(), excuses)
    assert [item.path for item in wrong] == [b"app/data"]
    assert not left_out


def test_configuration() -> None:
    one = {"Env": ["A=1", "B=2"], "Cmd": ["x"], "Labels": None, "Image": "sha256:1"}
    assert config_differences(one, {"Env": ["B=2", "A=1"], "Cmd": ["x"], "Labels": {}, "Image": "sha256:2"}) == []
    assert config_differences(one, {"Env": ["A=1", "C=2"], "User": "u"}) == ["Cmd", "User", "Env B", "Env C"]
