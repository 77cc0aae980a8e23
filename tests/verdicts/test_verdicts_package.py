from __future__ import annotations

import subprocess
import sys


def test_judging_imports_no_torch():
    code = (
        "import sys\n"
        "from pytest_circuits.verdicts import *\n"
        "heavy = {'torch', 'transformers', 'transformer_lens', 'syrupy'} & set(sys.modules)\n"
        "print(*sorted(heavy))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
