"""What every measure's finding needs: provenance, and behaviours with their errors."""

from __future__ import annotations

from functools import cache, wraps
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from pytest_circuits.findings import Behaviour, ChoiceError, Direction, Head
from pytest_circuits.findings.finding import not_finite
from pytest_circuits.findings.statistics import mean_and_error, share_bound
from pytest_circuits.forward import as_runs
from pytest_circuits.prompts import PromptError, PromptPairs
from pytest_circuits.prompts.tokens import check_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Finding, Json
    from pytest_circuits.forward import Runs
    from pytest_circuits.prompts import TokenizedPairs

M = TypeVar("M", bound="Callable[..., Finding]")

#: transformer-lens hooks attention patterns and z on the eager implementation only.
ATTENTION = "eager"


def looked_at_once(measure: M) -> M:
    """A measure that looks at the model's weights once, however many of its runs it takes."""

    @wraps(measure)
    def once(model: TransformerBridge | Runs, *args: Any, **options: Any) -> Finding:  # noqa: ANN401
        runs = as_runs(model)
        with runs.untouched():
            return measure(runs, *args, **options)

    return cast("M", once)


def provenance(runs: Runs) -> dict[str, Json]:
    """What a number was measured with: shown beside it, never compared."""
    packages = ("pytest-circuits", "torch", "transformer-lens", "transformers")
    return {
        # Said only where it is so: the weights alone would not explain such a number.
        **({"hooked": "by the test"} if runs.hooked else {}),
        "device": runs.device.type,
        "dtype": str(next(runs.bridge.parameters()).dtype).removeprefix("torch."),
        "versions": {package: _version(package) for package in packages},
    }


@cache
def _version(package: str) -> str:
    """Of an installed package; reading it takes milliseconds, and every finding asks."""
    return version(package).partition("+")[0]


def tokenize(runs: Runs, pairs: PromptPairs) -> TokenizedPairs:
    """The pairs as the model sees them.

    Raises:
        PromptError: if they don't fit its tokenizer, its embeddings or its context.
        ChoiceError: if they are no pairs.
    """
    if not isinstance(pairs, PromptPairs):
        raise ChoiceError(
            f"this measure takes prompt pairs (PromptPairs, or a builder's), and got "
            f"{type(pairs).__name__}"
        )
    tokenized = pairs.check(runs.tokenizer)
    check_rows(runs.tokenizer, tokenized.tokens, int(runs.bridge.cfg.d_vocab))
    context = int(runs.bridge.cfg.n_ctx)
    for number, prompt in enumerate(tokenized.clean):
        if len(prompt) > context:
            raise PromptError(
                f"pair {number}: {len(prompt)} tokens, the first one counted, and the model's "
                f"context is {context}"
            )
    return tokenized


def of_pairs(runs: Runs, tokenized: TokenizedPairs) -> dict[str, Any]:
    """What a finding says of the prompt pairs and the model, whatever it is that was found."""
    return {
        "samples": len(tokenized),
        "clusters": len(set(tokenized.clusters)),
        "clustering": tokenized.clusters,
        "prompts": pairs_record(tokenized),
        "provenance": provenance(runs),
    }


def behaviour(
    name: str,
    samples: NDArray[np.float64],
    clusters: Sequence[object],
    direction: Direction,
    unit: str,
    *,
    vital: bool = False,
    judged: bool = True,
    keep: bool = False,
) -> Behaviour:
    """A behaviour from its values on each sample (``[sample]``); ``keep`` stores them too."""
    mean, error = mean_and_error(samples, clusters)
    return Behaviour(
        name,
        float(mean),
        float(error),
        len(set(clusters)),
        direction,
        unit,
        vital=vital,
        judged=judged,
        profile=samples if keep else None,
    )


def check_finite(measure: str, what: str, samples: NDArray[np.float64]) -> None:
    """Refuse samples that are NaN or infinite before anything is computed from them.

    Raises:
        InvalidFindingError: if there are any.
    """
    if not np.isfinite(samples).all():
        raise not_finite(measure, what)


def accuracy_of(logit_diffs: NDArray[np.float64], clusters: Sequence[object]) -> Behaviour:
    """The share of prompts with a positive logit difference, with its Clopper–Pearson interval."""
    return share("accuracy", logit_diffs > 0, clusters)


def share(name: str, hits: NDArray[np.bool_], clusters: Sequence[object]) -> Behaviour:
    """The share of prompts that are hits, with its exact (Clopper–Pearson) interval."""
    count, trials = int(hits.sum()), len(hits)
    mean, error = mean_and_error(hits.astype(np.float64), clusters)
    return Behaviour(
        name,
        float(mean),
        float(error),
        len(set(clusters)),
        Direction.HIGHER,
        "share of prompts",
        interval=(
            share_bound(count, trials, upper=False, tail=0.025),
            share_bound(count, trials, upper=True, tail=0.025),
        ),
    )


def profiles(
    strengths: NDArray[np.float64], samples: NDArray[np.float64], threshold: float
) -> dict[str, NDArray[np.float64]]:
    """The samples ``[sample]`` of the heads that have, or nearly have, a role.

    A head has a profile from half the threshold on: one below it may do what another did, and so
    may one that is above the threshold of the baseline.

    Args:
        strengths: ``[layer, head]``; magnitudes, where values have signs.
        samples: ``[sample, layer, head]``.
        threshold: what the role takes.
    """
    cells = zip(*np.nonzero(strengths >= threshold / 2), strict=True)
    return {str(Head(int(layer), int(head))): samples[:, layer, head] for layer, head in cells}


def pairs_convention(
    tokenized: TokenizedPairs,
    metric: str = "logit(answer) − logit(wrong answer), last position",
) -> dict[str, Json]:
    """The choices behind every number that is read off prompt pairs."""
    return {
        "metric": metric,
        "first_token": tokenized.first_token or "none",
        "attention": ATTENTION,
    }


def pairs_record(tokenized: TokenizedPairs) -> dict[str, Json]:
    """Which prompts a number was measured on."""
    record: dict[str, Json] = {
        "kind": "pairs",
        "count": len(tokenized),
        "texts": tokenized.texts,
        "tokens": tokenized.hash,
    }
    if tokenized.dropped:
        record["dropped"] = list(tokenized.dropped)
    return record
