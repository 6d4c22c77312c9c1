"""The risks of what stands around the image: data, operation, configuration, network, backup. Pure.

Each assessor takes `Facts` and gives a `Weight`, or says why the risk does not apply. Probability follows the kind of
evidence, impact what is at stake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from imgscan.model import Finding, Place, Severity
from imgscan.risk.weights import (
    NO_COMPOSE,
    NOT_LOOKED_AT,
    Facts,
    NotApplicable,
    Weight,
    cites,
    counted,
    minor,
    number,
    proven,
    quiet,
    sentence,
    strong,
)

if TYPE_CHECKING:
    from imgscan.project.stakes import Stakes, Store

_LOST_AT_ONCE: Final = ("DATA-001-01", "DATA-001-02", "DATA-001-03")
"""A volume that compose manages, none at all, one at a path where the image keeps nothing."""
_FAILS_TO_START: Final = ("OPS-001-03", "OPS-001-04", "OPS-001-09", "OPS-001-10", "OPS-001-12")
_NO_CHECK: Final = ("OPS-001-01",)
_WRONG_CONFIG: Final = ("CONFIG-001-01", "CONFIG-001-05", "CONFIG-001-06", "CONFIG-001-09")
_GRAVE_CONFIG: Final = ("CONFIG-001-09", "CONFIG-001-10")
_MOST_NAMES: Final = 5
_BAD_BACKUP: Final = ("OPS-003-01", "OPS-003-04")


def weigh_data(facts: Facts) -> Weight | NotApplicable:
    """DATA-001: a managed or missing volume, or a wrapper that was bypassed, weighs 3; a missing guard 2."""
    mine, stakes = counted(facts, "DATA-001"), facts.stakes
    if not mine and not minor(facts, "DATA-001"):
        if stakes is None:
            return NotApplicable(why=NOT_LOOKED_AT)
        if not stakes.stores:
            return NotApplicable(why=_no_store(stakes))
    lasting = stakes.lasting if stakes is not None else ()
    impact = 3 if lasting else 2 if stakes is not None and stakes.stores else 1
    lost = [f for f in strong(mine) if cites(f, *_LOST_AT_ONCE)]
    bypassed = proven(mine)
    if lost or bypassed:
        because = lost[0].message if lost else bypassed[0].message
        return Weight(probability=3, impact=impact, evidence=mine, because=sentence(because))
    if mine:
        because = f"{number(mine, 'guard')} missing or not to be relied on: {sentence(mine[0].message)}"
        return Weight(probability=2, impact=impact, evidence=mine, because=because)
    return quiet(facts, "DATA-001", impact, _kept(lasting or (stakes.stores if stakes else ())))


def _no_store(stakes: Stakes) -> str:
    if not stakes.compose_files:
        return NO_COMPOSE
    unknown = f"; what is in {', '.join(stakes.volumes[:_MOST_NAMES])} is not known" if stakes.volumes else ""
    return f"no service is known to keep data{unknown}"


def _kept(stores: Sequence[Store]) -> str:
    """What becomes of the data of stores that no finding is about."""
    held = ", ".join(store.service for store in stores if store.held)
    loose = ", ".join(store.service for store in stores if not store.held)
    outlive = f"the data of {held} outlive `down -v`, and nothing unguarded deletes them" if held else ""
    gone = f"no volume with a name holds what {loose} keeps: it goes with the containers" if loose else ""
    return "; ".join(part for part in (outlive, gone) if part)


def weigh_operation(facts: Facts) -> Weight | NotApplicable:
    """OPS-001: a check or a bind that cannot work weighs 3, as does a set-up without any check; a pattern 2."""
    mine, stakes = counted(facts, "OPS-001"), facts.stakes
    if stakes is None and not mine:
        return NotApplicable(why=NOT_LOOKED_AT)
    if stakes is not None and not stakes.compose_files and not proven(mine):
        return NotApplicable(why=NO_COMPOSE)
    impact = 3 if stakes is not None and stakes.needed else 2
    broken = proven(mine) or tuple(f for f in strong(mine) if cites(f, *_FAILS_TO_START))
    if broken:
        return Weight(probability=3, impact=impact, evidence=mine, because=sentence(broken[0].message))
    unchecked = tuple(f for f in facts.findings if cites(f, *_NO_CHECK) and f.location.place is Place.COMPOSE)
    if stakes is not None and unchecked and len(unchecked) >= len(stakes.services):
        return _unchecked(impact, mine, unchecked)
    if mine:
        because = f"{number(mine, 'point')} that may keep it from starting: {sentence(mine[0].message)}"
        return Weight(probability=2, impact=impact, evidence=mine, because=because)
    return quiet(facts, "OPS-001", impact, "every service has a check that can work, and waits for what it needs")


def _unchecked(impact: int, mine: tuple[Finding, ...], unchecked: tuple[Finding, ...]) -> Weight:
    """The weight of a set-up in which no service has a check, or none that is known: an image may bring its own."""
    if mine:
        return Weight(probability=3, impact=impact, evidence=mine, because="no service has a health check")
    because = "no service has a health check, unless its image brings one"
    return Weight(probability=2, impact=impact, evidence=unchecked, because=because)


def weigh_configuration(facts: Facts) -> Weight | NotApplicable:
    """CONFIG-001: what compose refuses, or fills with nothing, weighs 3; drift 2. A variable that compose insists on
    (`:?`) is no graver than one it fills with nothing: without it nothing starts, and the message names it."""
    mine, stakes = counted(facts, "CONFIG-001"), facts.stakes
    if not mine and not minor(facts, "CONFIG-001"):
        if stakes is None:
            return NotApplicable(why=NOT_LOOKED_AT)
        if not stakes.compose_files:
            return NotApplicable(why=NO_COMPOSE)
        if not stakes.variables:
            return NotApplicable(why="the compose files use no variables, and there is no example of any")
    fails = _failing(mine)
    impact = 3 if any(cites(f, *_GRAVE_CONFIG) for f in mine) else 2
    if fails:
        return Weight(probability=3, impact=impact, evidence=mine, because=sentence(fails[0].message))
    if mine:
        because = f"{number(mine, 'place')} where the files disagree: {sentence(mine[0].message)}"
        return Weight(probability=2, impact=impact, evidence=mine, because=because)
    return quiet(facts, "CONFIG-001", impact, "compose, the example and the sources name the same variables")


def weigh_network(facts: Facts) -> Weight | NotApplicable:
    """TECH-002: a connection that cannot work weighs 3; one that cannot be resolved 2."""
    mine, stakes = counted(facts, "TECH-002"), facts.stakes
    if not mine and not minor(facts, "TECH-002"):
        if stakes is None:
            return NotApplicable(why=NOT_LOOKED_AT)
        if not stakes.compose_files:
            return NotApplicable(why=NO_COMPOSE)
        if stakes.alone:
            return NotApplicable(why="there is one service only")
    broken = proven(mine) or _grave(strong(mine))
    impact = 3 if any(_cuts_off_store(finding, facts) for finding in broken) else 2
    if broken:
        return Weight(probability=3, impact=impact, evidence=mine, because=sentence(broken[0].message))
    if mine:
        because = f"{number(mine, 'connection')} in doubt: {sentence(mine[0].message)}"
        return Weight(probability=2, impact=impact, evidence=mine, because=because)
    return quiet(facts, "TECH-002", impact, "every address that a service is given leads to a service it can reach")


def weigh_backup(facts: Facts, data: Weight | NotApplicable) -> Weight | NotApplicable:
    """OPS-003: a backup that cannot be trusted weighs 3, one that was never restored 2. Its impact hangs on DATA-001:
    who cannot lose the volume seldom needs the backup."""
    mine, stakes = counted(facts, "OPS-003"), facts.stakes
    if not mine:
        if stakes is None:
            return NotApplicable(why=NOT_LOOKED_AT)
        if not stakes.lasting:
            why = "no service is known to keep data that would have to be backed up"
            return NotApplicable(why=why if stakes.compose_files else NO_COMPOSE)
    safe = isinstance(data, NotApplicable) or data.probability == 1
    impact = 3 if stakes is not None and stakes.lasting and not safe else 2
    bad = proven(mine) or tuple(f for f in mine if cites(f, *_BAD_BACKUP) and f.severity.rank >= Severity.HIGH.rank)
    if bad:
        return Weight(probability=3, impact=impact, evidence=mine, because=sentence(bad[0].message))
    if mine:
        because = f"{number(mine, 'point')} that may cost the backup: {sentence(mine[0].message)}"
        return Weight(probability=2, impact=impact, evidence=mine, because=because)
    if "OPS-003" in facts.verified:
        return quiet(facts, "OPS-003", impact, "a backup was restored and compared")
    kept = ", ".join(store.service for store in stakes.lasting) if stakes is not None else "the services"
    backed_up = stakes is None or stakes.backups
    because = "no restore was rehearsed: --verify does" if backed_up else f"nothing backs up the data of {kept}"
    return Weight(probability=2, impact=impact, because=because)


def _failing(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """What makes compose fail or warn with the example alone."""
    return proven(findings) or tuple(f for f in _grave(strong(findings)) if cites(f, *_WRONG_CONFIG))


def _grave(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(f for f in findings if f.severity.rank >= Severity.HIGH.rank)


def _cuts_off_store(finding: Finding, facts: Facts) -> bool:
    """Whether a connection to a service that keeps data is meant: its name or its port is in the message."""
    for store in facts.stakes.lasting if facts.stakes else ():
        words = [re.escape(store.service), *([f"[^ ]*:{store.port}"] if store.port else [])]
        if re.search(rf"(?<![\w-])(?:{'|'.join(words)})(?![\w-])", finding.message):
            return True
    return False
