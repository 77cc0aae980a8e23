"""Small circuit suites that tests run with pytester, and what became of their baselines."""

from __future__ import annotations

import functools
import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest

# What a suite would import only when it runs: torch and its neighbours can't be imported twice in
# a process, and pytester forgets what was imported while it ran.
import transformer_lens.model_bridge.sources.native
import transformer_lens.model_bridge.sources.transformers_driver  # noqa: F401
import transformers
from safetensors.numpy import load_file, save_file
from summaries import agree

import pytest_circuits
from pytest_circuits.session import cache

# Both are loaded lazily by transformers.
_ = (transformers.AutoModelForCausalLM, transformers.PreTrainedTokenizerFast)

# Ours too, or every run would import them again: that took longer than what most runs do.
for _module in pkgutil.walk_packages(pytest_circuits.__path__, "pytest_circuits."):
    importlib.import_module(_module.name)


def _read_once(getter):
    """What a distribution says, read once: what is installed here stays while tests run."""

    found = {}

    def of(distribution):
        path = str(getattr(distribution, "_path", ""))
        if not path.startswith(sys.prefix):
            return getter(distribution)
        if path not in found:
            found[path] = getter(distribution)
        return found[path]

    return property(of)


# Every run asks all that is installed for its plugins, and hashes our code: a tenth of its time.
for _asked in ("entry_points", "files", "metadata"):
    setattr(Distribution, _asked, _read_once(getattr(Distribution, _asked).fget))
cache.own_code = functools.cache(cache.own_code)

RECALL = "recall = bundled:recall"
#: A child of the reference.
CHILD = "tuned = bundled:recall-finetuned < recall"
#: A model with baselines of its own alone.
OTHER = "tuned = bundled:recall-finetuned"

ONE_TEST = """
def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot
"""

#: A conftest that gives findings of no model: workers then need not import what one needs, which
#: takes longest.
WITHOUT_MODELS = """
import numpy as np
import pytest

from pytest_circuits.findings import Direction, Finding


@pytest.fixture(scope="session")
def circuit_model(circuit_source):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pytest_circuits.models.fingerprint.live_fingerprint", lambda model: "none")
        yield object()


@pytest.fixture
def found(circuit_source):
    def make(value):
        value = np.array(value + len(circuit_source.alias) / 100)
        return Finding(
            "induction_scores", "induction score", "attention probability", Direction.HIGHER,
            (), value, np.array(0.01), 3, 3, {"block": 4}, {"kind": "repeated tokens"},
        )

    return make
"""

EXAMPLES = Path(__file__).parents[1] / "example_suites"
_BUNDLED = Path(pytest_circuits.__file__).parent / "models" / "bundled"
#: jaxtyping and typeguard come with transformer-lens as pytest plugins; they only cost time.
QUIET = ("-p", "no:jaxtyping", "-p", "no:typeguard")
#: For a run in which a test changes its model.
CHANGES = ("-W", "ignore::pytest_circuits.session.isolation.ChangedModelWarning")
#: Long ago, so that a file that is written again has another time on any file system.
_LONG_AGO = 1_600_000_000 * 10**9


class Suite:
    """A suite in a folder of its own, and pytest runs over it."""

    def __init__(self, pytester):
        self.pytester = pytester
        self.path = pytester.path
        self.ini()

    def ini(self, *models, **keys):
        """Write pytest.ini with these ``circuits_models`` (by default the reference alone)."""
        lines = ["[pytest]", "circuits_models =", *(f"    {m}" for m in models or [RECALL])]
        lines += ["markers =", "    slow: takes long"]
        lines += [f"{key} = {value}" for key, value in keys.items()]
        return self.write("pytest.ini", "\n".join(lines))

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
        return path

    def run(self, *arguments):
        """Run pytest in this process; a warning is an error."""
        return self.pytester.runpytest_inprocess(*QUIET, "-W", "error", *map(str, arguments))

    def run_apart(self, *arguments):
        """Run pytest in a process of its own."""
        return self.pytester.runpytest_subprocess(*QUIET, *map(str, arguments))

    def approve(self, *arguments):
        """Store baselines of what is measured now."""
        result = self.run("--circuits", "--snapshot-update", *arguments)
        assert result.ret == 0, result.stdout.str()
        return self.baseline_files()

    def baseline_files(self):
        """Every file under ``__circuits__``, by its path from there."""
        return {
            path.relative_to(root).as_posix(): path
            for root in sorted(self.path.rglob("__circuits__"))
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }

    def stamps(self):
        """Bytes and modification time of every file under ``__circuits__``."""
        return {
            name: (path.read_bytes(), path.stat().st_mtime_ns)
            for name, path in self.baseline_files().items()
        }

    def age(self):
        """Date every baseline long ago, and return the stamps."""
        for path in self.baseline_files().values():
            os.utime(path, ns=(_LONG_AGO, _LONG_AGO))
        return self.stamps()


@pytest.fixture
def suite(pytester):
    """A suite without tests, whose reference is ``recall``."""
    return Suite(pytester)


def copy_quickstart(folder):
    """Copy the quickstart suite, without what a run there has remembered."""
    shutil.copytree(
        EXAMPLES / "quickstart",
        folder,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"),
    )


@pytest.fixture
def quickstart(pytester):
    """A copy of the quickstart suite."""
    made = Suite(pytester)
    copy_quickstart(made.path)
    return made


@pytest.fixture(scope="session")
def approved_once():
    """The files of a suite whose baselines were approved once, for all tests that begin there."""
    return {}


@pytest.fixture
def one_test(suite, approved_once):
    """A suite with one circuit test, its baseline stored."""
    path = suite.path / "__circuits__/recall/test_heads/test_heads.json"
    suite.write("test_heads.py", ONE_TEST)
    if not approved_once:
        suite.approve()
        approved_once[path.name] = path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(approved_once[path.name])
    suite.baseline = path
    return suite


def counts(result):
    """How many tests passed, failed, were skipped …, as pytest counts them."""
    return {
        kind: number
        for kind, number in result.parseoutcomes().items()
        if kind not in ("warning", "warnings")
    }


def block(text, first):
    """The lines from the one that holds ``first`` to the next empty one, without pytest's ``E``."""
    lines = [line.removeprefix("E").strip() for line in text.splitlines()]
    start = next(number for number, line in enumerate(lines) if first in line)
    end = next((n for n in range(start, len(lines)) if not lines[n]), len(lines))
    return [line for line in lines[start:end] if not set(line) <= set("=_-!")]


def few(cases, count):
    """The first cases of a kind as they are, the others every night."""
    values = [case if type(case) is tuple else (case,) for case in cases]
    return [
        pytest.param(*each, marks=() if place < count else pytest.mark.nightly)
        for place, each in enumerate(values)
    ]


def edit_baseline(path, change, index=0):
    """Change one finding of a baseline file in place; ``change`` gets its document.

    Its summaries follow, so that the file is another one and no damaged one.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document["findings"][index])
    agree(document["findings"][index])
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")


def copy_of_recall(folder, change=None):
    """A checkpoint in ``folder``: the bundled model, its tensors changed in place."""
    shutil.copytree(_BUNDLED / "recall", folder)
    if change is not None:
        file = folder / "model.safetensors"
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file)
    return folder


def in_fresh_python(code, **environment):
    """Run code in a new interpreter and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    ).stdout
