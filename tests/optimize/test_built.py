"""What a patch keeps out of the context: which paths of the image may go with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import inputs_of
from projects import make_project

from imgscan.layers.listing import content_digest
from imgscan.model import EntryKind
from imgscan.optimize.built import excuses_of, original_version, patched_version
from imgscan.optimize.compare import Difference
from imgscan.optimize.flatten import Seen
from imgscan.optimize.suggest import suggest

FOLDER = Seen(EntryKind.DIRECTORY, 0o755, 0, 0, None)
HEAD = Seen(EntryKind.FILE, 0o644, 0, 0, content_digest(b"x"))

GONE = [
    pytest.param(b"a/.git", FOLDER, True, id="the folder kept out"),
    pytest.param(b"a/.git/HEAD", HEAD, True, id="a file in it"),
    pytest.param(b"a/.git/branches", FOLDER, True, id="an empty folder in it"),
    pytest.param(b"a/.git/refs/tags", FOLDER, True, id="an empty folder deeper in it"),
    pytest.param(b"srv/.git/refs/tags", FOLDER, True, id="wherever it is copied to"),
    pytest.param(b"a/vendor/.git/refs", FOLDER, True, id="of a repository in a folder"),
    pytest.param(b"b/.git/refs", FOLDER, True, id="when only that folder is copied"),
    pytest.param(b"var/lib/tags", FOLDER, False, id="another folder of such a name"),
    pytest.param(b"a/src", FOLDER, False, id="a folder that stays"),
    pytest.param(b"a/.git/HEAD", HEAD._replace(content=b"other"), False, id="a file with another content"),
]


@pytest.mark.parametrize(("path", "seen", "covered"), GONE)
def test_what_may_go_with_what_is_kept_out(path: bytes, seen: Seen, covered: bool, tmp_path: Path) -> None:
    make_project(tmp_path, "FROM scratch\nCOPY . /a\n", {".git/HEAD": "x", "src/a": "x", "vendor/.git/HEAD": "x"})
    for empty in (".git/branches", ".git/refs/tags", "vendor/.git/refs", "src/tags"):
        (tmp_path / empty).mkdir(parents=True)
    plan = suggest(inputs_of(tmp_path))
    excuses = excuses_of(plan, original_version(plan, {}), patched_version(plan, {}))
    assert excuses.cover(Difference(path=path, before=seen, after=None)) is covered
