"""Numbers: how exact they are, and where they are made as exact as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

#: How far sums may miss what they should be by rounding alone, as a share of the largest number.
ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}
#: The same of numbers that are computed twice in the same way.
SAME = {torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}


def exact(tensor: Tensor) -> Tensor:
    """The tensor in float64 on the CPU: there are devices that have no float64."""
    return tensor.detach().cpu().double()
