"""Every fuzz target over its seeds, over what fuzzing found, and over inputs that hypothesis mutates."""

from __future__ import annotations

import random

import pytest
from fuzz.mutate import MUTATORS, bytewise
from fuzz.seeds import SEEDS, kept
from fuzz.targets import TARGETS
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = {"archive": 60, "blob": 100}
LONGEST = 200_000


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_what_fuzzing_found(name: str) -> None:
    for data in (*SEEDS[name], *kept(name)):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept_is_small_and_of_use(name: str) -> None:
    found = kept(name)
    assert len(found) == len(set(found))
    assert sum(map(len, found)) < 1 << 20


@pytest.mark.parametrize("name", TARGETS)
def test_mutations(name: str) -> None:
    seeds = (*SEEDS[name], *kept(name))

    @settings(max_examples=EXAMPLES.get(name, 200), deadline=None)
    @given(seed=st.sampled_from(seeds), chance=st.randoms(use_true_random=False), times=st.integers(1, 3))
    def holds(seed: bytes, chance: random.Random, times: int) -> None:
        for _ in range(times):
            seed = MUTATORS[name](seed, chance, bytewise(chance))[:LONGEST]
        TARGETS[name](seed)

    holds()


@pytest.mark.parametrize("name", MUTATORS)
def test_a_mutator_changes_what_it_is_given(name: str) -> None:
    chance = random.Random(1)
    made = {MUTATORS[name](SEEDS[name][0], chance, bytewise(chance)) for _ in range(50)}
    assert len(made) > 20
