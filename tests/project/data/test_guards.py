"""What wrappers do with every spelling: said by reading them, held against bash itself with an engine that is none."""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

import pytest
from setups import setup_of
from wrapperscripts import ELEVEN, SEED, WRAPPERS

from imgscan.project.data.guards import Answer, judge_wrapper
from imgscan.project.data.removal import Removes, removal
from imgscan.project.data.spellings import SPELLINGS, Spelling
from imgscan.project.data.wrappers import Finder
from imgscan.project.shell.enginewords import engine_call
from imgscan.project.shell.ways import Budget, Script

ROOT = Path(__file__).parents[3]
STUB = '#!/bin/sh\nprintf "%s" "${0##*/}" >>"$CALLS"\nfor a in "$@"; do printf "\\037%s" "$a" >>"$CALLS"; done\necho >>"$CALLS"\n'


def judged(text: str, files: dict[str, str] | None = None) -> dict[Spelling, Answer]:
    setup = setup_of({"ctl.sh": text, **(files or {})})
    wrapper = judge_wrapper(Script("ctl.sh", setup.tree.text("ctl.sh") or "", Finder(setup)))
    assert wrapper is not None
    return dict(wrapper.answers)


def run_with_stubs(folder: Path, text: str, words: tuple[str, ...]) -> list[list[str]]:
    """The calls that reach the engine when bash runs the wrapper, nobody at the keyboard."""
    stubs = folder / "bin"
    if not stubs.exists():
        stubs.mkdir()
        for name in ("docker", "docker-compose"):
            (stubs / name).write_text(STUB)
            (stubs / name).chmod(0o755)
    script, calls = folder / "ctl.sh", folder / "calls"
    script.write_text(textwrap.dedent(text))
    calls.write_text("")
    subprocess.run(
        ["bash", str(script), *words],
        cwd=folder,
        env={"PATH": f"{stubs}:/usr/bin:/bin", "CALLS": str(calls), "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )
    return [line.split("\x1f") for line in calls.read_text().splitlines()]


@pytest.mark.parametrize("name", WRAPPERS)
def test_reading_says_what_bash_does(name: str, tmp_path: Path) -> None:
    answers = judged(WRAPPERS[name])
    for spelling, answer in answers.items():
        reached = [engine_call(words) for words in run_with_stubs(tmp_path, WRAPPERS[name], spelling.words)]
        deleted = {found.removes for call in reached if call and (found := removal(call))}
        assert (answer is Answer.BYPASS) == (spelling.removes in deleted), (spelling.text, answer, deleted)
        assert answer is not Answer.UNKNOWN, spelling.text


def test_the_comparison_of_all_arguments_asks_twice_and_lets_eleven_through() -> None:
    answers = judged(SEED)
    asked = [spelling.text for spelling, answer in answers.items() if answer is Answer.ASKED]
    through = [s.text for s, answer in answers.items() if answer is Answer.BYPASS and s.removes is Removes.MANAGED]
    assert asked == ["down -v", "down --volumes"]
    assert tuple(through) == ELEVEN


def test_the_hardened_wrapper_lets_nothing_through() -> None:
    setup_root = ROOT / "sample_images" / "antone" / "scripts"
    files = {f"scripts/{path.name}": path.read_text() for path in setup_root.iterdir()}
    setup = setup_of({"docker-compose.yml": "services: {}\n", **files})
    wrapper = judge_wrapper(Script("scripts/dev-ctl.sh", files["scripts/dev-ctl.sh"], Finder(setup)))
    assert wrapper is not None
    assert {answer for _, answer in wrapper.answers} == {Answer.REFUSED}
    assert len(wrapper.answers) == 18


UNKNOWN = {
    "getopts": '#!/bin/bash\n[ "$1" = ps ] || while getopts "v" o; do :; done\ndocker compose "$@"\n',
    "a program decides": (
        '#!/bin/bash\nif [ "$1" != ps ]; then kept=$(echo "$@" | sed "s/ -v//"); '
        'docker compose $kept; else docker compose "$@"; fi\n'
    ),
    "eval": '#!/bin/bash\n[ "$1" = ps ] && docker compose ps\neval "docker compose $(printf " %q" "$@")"\n',
    "a condition on what awk makes": (
        '#!/bin/bash\nx=$(echo "$*" | awk "{print \\$2}")\n[[ $1 == ps || $x != -v ]] || exit 1\ndocker compose "$@"\n'
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_followed_is_unknown_and_no_bypass(name: str) -> None:
    answers = judged(UNKNOWN[name])
    assert Answer.BYPASS not in {answer for spelling, answer in answers.items() if spelling.removes is Removes.MANAGED}
    assert Answer.UNKNOWN in answers.values()


NO_WRAPPERS = {
    "fixed words": "#!/bin/bash\ndocker compose down -v\n",
    "its own verbs": "#!/bin/bash\ncase $1 in start) docker compose up -d ;; stop) docker compose down ;; esac\n",
    "another program": '#!/bin/bash\nexec kubectl "$@"\n',
    "broken": '#!/bin/bash\nif [ "$1" = x; then docker compose "$@"\n',
}


@pytest.mark.parametrize("name", NO_WRAPPERS)
def test_no_wrapper(name: str) -> None:
    setup = setup_of({"ctl.sh": NO_WRAPPERS[name]})
    assert judge_wrapper(Script("ctl.sh", setup.tree.text("ctl.sh") or "", Finder(setup))) is None


def test_a_sourced_library_and_a_script_that_is_called_are_followed() -> None:
    files = {
        "lib.sh": 'dc() { docker compose "$@"; }\nguard() { for a; do [[ $a == -v ]] && exit 3; done; true; }\n',
        "inner.sh": '#!/bin/bash\n. "$(dirname "$0")/lib.sh"\nguard "$@"\ndc "$@"\n',
    }
    answers = judged('#!/bin/bash\ncd "$(dirname "$0")" || exit\n./inner.sh "$@"\n', files)
    by_text = {spelling.text: answer for spelling, answer in answers.items()}
    assert by_text["down -v"] is Answer.REFUSED
    assert by_text["down --volumes"] is Answer.BYPASS


def test_spellings_are_what_they_say() -> None:
    for spelling in SPELLINGS:
        call = engine_call(("docker", "compose", *spelling.words))
        assert call is not None
        found = removal(call)
        assert found is not None
        assert found.removes is spelling.removes, spelling.text
    assert len({spelling.words for spelling in SPELLINGS}) == len(SPELLINGS) == 18
    managed = {spelling.text for spelling in SPELLINGS if spelling.removes is Removes.MANAGED}
    assert managed >= {*ELEVEN, "down -v", "down --volumes"}


def test_where_the_budget_ends_nobody_can_tell() -> None:
    script = Script(
        "ctl.sh", 'for a in 1 2 3 4 5 6 7 8 9; do x="$x$x$a"; done\ndocker compose "$@"\n', lambda a, b: None
    )
    full = judge_wrapper(script)
    assert full is not None
    assert {answer for _, answer in full.answers} == {Answer.BYPASS}
    short = judge_wrapper(script, Budget(150))
    assert short is not None
    assert {answer for _, answer in short.answers} >= {Answer.UNKNOWN}


HOSTILE = {
    "a loop without an end": 'while true; do a="$a$a"; b=("${b[@]}" "${b[@]}" x); done\ndocker compose "$@"\n',
    "many conditions": "".join(f"[ -f x{n} ] && y=$y$y{n}\n" for n in range(200)) + 'docker compose "$@"\n',
    "a function that calls itself": 'f() { f "$@" x; }\nf\ndocker compose "$@"\n',
    "a script that sources itself": '. ./ctl.sh\ndocker compose "$@"\n',
    "a script that calls itself": './ctl.sh "$@" x\ndocker compose "$@"\n',
    "deep substitutions": "x=" + "$(echo " * 60 + ")" * 60 + '\ndocker compose "$@"\n',
    "a costly pattern": f'[[ {"a" * 4000} == {"*a" * 200}b ]]\n[[ {"a" * 4000} =~ ({"a?" * 200}) ]]\ndocker compose "$@"\n',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_scripts_end(name: str) -> None:
    setup = setup_of({"ctl.sh": f"#!/bin/bash\n{HOSTILE[name]}"})
    judge_wrapper(Script("ctl.sh", setup.tree.text("ctl.sh") or "", Finder(setup)))
