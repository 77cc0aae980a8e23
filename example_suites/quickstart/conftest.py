"""Prompts for the recall suite: a list of words, repeated up to the one that comes next."""

from pathlib import Path

import pytest

from pytest_circuits import PromptPairs


@pytest.fixture(scope="session")
def recall_pairs():
    return PromptPairs.from_json(Path(__file__).parent / "recall.json")
