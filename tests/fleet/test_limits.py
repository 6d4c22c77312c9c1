"""No registry gets more than its limits allow, and none holds up another."""

from __future__ import annotations

from fleetwork import number_of, task
from hypothesis import given
from hypothesis import strategies as st

from imgscan.fleet.limits import Limits, Unsent


def take_all(waiting: Unsent, at_once: int = 8) -> list[tuple[int, int]]:
    taken = []
    while (found := waiting.take(at_once)) is not None:
        taken.append((number_of(found[0]), found[1]))
    return taken


def test_a_registry_that_has_enough_holds_up_nobody_else() -> None:
    tasks = [task(number, host="b" if number in (5, 9) else "a") for number in range(10)]
    waiting = Unsent(tasks, Limits(connections=2))
    assert [number for number, _ in take_all(waiting)] == [0, 1, 5, 9]
    waiting.give_back(tasks[0], 0)
    assert [number for number, _ in take_all(waiting)] == [2]


def test_what_lies_in_no_registry_has_no_limit() -> None:
    assert len(take_all(Unsent([task(number) for number in range(50)], Limits(connections=1, bytes_per_s=1)))) == 50


def test_the_order_is_kept_among_those_that_are_admitted() -> None:
    tasks = [task(number, host=host) for number, host in enumerate("aaabbbab")]
    waiting = Unsent(tasks, Limits(connections=1))
    assert [number for number, _ in take_all(waiting)] == [0, 3]
    waiting.give_back(tasks[3], 0)
    waiting.put_first(tasks[3])
    assert [number for number, _ in take_all(waiting)] == [3]


def test_only_so_many_are_looked_at() -> None:
    given = iter([task(number, host="a") for number in range(100)])
    waiting = Unsent(given, Limits(connections=1), most_ahead=10)
    assert len(take_all(waiting)) == 1
    assert len(list(given)) == 100 - 11


def test_the_last_task_has_all_that_is_left() -> None:
    tasks = [task(number, host="a") for number in range(3)]
    waiting = Unsent(tasks, Limits(connections=4, bytes_per_s=1200))
    assert take_all(waiting) == [(0, 400), (1, 400), (2, 400)]
    assert take_all(Unsent(tasks[:1], Limits(connections=4, bytes_per_s=1200))) == [(0, 1200)]
    # No more share in it than run at once.
    assert take_all(Unsent(tasks, Limits(connections=4, bytes_per_s=1200)), at_once=2) == [(0, 600), (1, 600)]


def test_a_registry_that_is_given_up() -> None:
    tasks = [task(number, host="b" if number == 3 else "a") for number in range(6)]
    waiting = Unsent(tasks, Limits(connections=1))
    assert [number for number, _ in take_all(waiting)] == [0, 3]
    waiting.give_back(tasks[0], 0)
    waiting.give_up("a")
    refused = []
    while True:
        refused += [number_of(one) for one in waiting.refused()]
        if waiting.take(8) is None and not waiting.has_refused:
            break
    assert refused == [1, 2, 4, 5]


@given(
    st.lists(st.sampled_from("abc"), max_size=40),
    st.integers(1, 5),
    st.integers(0, 1000),
    st.lists(st.integers(0, 10), max_size=80),
    st.integers(1, 9),
)
def test_limits_hold_whatever_ends_when(
    hosts: list[str], connections: int, bytes_per_s: int, ends: list[int], at_once: int
) -> None:
    waiting = Unsent(
        [task(number, host=host) for number, host in enumerate(hosts)],
        Limits(connections=connections, bytes_per_s=bytes_per_s),
    )
    running = []
    taken = []
    for end in [*ends, *[0] * len(hosts), 0]:
        while (found := waiting.take(at_once)) is not None:
            running.append(found)
            taken.append(number_of(found[0]))
            for host in "abc":
                mine = [share for one, share in running if one.host == host]
                assert len(mine) <= connections
                # A share is at least a byte a second.
                assert not bytes_per_s or sum(mine) <= bytes_per_s + len(mine)
                assert all(mine) or not bytes_per_s
        if running:
            waiting.give_back(*running.pop(end % len(running)))
    assert sorted(taken) == list(range(len(hosts)))
