"""What every measure's finding needs: prompts and positions, provenance, behaviours, the canary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, wraps
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast

import numpy as np

from pytest_circuits.findings import Behaviour, Canary, ChoiceError, Head
from pytest_circuits.findings.choices import is_whole
from pytest_circuits.findings.circumstances import noted
from pytest_circuits.findings.finding import InvalidFindingError, not_finite
from pytest_circuits.findings.statistics import mean_and_error
from pytest_circuits.forward import Runs, as_runs, attention_windows, run_canary
from pytest_circuits.measures import WRONG_ARGUMENT
from pytest_circuits.prompts import PromptError, PromptPairs
from pytest_circuits.prompts.sequences import canary_tokens
from pytest_circuits.prompts.tokens import check_rows, digest, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Direction, Finding, Json, Role
    from pytest_circuits.prompts import TokenizedPairs

M = TypeVar("M", bound="Callable[..., Finding]")

#: Every position, all of them at once, or some by name or index.
PositionsLike: TypeAlias = "Literal['each', 'all'] | Sequence[str | int]"
#: transformer-lens hooks attention patterns and z on the eager implementation only.
ATTENTION = "eager"


def looked_at_once(measure: M) -> M:
    """A measure that looks at the model's weights once, however many of its runs it takes.

    Its convention says which heads and MLPs are ablated meanwhile, if any are; its circumstances,
    which models it was measured on.
    """

    @wraps(measure)
    def once(model: TransformerBridge | Runs, *args: Any, **options: Any) -> Finding:  # noqa: ANN401
        __tracebackhide__ = WRONG_ARGUMENT
        runs = as_runs(model)
        with runs.untouched():
            finding = measure(runs, *args, **options)
            if runs.silenced:
                without = {"without": ", ".join(runs.silenced)}
                finding = finding.derived(convention={**finding.convention, **without})
            return noted(finding, list(_models(runs, *args, *options.values())))

    return cast("M", once)


def _models(*given: object) -> Iterator[object]:
    """The hooked models among what a measure was given."""
    for each in given:
        model = each.bridge if isinstance(each, Runs) else each
        if hasattr(model, "original_model"):
            yield model


def provenance(runs: Runs) -> dict[str, Json]:
    """What a number was measured with: shown beside it, never compared."""
    packages = ("pytest-circuits", "torch", "transformer-lens", "transformers")
    windows = attention_windows(runs.bridge)
    window: Json = [*windows] if len(windows) > 1 else windows[0]
    return {
        # Said only where it is so: the weights alone would not explain such a number.
        **({"hooked": "by the test"} if runs.hooked else {}),
        **({"attention_window": window} if window else {}),
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


def of_pairs(runs: Runs, tokenized: TokenizedPairs, *, corrupted: bool = False) -> dict[str, Any]:
    """What a finding says of the prompt pairs and the model, whatever it is that was found.

    Args:
        runs: the model.
        tokenized: the pairs.
        corrupted: whether its numbers come from the corrupted prompts too.
    """
    return {
        "samples": len(tokenized),
        "clusters": len(set(tokenized.clusters)),
        "clustering": tokenized.clusters,
        "prompts": pairs_record(tokenized, corrupted=corrupted)
        | {"vocabulary": vocabulary(runs.tokenizer, tokenized.tokens)},
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
    chance: float | None = None,
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
        chance=chance,
    )


def check_finite(
    measure: str,
    what: str,
    samples: NDArray[np.float64],
    absent: NDArray[np.bool_] | None = None,
) -> None:
    """Refuse samples that are NaN or infinite before anything is computed from them.

    Args:
        measure: the measure.
        what: what the samples are.
        samples: ``[sample, …]``.
        absent: ``[…]``, what the model doesn't have, which is NaN.

    Raises:
        InvalidFindingError: if there are any.
    """
    there = samples if absent is None else samples[..., ~absent]
    if not np.isfinite(there).all():
        raise not_finite(measure, what)


def of_heads(
    samples: NDArray[np.float64],
    clusters: Sequence[object],
    role: Role,
    *,
    absent: NDArray[np.bool_] | None,
    signed: bool = False,
) -> dict[str, Any]:
    """The fields of a finding whose values are means over samples, one for each head.

    Args:
        samples: ``[sample, layer, head]``; NaN for a head that a layer doesn't have.
        clusters: one label for each sample.
        role: the role of the heads whose value reaches its threshold.
        absent: which heads the model doesn't have, ``[layer, head]``; None if it has all.
        signed: whether magnitudes are held against the threshold.
    """
    mean, error = mean_and_error(samples, clusters)
    return {
        "axes": ("layer", "head"),
        "values": mean,
        "errors": error,
        "absent": absent,
        "role": role,
        "profiles": profiles(np.abs(mean) if signed else mean, samples, role.threshold),
        "per_sample": samples,
    }


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
        # What a chat template puts around messages is said where there is one.
        **({} if tokenized.chat is None else {"chat": dict(tokenized.chat)}),
    }


def pairs_record(tokenized: TokenizedPairs, *, corrupted: bool) -> dict[str, Json]:
    """Which prompts a number was measured on; others change nothing, and are not in it."""
    record: dict[str, Json] = {
        "kind": "pairs",
        "count": len(tokenized),
        "texts": tokenized.clean_texts,
        "tokens": tokenized.clean_hash,
    }
    if corrupted:
        record["corrupted_texts"] = tokenized.corrupted_texts
        record["corrupted_tokens"] = tokenized.corrupted_hash
    if tokenized.dropped:
        record["dropped"] = list(tokenized.dropped)
    return record


@dataclass(frozen=True)
class Positions:
    """Positions that are measured one by one, in the order of the prompts.

    Attributes:
        names: what they are called, which is for the reader: the same token may have several.
        indices: the index of each in every prompt.
    """

    names: tuple[str, ...]
    indices: tuple[tuple[int, ...], ...]

    @property
    def convention(self) -> dict[str, Json]:
        """The choice of them, in words, and as indices, which decide what is comparable."""
        return {"positions": ", ".join(self.names), "indices": digest(self.indices)}


def make_positions(positions: PositionsLike, tokenized: TokenizedPairs) -> Positions | None:
    """The positions that were asked for; None for all at once.

    Args:
        positions: ``"each"`` position of prompts of one length, ``"all"`` at once, or a list of
            names (``END`` is the last one) and indices, which count from the end if negative.
        tokenized: the prompts.

    Raises:
        PromptError: if prompts of several lengths have no position in common, or a prompt has
            no such position.
        ChoiceError: if it is none of these.
    """
    by_name = positions if isinstance(positions, str) else None
    if by_name == "all":
        return None
    if by_name == "each":
        if len(tokenized.lengths) > 1:
            raise PromptError(
                f"these prompts have {' or '.join(map(str, tokenized.lengths))} tokens, so that "
                f"a position is not the same in all of them.\n"
                f'Name positions (positions=["S2", "END"]), or count from the end '
                f"(positions=[-2, -1])."
            )
        wanted: Sequence[str | int] = range(tokenized.lengths[0])
    elif not isinstance(positions, list | tuple | range) or not positions:
        raise ChoiceError(f"positions is 'each', 'all' or a list of names, not {positions!r}")
    else:
        wanted = positions
    found = sorted((place_of(one, tokenized), str(one)) for one in wanted)
    if len({place for place, _ in found}) < len(found):
        raise ChoiceError(f"positions names one twice: {', '.join(map(str, wanted))}")
    return Positions(tuple(name for _, name in found), tuple(place for place, _ in found))


def place_of(position: object, tokenized: TokenizedPairs) -> tuple[int, ...]:
    """The index of a position in every prompt.

    Args:
        position: a name (``END`` is the last one), or an index, which counts from the end if
            negative.
        tokenized: the prompts.

    Raises:
        PromptError: if a prompt has no such position.
        ChoiceError: if it is neither.
    """
    if isinstance(position, str):
        return tokenized.at(position)
    if not is_whole(position):
        raise ChoiceError(f"a position is a name or an index, not {position!r}")
    return tokenized.at(int(position))  # type: ignore[call-overload]


def canary(model: TransformerBridge | Runs) -> Canary | None:
    """How well the model predicts a fixed text, which no circuit here is about.

    loss = mean next-token negative log-likelihood in nats, over every token of the text after
    the first. A tokenizer that can't encode it gets drawn tokens in its place
    (:func:`pytest_circuits.prompts.sequences.canary_tokens`).

    It is measured for what it says of other findings, and no value of it fails. A model that gives
    no number there is broken, and is refused.

    Args:
        model: a hooked model, or its runs.

    Returns:
        the canary; None if the model is too small for any tokens, or if hooks that a test has on
        the model can't take these tokens, or leave no finite loss.

    Raises:
        InvalidFindingError: if the loss is not finite.
    """
    runs = as_runs(model)
    config = runs.bridge.cfg
    tokens = canary_tokens(
        runs.tokenizer, context=int(config.n_ctx), vocabulary=int(config.d_vocab)
    )
    if tokens is None:
        return None
    try:
        loss = float(run_canary(runs, tokens).mean())
    except Exception:
        # A hook may be made for its own test's prompts: so many of them, so long.
        if runs.hooked:
            return None
        raise
    if not np.isfinite(loss):
        if runs.hooked:
            return None
        text = "a fixed text" if tokens.kind == "text" else tokens.kind
        raise InvalidFindingError(
            f"the loss on {text} (the canary) is not finite: on plain tokens the model gives no "
            f"numbers"
        )
    return Canary(loss, tokens.kind, tokens.hash)
