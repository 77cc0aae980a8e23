"""What is read off the logits at the last position: metrics, and how often the answer is right."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch

from pytest_circuits.findings import Behaviour, ChoiceError, Direction
from pytest_circuits.findings.statistics import mean_and_error, share_bounds
from pytest_circuits.forward import Reading
from pytest_circuits.measures.common import behaviour, check_finite
from pytest_circuits.measures.metric_code import code_digest
from pytest_circuits.prompts import PromptWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.findings import Json
    from pytest_circuits.forward import PromptGroup, PromptRun
    from pytest_circuits.prompts import TokenizedPairs

#: An answer that is so many times as probable with the other spacing …
_FAR_MORE = 10.0
#: … and has at least this probability then, was probably meant that way.
_AN_ANSWER = 0.01

#: A metric by name, or the caller's own: from logits ``[row, vocabulary]``, answers ``[row]`` and
#: wrong answers ``[row]`` (token ids) to one number each, ``[row]``, larger being better.
MetricLike: TypeAlias = (
    "Literal['logit_diff', 'probability', 'kl'] | Callable[[Tensor, Tensor, Tensor], Tensor]"
)


@dataclass(frozen=True)
class Metric:
    """A number of each prompt.

    Attributes:
        name: as in the names of behaviours, for example ``logit_diff``.
        quantity: in words.
        unit: its unit.
        formula: what it is, as a convention says it.
        direction: which way it gets better.
        read: from logits at the last position ``[row, vocabulary]`` and the rows' prompt indices
            to one number each; differentiable.
        code: a digest of the caller's own function; empty for a metric of ours.
        few: the same, read off a few tokens' logits; None if it takes all.
    """

    name: str
    quantity: str
    unit: str
    formula: str
    direction: Direction
    read: Callable[[Tensor, tuple[int, ...]], Tensor]
    code: str = ""
    few: Reading | None = None

    @property
    def reading(self) -> Reading:
        """The number, with as little of a run as it takes."""
        return self.few or Reading(self.read)

    @property
    def own(self) -> bool:
        """Whether it is a function of the caller's."""
        return bool(self.code)

    @property
    def convention(self) -> dict[str, Json]:
        """The choice of it: a name doesn't say what the caller's own function does."""
        return {"metric": self.formula, **({"metric_code": self.code} if self.own else {})}

    @property
    def sign(self) -> int:
        """1 where more is better, −1 where less is."""
        return -1 if self.direction is Direction.LOWER else 1

    def check(self, measure: str, what: str, samples: NDArray[np.float64]) -> None:
        """Refuse numbers that are not finite, and tell whose they are.

        Raises:
            InvalidFindingError: if the model's are not.
            ChoiceError: if those of the caller's own function are not.
        """
        if self.own and not np.isfinite(samples).all():
            raise ChoiceError(f"{self.name} gives numbers that are not finite ({what})")
        check_finite(measure, what, samples)

    def of(self, run: PromptRun) -> NDArray[np.float64]:
        """The number of each prompt of a run, ``[prompt]``."""
        return run.gather(lambda group: self.read(group.logits, group.rows)).numpy()


def make_metric(metric: MetricLike, tokenized: TokenizedPairs, clean: PromptRun) -> Metric:
    """The metric of that name, or the caller's function.

    ``logit_diff``: logit(answer) − logit(wrong answer). ``probability``: of the answer. ``kl``:
    Σ_v p_clean(v) log(p_clean(v) / p(v)) in nats, summed over the whole vocabulary, from the
    clean prompt's own distribution; lower is better, and 0 on the clean run.

    Args:
        metric: a name, or a function. Its name is stored with what it measured, so that a lambda is
            refused, and so is a digest of its code (:func:`.code_digest`).
        tokenized: the prompts.
        clean: the run of the clean prompts.

    Raises:
        ChoiceError: if it is neither, or a function whose code can't be told.
    """
    warn_of_spacing(clean, tokenized)
    if callable(metric):
        return _own(metric, tokenized)
    if metric == "logit_diff":
        return Metric(
            "logit_diff",
            "logit difference",
            "logits",
            "logit(answer) − logit(wrong answer), last position",
            Direction.HIGHER,
            lambda logits, rows: read_difference(logits, rows, tokenized),
            few=Reading(
                lambda logits, _: _difference(logits),
                list(zip(tokenized.answers, tokenized.wrong_answers, strict=True)),
            ),
        )
    if metric == "probability":
        return Metric(
            "probability",
            "probability",
            "probability",
            "probability of the answer, last position",
            Direction.HIGHER,
            lambda logits, rows: read_probability(logits, rows, tokenized),
        )
    if metric == "kl":
        reference = clean.gather(lambda group: group.logits.float().log_softmax(-1))
        return Metric(
            "kl",
            "KL from the clean run",
            "nats",
            "KL(clean ‖ this), whole vocabulary, last position",
            Direction.LOWER,
            lambda logits, rows: read_kl(logits, reference[list(rows)]),
        )
    raise ChoiceError(
        f"{metric!r} is no metric; take 'logit_diff', 'probability', 'kl', or a function of "
        f"logits, answers and wrong answers"
    )


def read_difference(logits: Tensor, rows: Sequence[int], tokenized: TokenizedPairs) -> Tensor:
    """logit(answer) − logit(wrong answer) of each row.

    Args:
        logits: at the last position, ``[row, vocabulary]``.
        rows: the pair that each row belongs to.
        tokenized: the pairs.
    """
    right, wrong = answer_tokens(logits, rows, tokenized)
    return _difference(logits.gather(1, torch.stack([right, wrong], dim=1)))


def _difference(logits: Tensor) -> Tensor:
    """The first logit of each row less the second."""
    # Halves are subtracted as float32: their own difference would lose its last digits.
    exact = logits.float()
    return exact[:, 0] - exact[:, 1]


def read_probability(logits: Tensor, rows: Sequence[int], tokenized: TokenizedPairs) -> Tensor:
    """The answer's probability in each row; arguments as for :func:`read_difference`."""
    right, _ = answer_tokens(logits, rows, tokenized)
    return logits.float().softmax(-1).gather(1, right[:, None])[:, 0]


def read_kl(logits: Tensor, reference: Tensor) -> Tensor:
    """KL(reference ‖ this) of each row, in nats.

    Args:
        logits: ``[row, vocabulary]``.
        reference: the reference's log-probabilities, same shape.
    """
    reference = reference.to(logits.device, torch.float32)
    return (reference.exp() * (reference - logits.float().log_softmax(-1))).sum(-1)


def _own(metric: Callable[[Tensor, Tensor, Tensor], Tensor], tokenized: TokenizedPairs) -> Metric:
    function = metric.func if isinstance(metric, partial) else metric
    name = getattr(function, "__name__", type(function).__name__)
    if name == "<lambda>":
        raise ChoiceError(
            "a metric needs a name, which is stored with what it measured: write it as a function "
            "(def), not as a lambda"
        )

    def read(logits: Tensor, rows: tuple[int, ...]) -> Tensor:
        numbers = metric(logits, *answer_tokens(logits, rows, tokenized))
        if not isinstance(numbers, torch.Tensor) or numbers.shape != (len(rows),):
            given = f"a {type(numbers).__name__}"
            if isinstance(numbers, torch.Tensor):
                given = f"a tensor of shape {tuple(numbers.shape)}"
            raise ChoiceError(
                f"{name} must give one number for each of {len(rows)} rows of logits, and gave "
                f"{given}"
            )
        return numbers

    return Metric(
        name,
        name.replace("_", " "),
        "units",
        f"function {name}, last position",
        Direction.HIGHER,
        read,
        code=code_digest(metric, name),
    )


def answer_tokens(
    logits: Tensor, rows: Sequence[int], tokenized: TokenizedPairs
) -> tuple[Tensor, Tensor]:
    """Answers and wrong answers of the rows, ``[row]`` each."""
    right = torch.tensor([tokenized.answers[row] for row in rows], device=logits.device)
    wrong = torch.tensor([tokenized.wrong_answers[row] for row in rows], device=logits.device)
    return right, wrong


def answer_differences(
    run: PromptRun, tokenized: TokenizedPairs, measure: str
) -> NDArray[np.float64]:
    """The logit difference of each prompt of a run, ``[prompt]``.

    Raises:
        InvalidFindingError: if one is not finite, in the name of the measure.
    """
    differences = run.gather(lambda group: read_difference(group.logits, group.rows, tokenized))
    check_finite(measure, "logit difference", differences.numpy())
    return differences.numpy()


def answer_companion(
    run: PromptRun, tokenized: TokenizedPairs, measure: str
) -> tuple[Behaviour, Behaviour]:
    """What the answer's mechanisms serve: the logit difference, and how often it is positive.

    Raises:
        InvalidFindingError: as for :func:`answer_differences`.
    """
    warn_of_spacing(run, tokenized)
    differences, clusters = answer_differences(run, tokenized, measure), tokenized.clusters
    return (
        behaviour(
            "logit_diff", differences, clusters, Direction.HIGHER, "logits", vital=True, keep=True
        ),
        accuracy_of(differences, clusters),
    )


def warn_of_spacing(run: PromptRun, tokenized: TokenizedPairs) -> None:
    """Warn of answers that are far more probable with a leading space, or without theirs.

    That is where the other spacing is a single token too, at least ten times as probable, and has
    a probability of 0.01 or more; of a wrong answer, where it is also that of its answer, however
    improbable it is.

    Args:
        run: the run of the clean prompts.
        tokenized: the pairs.
    """
    for column, least in (("answers", _AN_ANSWER), ("wrong_answers", 0.0)):
        _warn_of(run, tokenized, column, least)


def _warn_of(run: PromptRun, tokenized: TokenizedPairs, column: str, least: float) -> None:
    ids: tuple[int, ...] = getattr(tokenized, column)
    others = {
        row: other
        for row, other in enumerate(tokenized.otherwise_spaced[column])
        if other is not None
    }
    if not others:
        return

    def read(group: PromptGroup) -> Tensor:
        chosen = [[ids[row], others.get(row, ("", ids[row]))[1]] for row in group.rows]
        return group.logits.gather(1, torch.tensor(chosen, device=group.logits.device)).float()

    logits = run.gather(read).numpy()
    if not (logits[:, 1] - logits[:, 0] > math.log(_FAR_MORE)).any():
        return  # of a large vocabulary the sum takes much longer
    sums = run.gather(lambda group: group.logits.float().logsumexp(-1)).numpy()
    written, other = np.exp(logits - sums[:, None]).T
    rows = np.flatnonzero((other > _FAR_MORE * written) & (other >= least))
    if not rows.size:
        return
    row = int(rows[other[rows].argmax()])
    text, _ = others[row]
    spaced = text.startswith(" ")
    warnings.warn(
        f"{len(rows)} of {len(tokenized)} {column.replace('_', ' ')} are far more probable with "
        f"the other spacing: {text!r} has {other[row]:.2g} after pair {row}'s prompt, and "
        f"{text[1:] if spaced else f' {text}'!r}, which was measured, {written[row]:.2g}. "
        f"{'Is a space missing' if spaced else 'Is its space one too many'}?",
        PromptWarning,
        stacklevel=2,
    )


def accuracy_of(logit_diffs: NDArray[np.float64], clusters: Sequence[object]) -> Behaviour:
    """The share of prompts with a positive logit difference, with its exact interval."""
    return share("accuracy", logit_diffs > 0, clusters)


def share(name: str, hits: NDArray[np.bool_], clusters: Sequence[object]) -> Behaviour:
    """The share of prompts that are hits, with its exact interval, clusters being the trials.

    See :func:`pytest_circuits.findings.statistics.share_bounds` (Clopper & Pearson 1934).
    """
    mean, error = mean_and_error(hits.astype(np.float64), clusters)
    count = len(set(clusters))
    low, high = (
        float(share_bounds(mean, count, upper=upper, tail=0.025)) for upper in (False, True)
    )
    return Behaviour(
        name,
        float(mean),
        float(error),
        count,
        Direction.HIGHER,
        "share of prompts",
        interval=(low, high),
    )
