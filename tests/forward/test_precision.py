from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import pytest_circuits
from pytest_circuits.forward import exact

ROOT = Path(pytest_circuits.__file__).parent
#: Every way in which a tensor could become float64 where it is.
_WIDENED = re.compile(r"\.double\(|\.to\(\s*torch\.(float64|double)|dtype=torch\.(float64|double)")


def test_tensors_become_float64_in_one_place_only_which_is_off_the_device():
    widened = [
        (path.relative_to(ROOT).as_posix(), line.strip())
        for path in sorted(ROOT.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if _WIDENED.search(line)
    ]

    assert widened == [("forward/precision.py", "return tensor.detach().cpu().double()")]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64, torch.bool])
def test_exact_numbers_are_the_same_numbers_in_float64_on_the_cpu(dtype):
    tensor = torch.tensor([0.1, -3.0, 0.0]).to(dtype)

    exactly = exact(tensor)

    assert (exactly.dtype, exactly.device.type) == (torch.float64, "cpu")
    assert exactly.tolist() == [float(number) for number in tensor]


def test_exact_numbers_have_no_gradients():
    assert not exact(torch.ones(2, requires_grad=True)).requires_grad
