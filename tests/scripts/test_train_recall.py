"""The script that trained the bundled models still gives the circuits they have."""

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_circuits import measures
from pytest_circuits.models import load, parse_source

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    command = [sys.executable, "scripts/train_recall.py", "--out", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.mark.parametrize("name", ["recall", "recall-finetuned", "recall-regressed"])
def test_a_fresh_training_gives_the_bundled_models_scores(trained, name):
    # Scores, not bytes: another CPU or build of torch rounds differently on the way.
    for measure in (measures.induction_scores, measures.previous_token_scores):
        bundled = measure(load(parse_source(f"bundled:{name}")).bridge)
        fresh = measure(load(parse_source(str(trained / name))).bridge)
        assert fresh.members().keys() == bundled.members().keys()
        assert abs(fresh.values - bundled.values).max() < 0.1
