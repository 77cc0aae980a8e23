"""The logit difference: does the model give the right answer?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.findings import Direction, Finding
from pytest_circuits.findings.statistics import mean_and_error
from pytest_circuits.forward import PromptRun, Runs, as_runs, run_prompts
from pytest_circuits.measures.common import (
    accuracy_of,
    behaviour,
    check_finite,
    of_pairs,
    pairs_convention,
    tokenize,
)
from pytest_circuits.measures.metrics import read_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Behaviour
    from pytest_circuits.prompts import PromptPairs, TokenizedPairs


def logit_diff(model: TransformerBridge | Runs, pairs: PromptPairs) -> Finding:
    """How much the model prefers the answer to the wrong answer on the clean prompts.

    logit difference = mean over prompts of logit(answer) − logit(wrong answer) at the last
    position (Wang et al. 2022, §2). Higher is better.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts; only the clean ones are run.

    Returns:
        a finding with one value in logits, its standard error over the pairs' clusters, the
        per-prompt differences, and as companion the share of prompts with a positive
        difference with its Clopper–Pearson interval.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer.
        InvalidFindingError: if the model's numbers are not finite.
    """
    runs = as_runs(model)
    tokenized = tokenize(runs, pairs)
    samples = answer_differences(run_prompts(runs, tokenized.clean), tokenized)
    check_finite("logit_diff", "logit difference", samples)
    mean, error = mean_and_error(samples, tokenized.clusters)
    return Finding(
        measure="logit_diff",
        quantity="logit difference",
        unit="logits",
        direction=Direction.HIGHER,
        axes=(),
        values=mean,
        errors=error,
        convention=pairs_convention(tokenized),
        profiles={"logit_diff": samples},
        companion=(accuracy_of(samples, tokenized.clusters),),
        **of_pairs(runs, tokenized),
    )


def answer_differences(run: PromptRun, tokenized: TokenizedPairs) -> NDArray[np.float64]:
    """The logit difference of each prompt of a run, ``[prompt]``."""
    differences = run.gather(lambda group: read_difference(group.logits, group.rows, tokenized))
    return differences.numpy()


def answer_companion(
    differences: NDArray[np.float64], clusters: Sequence[object]
) -> tuple[Behaviour, Behaviour]:
    """What the answer's mechanisms serve: the logit difference, and how often it is positive."""
    return (
        behaviour(
            "logit_diff", differences, clusters, Direction.HIGHER, "logits", vital=True, keep=True
        ),
        accuracy_of(differences, clusters),
    )
