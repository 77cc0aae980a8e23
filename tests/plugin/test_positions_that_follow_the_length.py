"""A model whose rotary positions follow a pass's length is no model that a test has changed."""

import json

import pytest
from circuit_suites import counts
from session.cache_suites import remembered

from pytest_circuits.testing import tiny_checkpoint

POSITIONS = {
    "longrope": {
        "short_factor": [1.0] * 4,
        "long_factor": [4.0] * 4,
        "attention_factor": 1.0,
        "original_max_position_embeddings": 12,
    },
    "dynamic": {"factor": 4.0},
}
TWO = """
def test_loss(circuits):
    circuits.repeat_loss()


def test_heads(circuits):
    circuits.induction_scores()
"""
#: Tokens by their ids: more than the length from which on positions are others.
OWN_PASS = """
import torch


def test_own_pass(circuit_model):
    circuit_model(torch.arange(1, 30)[None])


def test_loss(circuits):
    circuits.repeat_loss()
"""


@pytest.fixture(params=POSITIONS)
def suite(request, suite):
    folder, kind = tiny_checkpoint(suite.path / "long"), request.param
    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"] = {"rope_type": kind, "rope_theta": 10000.0, **POSITIONS[kind]}
    config["max_position_embeddings"] = 12 if kind == "dynamic" else 64
    (folder / "config.json").write_text(json.dumps(config))
    suite.ini("long = ./long", circuits_isolation="fail")
    return suite


def test_findings_are_remembered(suite):
    suite.write("test_heads.py", TWO)
    assert remembered(suite) == [False, False]
    assert remembered(suite) == [True, True]


def test_a_pass_of_the_tests_own_is_no_change(suite):
    suite.write("test_heads.py", OWN_PASS)
    result = suite.run("--circuits", "-p", "no:cacheprovider")
    assert counts(result) == {"passed": 2}
