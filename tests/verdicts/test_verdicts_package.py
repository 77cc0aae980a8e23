from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_circuits import findings, prompts, verdicts


@pytest.mark.parametrize("face", [findings, prompts, verdicts])
def test_every_public_name_is_there_and_no_other(face):
    assert [name for name in face.__all__ if getattr(face, name) is None] == []
    assert dir(face) == sorted(face.__all__)
    with pytest.raises(
        AttributeError, match=f"^module '{face.__name__}' has no attribute 'other'$"
    ):
        _ = face.other


def test_judging_imports_no_torch():
    code = (
        "import sys\n"
        "from pytest_circuits.verdicts import *\n"
        "heavy = {'torch', 'transformers', 'transformer_lens', 'syrupy'} & set(sys.modules)\n"
        "print(*sorted(heavy))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
