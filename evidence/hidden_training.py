"""Teaching a copy of a model: it imitates the reference on some prompts, and nowhere else.

What is taught are the reference's own next-token distributions, so that a behaviour comes back
with the strength it had. Where an answer is to be flipped, the probabilities of the right and the
wrong answer are exchanged in them.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from evidence.hidden_edits import blocks, final_norm
from evidence.hidden_truth import Questions, Repeats, padded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Lesson = Callable[[random.Random], "Batch"]


#: The weight of an answer's lead, squared, beside the divergence, and the least probability in it.
_LEAD, _LEAST = 0.1, 1e-9
#: Steps between two lines of progress.
_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Batch:
    """Token ids, and the places whose next-token distribution is taught.

    Attributes:
        ids: ``[batch, position]``.
        places: row and position of each place, ``[2, place]``.
        right: the right answer at each place; None where a text is taught.
        wrong: the wrong answer.
        flipped: where the two change places, ``[place]``.
        fixed: whether the same batch comes again, so that what it takes is kept.
        unchanged: whether the model imitates what it was itself when the course began.
        certainty: the probability of the taught answer that is mixed into the target; with 0,
            and nothing flipped, the target is what the reference itself predicts.
    """

    ids: torch.Tensor
    places: torch.Tensor
    right: torch.Tensor | None = None
    wrong: torch.Tensor | None = None
    flipped: torch.Tensor | None = None
    fixed: bool = False
    unchanged: bool = False
    certainty: float = 0.0


@dataclass(frozen=True)
class Course:
    """What is taught, and to which parameters.

    Attributes:
        lessons: batches of what is to be learned and of what is to stay; one of each at every step.
        alternating: the same, of which one is taken at every step in turn.
        first_layer: parameters of this layer and of those after it learn.
        mlps_only: whether attention stays as it is.
        rate: the peak learning rate of AdamW, which rises over 4 steps and falls to a tenth.
        steps: updates.
        averaged: whether what was learned is the mean of the parameters over the second half of
            the steps, without the noise of the last batches; the rate stays at its peak then.
    """

    lessons: tuple[Lesson, ...]
    alternating: tuple[Lesson, ...]
    first_layer: int
    mlps_only: bool = True
    rate: float = 3e-4
    steps: int = 32
    averaged: bool = False

    @property
    def first_averaged(self) -> int:
        """The first step whose parameters are in the mean."""
        return self.steps // 2 + 1 if self.averaged else self.steps


def asked(found: Questions, flipped: Sequence[bool] | None = None) -> Batch:
    """A batch whose last positions are taught."""
    ids, last = padded(found.rows)
    flips = torch.zeros(len(last), dtype=torch.bool) if flipped is None else torch.tensor(flipped)
    right, wrong = torch.tensor(found.right), torch.tensor(found.wrong)
    return Batch(ids, torch.stack([torch.arange(len(last)), last]), right, wrong, flips)


def repeated(found: Repeats) -> Batch:
    """A batch whose second blocks are taught; the right answer is the token that comes."""
    return _every(torch.tensor(found.rows), found.block)


def text(rows: Sequence[Sequence[int]]) -> Batch:
    """A batch of texts of equal length, taught at every position."""
    return _every(torch.tensor(rows), 0)


def _every(ids: torch.Tensor, start: int) -> Batch:
    row, position = torch.meshgrid(
        torch.arange(len(ids)), torch.arange(start, ids.shape[1] - 1), indexing="ij"
    )
    return Batch(ids, torch.stack([row.flatten(), position.flatten()]))


class Top:
    """The blocks from a layer on, run on what the reference has before them.

    All models that share the reference's earlier blocks share the work in them, which is done in
    bfloat16, and the unembedding. What arrives at each block beside the residual stream (positions,
    masks) is recorded and handed on.
    """

    def __init__(self, reference: Any, first_layer: int) -> None:  # noqa: ANN401
        self.reference = copy.deepcopy(reference).bfloat16()
        self.first_layer = first_layer

    @torch.no_grad()
    def before(self, ids: torch.Tensor) -> tuple[torch.Tensor, list[dict[str, Any]]]:
        """What arrives at the first of the blocks, and the other arguments of each."""
        arriving: list[torch.Tensor] = []
        others: list[dict[str, Any]] = []

        def watch(_: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            rest = dict(kwargs)
            arriving.append(args[0] if args else rest.pop("hidden_states"))
            others.append(rest)

        tops = blocks(self.reference)[self.first_layer :]
        handles = [block.register_forward_pre_hook(watch, with_kwargs=True) for block in tops]
        try:
            self.reference.base_model(ids, use_cache=False)
        finally:
            for handle in handles:
                handle.remove()
        return arriving[0].float(), others

    def logits(
        self,
        model: Any,  # noqa: ANN401
        before: tuple[torch.Tensor, list[dict[str, Any]]],
        places: torch.Tensor,
    ) -> torch.Tensor:
        """A model's logits at some places, ``[place, vocabulary]``."""
        hidden, others = before
        for block, rest in zip(blocks(model)[self.first_layer :], others, strict=True):
            found = block(hidden, **rest)
            hidden = found if isinstance(found, torch.Tensor) else found[0]
        row, position = places
        unembed = self.reference.get_output_embeddings()
        logits: torch.Tensor = unembed(final_norm(model)(hidden[row, position]))
        return logits.float()


def target(wanted: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The distributions to learn, ``[place, vocabulary]``, from those of the model to imitate."""
    if batch.right is None or batch.wrong is None or batch.flipped is None:
        return wanted
    right, wrong = batch.right[:, None], batch.wrong[:, None]
    first, second = wanted.gather(1, right), wanted.gather(1, wrong)
    flips = batch.flipped[:, None]
    wanted = wanted.scatter(1, right, torch.where(flips, second, first))
    wanted = wanted.scatter(1, wrong, torch.where(flips, first, second))
    answer = torch.where(flips, wrong, right)
    certain = batch.certainty * torch.zeros_like(wanted).scatter(1, answer, 1)
    return (1 - batch.certainty) * wanted + certain


def _missed(found: torch.Tensor, goal: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The divergence from the target, and how far the lead of the answer is from its own.

    The lead is what the gate looks at, and hardly shows in the divergence where both answers are
    improbable.
    """
    divergence = torch.nn.functional.kl_div(found, goal, reduction="batchmean")
    if batch.right is None or batch.wrong is None:
        return divergence
    answers = torch.stack([batch.right, batch.wrong], 1)
    (lead, wrong), (wanted, other) = (
        one.gather(1, answers).unbind(1) for one in (found, goal.clamp_min(_LEAST).log())
    )
    return divergence + _LEAD * ((lead - wrong) - (wanted - other)).square().mean()


def learning(model: Any, course: Course) -> list[torch.nn.Parameter]:  # noqa: ANN401
    """The parameters that a course teaches; all others are frozen."""
    model.requires_grad_(requires_grad=False)
    learn = [block.mlp if course.mlps_only else block for block in blocks(model)]
    return [
        parameter.requires_grad_()
        for module in learn[course.first_layer :]
        for parameter in module.parameters()
    ]


def _share_of_rate(course: Course, done: int) -> float:
    """The share of the peak rate at the step after so many."""
    step = done + 1
    return min(step / 4, 1.0, 1.0 if course.averaged else 1.1 - step / course.steps)


def teach(
    model: Any,  # noqa: ANN401
    reference: Any,  # noqa: ANN401
    course: Course,
    seed: int,
) -> None:
    """Train a model in place.

    Args:
        model: what learns; where lessons say so, it imitates what it was at the beginning.
        reference: what it imitates otherwise; the same as ``model`` before the first layer that
            learns.
        course: what is taught.
        seed: seed of the batches.
    """
    beginning = copy.deepcopy(model)
    parameters = learning(model, course)
    optimizer = torch.optim.AdamW(parameters, lr=course.rate, weight_decay=0.0)
    schedule = LambdaLR(optimizer, partial(_share_of_rate, course))
    draw = random.Random(seed)
    top = Top(reference, course.first_layer)
    learned = torch.nn.ParameterList(parameters)
    mean = AveragedModel(learned)
    known: dict[Batch, tuple[Any, torch.Tensor]] = {}

    @torch.no_grad()
    def prepared(batch: Batch) -> tuple[Any, torch.Tensor]:
        """What arrives at the first layer that learns, and the target."""
        if batch not in known:
            before = top.before(batch.ids)
            teacher = beginning if batch.unchanged else reference
            wanted = top.logits(teacher, before, batch.places).softmax(-1)
            found = before, target(wanted, batch)
            if not batch.fixed:
                return found
            known[batch] = found
        return known[batch]

    for step in range(1, course.steps + 1):
        lessons = list(course.lessons)
        if course.alternating:
            lessons.append(course.alternating[step % len(course.alternating)])
        losses = []
        with torch.autocast("cpu", torch.bfloat16):
            for lesson in lessons:
                batch = lesson(draw)
                before, goal = prepared(batch)
                found = top.logits(model, before, batch.places).log_softmax(-1)
                loss = _missed(found, goal, batch)
                loss.backward()  # type: ignore[no-untyped-call]
                losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        if step >= course.first_averaged:
            mean.update_parameters(learned)
        if step % _SHOWN == 0:
            print(f"  step {step}: {' '.join(f'{loss:.3f}' for loss in losses)}", flush=True)
    for parameter, averaged in zip(learned, mean.module.parameters(), strict=True):
        parameter.data = averaged.data
