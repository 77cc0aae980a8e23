"""A new measure is its module, and three lines of the register. A script writes the rest."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_circuits

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.nightly

MODULE = '''
"""How far down the answer is among all tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_circuits.findings import Allowance, Direction, Finding
from pytest_circuits.findings.statistics import mean_and_error
from pytest_circuits.forward import Runs, as_runs, run_prompts
from pytest_circuits.measures.common import of_pairs, pairs_convention, tokenize
from pytest_circuits.measures.metrics import answer_companion, answer_tokens

if TYPE_CHECKING:
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.forward import PromptGroup
    from pytest_circuits.prompts import PromptPairs


def answer_place(model: TransformerBridge | Runs, pairs: PromptPairs, *, first: int = 1) -> Finding:
    """How many tokens have more logit than the answer, counted from ``first``."""
    runs = as_runs(model)
    tokenized = tokenize(runs, pairs)

    def read(group: PromptGroup) -> Tensor:
        right, _ = answer_tokens(group.logits, group.rows, tokenized)
        return first + (group.logits > group.logits.gather(1, right[:, None])).sum(-1)

    run = run_prompts(runs, tokenized.clean)
    samples = run.gather(read).numpy().astype(np.float64)
    mean, error = mean_and_error(samples, tokenized.clusters)
    return Finding(
        measure="answer_place",
        quantity="answer's place",
        unit="places",
        direction=Direction.LOWER,
        axes=(),
        values=mean,
        errors=error,
        convention={**pairs_convention(tokenized, "place of the answer"), "first": first},
        profiles={"answer_place": samples},
        companion=answer_companion(run, tokenized, "answer_place"),
        allowance=Allowance(floor=0.5, share=0.2),
        **of_pairs(runs, tokenized),
    )
'''

#: What the register has before, and what comes after it.
LINES = {
    "    from pytest_circuits.measures.common import canary as canary\n": (
        "    from pytest_circuits.measures.place import answer_place as answer_place\n"
    ),
    '    "text_loss": "behaviours",\n': '    "answer_place": "place",\n',
    "    text_loss = Method(lambda: measures.text_loss)\n": (
        "    answer_place = Method(lambda: measures.answer_place)\n"
    ),
}

TEST = """
from pytest_circuits import assert_behaviour, prompts


def test_place(circuits, circuit_snapshot):
    place = circuits.answer_place(prompts.repeated_phrases(n=8, length=5), first=0)
    assert_behaviour(place, at_most=0.5)
    assert place == circuit_snapshot
"""

LOOK = """
import inspect, json, runpy, sys

import pytest

status = pytest.main(["--circuits", "--snapshot-update", "-q", "suite"])
assert status == 0, status

from pytest_circuits import measures
from pytest_circuits.session.circuits import Circuits

runpy.run_path("scripts/measures_table.py", run_name="__main__")
print(json.dumps({
    "file": measures.__file__,
    "signature": str(inspect.signature(Circuits.answer_place)),
    "doc": inspect.getdoc(Circuits.answer_place),
}))
"""


def add_measure(root):
    """Put the measure into a copy of the project."""
    folder = root / "pytest_circuits/measures"
    (folder / "place.py").write_text(MODULE.lstrip(), encoding="utf-8")
    text = (folder / "__init__.py").read_text(encoding="utf-8")
    for before, line in LINES.items():
        assert text.count(before) == 1
        text = text.replace(before, before + line)
    (folder / "__init__.py").write_text(text, encoding="utf-8")


def run_in(root, *arguments):
    """What Python prints there, with the copy's package."""
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A copy of the package and its documentation with the measure in it."""
    root = tmp_path_factory.mktemp("project")
    package = Path(pytest_circuits.__file__).parent
    shutil.copytree(package, root / "pytest_circuits", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("scripts/measures_table.py", "docs/measures.md", "README.md"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    add_measure(root)
    suite = root / "suite"
    suite.mkdir()
    (suite / "test_place.py").write_text(TEST, encoding="utf-8")
    (suite / "pytest.ini").write_text(
        "[pytest]\ncircuits_models = recall = bundled:recall\n", encoding="utf-8"
    )
    return root


@pytest.fixture(scope="module")
def seen(root):
    """What there is of the measure in the copy."""
    return json.loads(run_in(root, "-c", LOOK).splitlines()[-1])


def test_it_is_a_method_of_circuits_with_its_own_signature_and_words(root, seen):
    assert seen["file"] == str(root / "pytest_circuits/measures/__init__.py")
    assert seen["signature"] == "(self, pairs: 'PromptPairs', *, first: 'int' = 1) -> 'Finding'"
    assert seen["doc"] == (
        "How many tokens have more logit than the answer, counted from ``first``."
    )


def test_its_baseline_has_its_default_tolerance(root, seen):
    path = root / "suite/__circuits__/recall/test_place/test_place.json"
    (finding,) = json.loads(path.read_text(encoding="utf-8"))["findings"]
    assert finding["allowance"] == finding["tolerance"]["value"] == [0.5, 0.2, 0.0]
    assert finding["tolerance"]["origin"] == "default"


#: Its example, up to the numbers.
EXAMPLE = """
`answer_place`: How many tokens have more logit than the answer, counted from `first`.

```pycon
>>> print(measures.answer_place(bridge, PHRASES))
answer_place (places, 8 samples)
"""


def rows(text):
    """The lines with the measure, and the others; those between the script's marks are neither."""
    by_hand = re.sub(r"(<!-- what has no example .*?-->).*?<!--", r"\1<!--", text, flags=re.DOTALL)
    lines = by_hand.splitlines()
    own = [line for line in lines if "answer_place" in line]
    return own, [line for line in lines if line not in own]


@pytest.mark.usefixtures("seen")
def test_its_row_and_its_example_are_written(root):
    page = (root / "docs/measures.md").read_text(encoding="utf-8")
    own, others = rows(page)
    (row,) = own
    assert row == (
        "| `answer_place` | one number | places | lower | answer | 0.5 or 20 % "
        "| `assert_behaviour` |"
    )
    assert others == rows((ROOT / "docs/measures.md").read_text(encoding="utf-8"))[1]
    assert page.count(EXAMPLE) == 1


@pytest.mark.usefixtures("seen")
def test_its_row_in_the_readme_is_written(root):
    own, others = rows((root / "README.md").read_text(encoding="utf-8"))
    assert own == [
        "| `answer_place` | How many tokens have more logit than the answer, counted from `first` |"
    ]
    assert others == rows((ROOT / "README.md").read_text(encoding="utf-8"))[1]


def test_every_test_of_all_measures_passes_with_it(tmp_path):
    root = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".*", "__pycache__")
    shutil.copytree(ROOT, root, ignore=ignored)
    add_measure(root)
    run_in(root, "scripts/measures_table.py")
    tests = (
        "measures/test_methods.py", "measures/test_default_tolerances.py",
        "docs/test_measures_page.py", "docs/test_verdicts_page.py", "docs/test_readme.py",
    )  # fmt: skip
    paths = [f"tests/{name}" for name in tests]
    passed = run_in(root, "-m", "pytest", "-n0", "-q", "-k", "measure or table", *paths)
    assert "passed" in passed
