"""Changes of several files, new scripts and modes as one patch. In: edits, new texts. Out: a unified diff, or none
where it would show a secret or a file cannot be written as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from imgscan.diff import Edit, FileChange, apply_edits, diff_without
from imgscan.project.mend import shows_secret
from imgscan.project.setup import Setup

_NEW: Mapping[str, str] = {}


def patch_of_files(
    setup: Setup, edits: Mapping[str, Iterable[Edit]], new: Mapping[str, str] = _NEW, *, scripts: bool = True
) -> str | None:
    """The diff of edits by path and of new files; with `scripts` a new `.sh` may be executed. None when nothing
    changes, a new file is there already, or the diff cannot be made."""
    changes: list[FileChange] = []
    try:
        for path, wanted in edits.items():
            text = setup.tree.text(path)
            if text is None:
                return None
            after = apply_edits(text, wanted)
            text.encode("utf-8"), after.encode("utf-8")
            changes.append(FileChange(path=path, before=text, after=after))
    except ValueError:
        return None
    for path, text in new.items():
        if path in setup.tree.files or path in setup.tree.links or path in setup.tree.folders:
            return None
        changes.append(FileChange(path=path, before=None, after=text))
    changes = [change for change in changes if change.before != change.after]
    if not changes:
        return None
    diff = diff_without(tuple(changes), shows_secret)
    if diff is None or not scripts:
        return diff
    for path in new:
        if path.endswith(".sh"):
            old = f"diff --git a/{path} b/{path}\nnew file mode 100644\n"
            diff = diff.replace(old, old.replace("100644", "100755"), 1)
    return diff


def mode_patch(path: str) -> str:
    """The patch that lets a script be executed: git's alone has a line for that (git-diff(1), "generated patch")."""
    return f"diff --git a/{path} b/{path}\nold mode 100644\nnew mode 100755\n"
