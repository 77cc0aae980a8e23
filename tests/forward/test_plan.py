from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from forward.sweeping import EXACT, changed, drawn, each, off, patched

from pytest_circuits.forward import replay as plan
from pytest_circuits.forward.fitting import portions
from pytest_circuits.forward.replay import shared_starts


def cost(begins, starts, layers, length):
    """What runs cost that are computed from those positions on."""
    tokens = sum((length - begin) * count for begin, count in zip(begins, layers, strict=True))
    calls = sum(
        max(count for own, count in zip(begins, layers, strict=True) if own == begin)
        for begin in set(begins)
    )
    return tokens + plan._CALL * calls


def all_ways(starts):
    """Every way to draw lines between starts: from where on each run is computed then."""
    own = sorted(set(starts))
    for count in range(len(own)):
        for lines in combinations(own[1:], count):
            firsts = [own[0], *lines]
            yield [max(first for first in firsts if first <= start) for start in starts]


@pytest.mark.parametrize("call", [1, 5, 30, 200])
def test_runs_share_their_starts_in_the_cheapest_way(monkeypatch, call):
    monkeypatch.setattr(plan, "_CALL", call)
    stream = random.Random(call)
    for _ in range(50):
        length = stream.randint(1, 12)
        runs = stream.randint(1, 14)
        starts = [stream.randrange(length) for _ in range(runs)]
        layers = [stream.randint(1, 6) for _ in range(runs)]

        found = shared_starts(starts, layers, length)

        cheapest = min(cost(way, starts, layers, length) for way in all_ways(starts))
        assert cost(found, starts, layers, length) == cheapest
        assert all(begin <= start for begin, start in zip(found, starts, strict=True))
        assert set(found) <= set(starts)


def test_what_costs_little_to_call_is_computed_from_its_own_start_and_else_together(monkeypatch):
    starts, layers = [5, 2, 2, 7, 5], [3, 3, 1, 2, 1]

    monkeypatch.setattr(plan, "_CALL", 0)
    assert shared_starts(starts, layers, 8) == starts
    monkeypatch.setattr(plan, "_CALL", 10**6)
    assert shared_starts(starts, layers, 8) == [2] * 5


def test_no_runs_have_no_starts():
    assert shared_starts([], [], 8) == []


@pytest.mark.parametrize("call", [0, 10, 10**6])
def test_however_starts_are_shared_the_numbers_are_the_same(monkeypatch, llama, call):
    clean = drawn(9, 9, 9)
    monkeypatch.setattr(plan, "_CALL", call)

    for site in ("resid_pre", "head_v"):
        found, expected = (
            patched(one, site, clean, changed(clean, 1, 4, 6), positions=each(clean))
            for one in llama
        )
        assert off(found, expected) < EXACT / 10


def test_portions_are_consecutive_and_within_the_budget_or_of_one():
    stream = random.Random(0)
    for _ in range(100):
        sizes = np.array([stream.randint(1, 9) for _ in range(stream.randint(1, 12))])
        budget = stream.randint(1, 30)

        parts = portions(sizes, budget)

        assert [place for part in parts for place in range(len(sizes))[part]] == list(
            range(len(sizes))
        )
        for part, behind in zip(parts, [*parts[1:], None], strict=True):
            assert sizes[part].sum() <= budget or len(sizes[part]) == 1
            # There was no room for the next one.
            assert behind is None or sizes[part].sum() + sizes[behind][0] > budget


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (1, [slice(0, 1), slice(1, 2), slice(2, 3)]),
        (5, [slice(0, 2), slice(2, 3)]),
        (9, [slice(0, 3)]),
    ],
)
def test_portions_by_hand(budget, expected):
    assert portions(np.array([2, 3, 4]), budget) == expected
