"""How many times faster a sweep is than with another tool, on a random model of GPT-2's size.

The other tool is nnsight, which has no sweep of its own: one trace for every cell, as its tutorials
have it, saving the last position's logits. `pip install nnsight` beside this package first.

    python benchmarks/other_tool.py --share 4
"""

from __future__ import annotations

import argparse
import copy
from typing import TYPE_CHECKING, Any

import torch
from against import CLOSE, CellByCell, compare
from nnsight import NNsight
from paired import CPU, show, spread
from subjects import DIFFER, GPT2_SMALL, GPT2_TINY, hooked, random_model, word_pairs
from transformers import GPT2Config, GPT2LMHeadModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from transformers import PreTrainedModel

    from pytest_circuits.prompts import TokenizedPairs


class Nnsight(CellByCell):
    """A sweep of GPT-2's residual stream: one trace for every cell.

    Attributes:
        model: the model, as nnsight wraps it.
    """

    def __init__(self, model: PreTrainedModel, pairs: TokenizedPairs) -> None:
        self.model = NNsight(model)
        super().__init__(pairs, (len(model.transformer.h), len(pairs.clean[0])))

    def unpatched(self) -> tuple[Any, Any, Any]:
        """The metric of the corrupted and of the clean prompts, and the clean activations."""
        model = self.model
        with model.trace(torch.tensor(self.pairs.clean)):
            streams = list().save()  # noqa: C408 — nnsight gives objects a method save
            for block in model.transformer.h:
                streams.append(block.inputs[0][0].clone())
            clean = model.output.logits[:, -1].save()
        with model.trace(torch.tensor(self.pairs.corrupted)):
            corrupted = model.output.logits[:, -1].save()
        return self.metric(corrupted), self.metric(clean), streams

    def patched(self, cells: NDArray[np.int64], clean: Any) -> list[torch.Tensor]:  # noqa: ANN401
        """The metric with each of some cells put in, given the clean activations."""
        model, tokens = self.model, torch.tensor(self.pairs.corrupted)
        found = []
        for layer, position in cells.tolist():
            with model.trace(tokens):
                stream = model.transformer.h[layer].inputs[0][0]
                stream[:, position] = clean[layer][:, position]
                logits = model.output.logits[:, -1].save()
            found.append(self.metric(logits))
        return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Sweep the residual stream with both, in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument(
        "--share", type=int, default=1, help="have nnsight sweep one in SHARE cells (default: 1)"
    )
    parser.add_argument("--tiny", action="store_true", help="the model in a toy's size")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    model = random_model(GPT2LMHeadModel, GPT2Config, **(GPT2_TINY if options.tiny else GPT2_SMALL))
    # Each puts hooks of its own on what it is given.
    theirs = copy.deepcopy(model)
    bridge = hooked(model, "cpu")
    for differ, position in DIFFER.items():
        pairs = word_pairs(bridge, 1, position)
        found = compare(
            bridge,
            pairs,
            Nnsight(theirs, pairs.check(bridge.tokenizer)),
            CPU,
            site="resid_pre",
            positions="each",
            repeat=options.repeat,
            share=options.share,
        )
        show(
            f"residual, {differ}: {spread(found.faster, 1)} times as fast; ours "
            f"{spread(found.ours, 3)}, nnsight {spread(found.theirs, 2)} CPU s (one in "
            f"{options.share} cells); deviation {found.deviation:.0e}"
        )
        if found.deviation > CLOSE:
            raise SystemExit("the two disagree")


if __name__ == "__main__":
    main()
