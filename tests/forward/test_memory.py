from __future__ import annotations

from dataclasses import dataclass

from pytest_circuits.forward.runs import Memory


@dataclass
class Result:
    nbytes: int


class Maker:
    """Makes results, and counts them."""

    def __init__(self, nbytes):
        self.made = 0
        self.nbytes = nbytes

    def __call__(self):
        self.made += 1
        return Result(self.nbytes)


def test_a_result_is_made_once():
    memory, make = Memory(budget=100), Maker(10)

    assert memory.get("key", make) is memory.get("key", make)
    assert make.made == 1


def test_another_key_is_another_result():
    memory, make = Memory(budget=100), Maker(10)

    assert memory.get("one", make) is not memory.get("other", make)


def test_the_least_recently_used_leaves_when_the_budget_is_exceeded():
    memory, make = Memory(budget=25), Maker(10)
    for key in ("a", "b", "a", "c"):
        memory.get(key, make)
    assert make.made == 3

    memory.get("a", make)
    memory.get("c", make)
    assert make.made == 3

    memory.get("b", make)
    assert make.made == 4


def test_a_result_larger_than_the_budget_is_kept_until_the_next():
    memory, make = Memory(budget=5), Maker(10)

    memory.get("large", make)
    memory.get("large", make)
    assert make.made == 1

    memory.get("next", make)
    memory.get("large", make)
    assert make.made == 3
