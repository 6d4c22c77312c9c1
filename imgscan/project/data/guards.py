"""Does a wrapper's guard hold? In: a script of the project. Out: for every spelling, what becomes of it.

A bypass is a way through the script that reaches the engine with a command that deletes volumes, without a question
before it, and on which nothing hangs on what this does not follow.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from imgscan.frozen import frozen
from imgscan.lazyre import lazy_re
from imgscan.project.data.removal import Removes, removal
from imgscan.project.data.spellings import HARMLESS, SPELLINGS, Spelling
from imgscan.project.shell.enginewords import EngineCall, engine_call
from imgscan.project.shell.evaluate import paths
from imgscan.project.shell.glob import FROM_ARGUMENTS, is_known
from imgscan.project.shell.ways import Budget, Path, Script

MOST_STEPS: Final = 40_000
_NOTHING: Final = ("imgscan-no-such-command",)
_PARAMETERS: Final = lazy_re(r"\$(?:[@*#1]|\{[@*#1])|\bfor\s+\w+\s*(?:;|\n\s*do\b)")


class Answer(StrEnum):
    """What becomes of a spelling: the wrapper refuses it, asks, lets it through, or nobody can tell."""

    REFUSED = "refused"
    ASKED = "asked"
    BYPASS = "bypass"
    UNKNOWN = "unknown"


@frozen(kw_only=False)
class Wrapper:
    """A script that hands its arguments to compose, and what it does with every spelling."""

    script: str
    answers: tuple[tuple[Spelling, Answer], ...]

    def of(self, answer: Answer, removes: Removes = Removes.MANAGED) -> tuple[Spelling, ...]:
        """The spellings that get this answer."""
        return tuple(one for one, got in self.answers if got is answer and one.removes is removes)


def judge_wrapper(script: Script, budget: Budget | None = None) -> Wrapper | None:
    """The wrapper that the script is, None if it is none: it must let some harmless call through as it is given. Where
    the budget ends, nobody can tell."""
    budget = budget or Budget(MOST_STEPS)
    if not looks_at_arguments(script.text):
        return None
    # What a script does for any word is its own doing, not what it is told.
    own = _verbs(script, _NOTHING, budget)
    if not any(words[0] not in own and words[0] in _verbs(script, words, budget) for words in HARMLESS):
        return None
    return Wrapper(script.path, tuple((spelling, _answer(script, spelling, budget)) for spelling in SPELLINGS))


def looks_at_arguments(text: str) -> bool:
    """Whether a script's text speaks of its parameters at all."""
    return _PARAMETERS.search(text) is not None


def _verbs(script: Script, words: tuple[str, ...], budget: Budget) -> set[str]:
    """What the script has compose do when it is called with these words."""
    calls = (call for path in paths(script, words, budget) for _, call, _ in _engine_calls(path))
    return {call.verb for call in calls if call.compose}


def _engine_calls(path: Path) -> list[tuple[bool, EngineCall, bool]]:
    calls = ((made, engine_call(made.words)) for made in path.made)
    return [(made.asked, call, made.sure) for made, call in calls if call is not None]


def _answer(script: Script, spelling: Spelling, budget: Budget) -> Answer:
    answer = Answer.REFUSED
    for path in paths(script, spelling.words, budget):
        if path.stopped is not None:
            answer = Answer.UNKNOWN
        elif path.asked and answer is Answer.REFUSED:
            answer = Answer.ASKED
        for made in path.made:
            call = engine_call(made.words)
            if call is None:
                if not is_known(made.words[0]) and set(spelling.words) <= set(made.words) and not made.asked:
                    answer = Answer.UNKNOWN
                continue
            deleted = removal(call)
            if made.asked:
                continue
            if deleted is None:
                if any(FROM_ARGUMENTS in word for word in made.words):
                    answer = Answer.UNKNOWN
                continue
            if deleted.removes is spelling.removes:
                if made.sure:
                    return Answer.BYPASS
                answer = Answer.UNKNOWN
    return answer
