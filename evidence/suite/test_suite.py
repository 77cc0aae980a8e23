"""What a team might hold its model to: what it does, and by which heads."""

import json
from pathlib import Path

from pytest_circuits import prompts

#: What differs between suites: the order of names, and the heads that write the name.
CHOICES = json.loads((Path(__file__).parent / "choices.json").read_text())
IOI = prompts.ioi(n=16, seed=0, order=CHOICES["order"])
AGREEMENT = prompts.subject_verb_agreement(n=16, seed=0)
CAPITALS = prompts.country_capital(n=16, seed=0)
TEXT = (
    "The museum opens at nine, and by ten there is a queue around the corner. Most visitors come "
    "for the ship on the second floor, which lay under the harbour for four hundred years before "
    "a dredger found it. Its timbers were sprayed with wax for two decades, because old oak falls "
    "to dust when it dries too fast. Children are allowed to ring the bell. Upstairs there are "
    "maps, drawn by people who had never left the coast, with islands that do not exist and a "
    "warning about whales. The guide says that the maps were not wrong, only early: a captain who "
    "believed in them brought enough water for a longer voyage, and came home. On rainy days the "
    "café sells twice as much soup, and the attendants move the umbrellas away from the paintings."
)


# Behaviours


def test_text_loss(circuits, circuit_snapshot):
    assert circuits.text_loss(TEXT) == circuit_snapshot


def test_repeat_loss(circuits, circuit_snapshot):
    assert circuits.repeat_loss() == circuit_snapshot


def test_names(circuits, circuit_snapshot):
    assert circuits.logit_diff(IOI) == circuit_snapshot


def test_agreement(circuits, circuit_snapshot):
    assert circuits.logit_diff(AGREEMENT) == circuit_snapshot


def test_capitals(circuits, circuit_snapshot):
    assert circuits.logit_diff(CAPITALS) == circuit_snapshot


# Circuits


def test_induction_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot


def test_duplicate_token_heads(circuits, circuit_snapshot):
    assert circuits.duplicate_token_scores() == circuit_snapshot


def test_previous_token_heads(circuits, circuit_snapshot):
    assert circuits.previous_token_scores() == circuit_snapshot


def test_name_movers(circuits, circuit_snapshot):
    assert circuits.head_attribution(IOI) == circuit_snapshot


def test_heads_that_restore_the_name(circuits, circuit_snapshot):
    assert circuits.patch(IOI) == circuit_snapshot


def test_without_the_name_movers(circuits, circuit_snapshot):
    assert circuits.ablate(IOI, heads=CHOICES["movers"]) == circuit_snapshot


def test_agreement_writers(circuits, circuit_snapshot):
    assert circuits.head_attribution(AGREEMENT) == circuit_snapshot


def test_capital_writers(circuits, circuit_snapshot):
    assert circuits.head_attribution(CAPITALS) == circuit_snapshot
