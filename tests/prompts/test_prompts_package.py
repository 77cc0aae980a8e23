from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

from pytest_circuits import prompts

MODULES = sorted(module.name for module in pkgutil.iter_modules(prompts.__path__))


def test_naming_prompts_imports_neither_torch_nor_numpy():
    code = (
        "import sys\n"
        "from pytest_circuits import prompts\n"
        "pairs = prompts.ioi(n=4)\n"
        "pairs = prompts.repeated_phrases(n=4)\n"
        "tokens = prompts.repeated_tokens(batch=2)\n"
        "heavy = {'torch', 'numpy', 'transformers', 'transformer_lens'} & set(sys.modules)\n"
        "print(*sorted(heavy))\n"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "", "")


def test_repeated_tokens_are_built_by_their_short_name():
    assert prompts.repeated_tokens(batch=3, block=4, seed=5) == prompts.RepeatedTokens(3, 4, 5)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name):
    module = importlib.import_module(f"pytest_circuits.prompts.{name}")

    assert doctest.testmod(module).failed == 0


def test_every_public_name_is_there():
    assert all(hasattr(prompts, name) for name in prompts.__all__)
