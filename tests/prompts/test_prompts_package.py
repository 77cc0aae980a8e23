from __future__ import annotations

import subprocess
import sys

from pytest_circuits import prompts


def test_naming_prompts_imports_neither_torch_nor_numpy():
    code = (
        "import sys\n"
        "from pytest_circuits import prompts\n"
        "pairs = prompts.ioi(n=4)\n"
        "tokens = prompts.repeated_tokens(batch=2)\n"
        "heavy = {'torch', 'numpy', 'transformers', 'transformer_lens'} & set(sys.modules)\n"
        "print(*sorted(heavy))\n"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "", "")


def test_repeated_tokens_are_built_by_their_short_name():
    assert prompts.repeated_tokens(batch=3, block=4, seed=5) == prompts.RepeatedTokens(3, 4, 5)
