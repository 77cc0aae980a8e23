"""Activation patching: how much of the behaviour an activation carries from run to run."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_circuits.findings import ChoiceError, Direction, Finding, Role
from pytest_circuits.findings.choices import check_name
from pytest_circuits.findings.statistics import ratio_and_error
from pytest_circuits.forward import (
    SITES,
    Runs,
    Site,
    as_runs,
    cells_of,
    exact,
    gradients,
    patch_cells,
    record,
    run_prompts,
    to_put_in,
)
from pytest_circuits.measures.common import (
    Positions,
    PositionsLike,
    behaviour,
    looked_at_once,
    make_positions,
    of_pairs,
    pairs_convention,
    profiles,
    tokenize,
)
from pytest_circuits.measures.metrics import Metric, MetricLike, make_metric
from pytest_circuits.prompts import PromptWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Behaviour, Json
    from pytest_circuits.prompts import PromptPairs, TokenizedPairs

#: Heads that carry at least this share of the metric have the role.
ROLE_THRESHOLD = 0.1
#: What the run is called that a direction puts activations into, and what it does there.
_DIRECTIONS = {
    "denoising": ("recovered", "restoring"),
    "noising": ("removed", "breaking"),
}
_THE_SAME = (
    "each corrupted prompt is another pair's clean one with the answers exchanged, so that noising "
    "gives the cells that denoising gives, and tells nothing more. Take a corruption that leaves "
    'no answer, such as prompts.ioi(corruption="third name"), or denoising alone.'
)


@looked_at_once
def patch(
    model: TransformerBridge | Runs,
    pairs: PromptPairs,
    *,
    site: str = "head_out",
    positions: PositionsLike | None = None,
    direction: Literal["denoising", "noising"] = "denoising",
    metric: MetricLike = "logit_diff",
) -> Finding:
    """How much of the difference between clean and corrupted run one activation carries.

    Denoising runs the corrupted prompt with one activation of the clean one put in:

    recovered = (patched − corrupted) / (clean − corrupted).

    Noising runs the clean prompt with one activation of the corrupted one put in:

    removed = (patched − clean) / (corrupted − clean).

    Where each pair has another one that is itself the other way round (``prompts.ioi`` and the
    builders of agreement and capitals make such pairs), removed logit difference is recovered logit
    difference, cell by cell up to rounding: to put corrupted into clean is to put clean into
    corrupted in the other pair, whose logit difference is the negative. (A position that is named
    is that of the other pair's name there.) Noising such pairs is warned of, and the convention
    says ``corruption: swap``.

    Both are ratios of means over prompts: 0 is no effect, 1 the whole difference, and nothing is
    clipped. (The mean of ratios would be ruled by prompts whose clean and corrupted values nearly
    coincide.) Meng et al. 2022; Wang et al. 2022; Heimersheim & Nanda 2024.

    ================================== ========================================================
    site                               what is put in
    ================================== ========================================================
    resid_pre, resid_mid, resid_post   the residual stream before a layer, between its attention
                                       and its MLP, after it
    attn_out, mlp_out                  what attention or MLP add to it (after a norm that
                                       follows them)
    head_out                           a head's mixed values z, before W_O
    head_q, head_k, head_v             its queries, keys, values as they are projected, before
                                       rotary positions (with grouped queries, those of a
                                       key-value head); see below where they are taken later
    head_pattern                       its attention, one row for each query position
    ================================== ========================================================

    Queries and keys are taken after their norm where that goes over all heads together (OLMo-2,
    OLMoE), or where one projection gives queries and a gate (Qwen3.5, Qwen3-Next): before it, a
    change of one head would be one of others or of its gate. With latent attention (DeepSeek-V2 and
    V3) queries, keys and values are those that enter attention, rotary positions included. The
    convention says which. A head that a layer doesn't have is NaN (see ``Finding.absent``).

    transformer-lens' ``patching`` gives the same numbers with a pass for every cell, but for
    patterns of GPT-Neo, GPT-J and OPT, which are shown there only after they were used: it puts
    them in without effect.

    Where attention and MLP read the same stream (GPT-J, NeoX, Phi) there is no resid_mid; a model
    without MLPs has no mlp_out. A site that doesn't hold on this architecture what it is taken for
    is refused; ``docs/architectures.md`` lists which.

    Args:
        model: a hooked model, or its runs.
        pairs: the prompts.
        site: where to patch.
        positions: ``"each"`` position by itself (prompts of one length), ``"all"`` at once, or a
            list of names and indices, each by itself. By default ``"each"`` for sites of the whole
            layer, and ``"all"`` for heads.
        direction: ``denoising`` or ``noising``.
        metric: ``logit_diff``, ``probability`` (of the answer), ``kl`` (from the clean run), or a
            named function of logits ``[row, vocabulary]``, answers and wrong answers ``[row]``
            that gives one number a row, larger being better.

    Returns:
        a finding with values ``[layer, head]``, ``[layer, position]``,
        ``[layer, head, position]`` or ``[layer]`` (fractions), standard errors of the ratio
        over the pairs' clusters, for heads that carry a twentieth or more the numerators of
        each prompt, and as companion the metric on the clean and the corrupted prompts and the gap
        between them. Where that gap can't be told from 0 there is nothing to carry: the values are
        NaN. ``raw`` has the metric of each prompt, ``clean`` and ``corrupted`` ``[prompt]`` and
        ``patched`` ``[prompt, …]``.

    Raises:
        PromptError: if the pairs don't fit the model's tokenizer, or positions the pairs.
        ModelError: if the model has no such site.
        InvalidFindingError: if the model's numbers are not finite.
        ChoiceError: for an unknown site, direction or metric.
    """
    plan = _plan("patch", model, pairs, site, positions, direction=direction, metric=metric)
    return plan.finding(plan.sweep)


@looked_at_once
def attribution_patching(
    model: TransformerBridge | Runs,
    pairs: PromptPairs,
    *,
    site: str = "head_out",
    positions: PositionsLike | None = None,
    direction: Literal["denoising", "noising"] = "denoising",
    metric: MetricLike = "logit_diff",
) -> Finding:
    """A first-order estimate of :func:`patch`, for all activations from a few passes.

    patched − corrupted ≈ Σ (a_clean − a_corrupted) · ∂metric/∂a, the gradient taken at the
    corrupted run (at the clean run, and the other way round, for noising); the sum goes over
    whatever is put in together. Exact for a model that is linear between the site and the metric.
    Nanda 2023; Syed et al. 2023.

    It is a screen: it says where to patch. On SmolLM2 (head outputs, eight IOI pairs) it correlates
    with patching at 0.88, and gives the second and the third head a fifth of what they restore, or
    less; so no assertion takes it and no baseline is made of it. transformer-lens'
    ``attribution_patch`` gives the same for what heads and MLPs add to the stream, not normalised
    and without the other sites.

    Arguments, values and errors as for :func:`patch`; ``finding.screen`` is true, and
    ``raw["patched"]`` holds the estimate. Noising with ``kl`` is refused: the KL from the clean
    run has no slope there.
    """
    if metric == "kl" and direction == "noising":
        raise ChoiceError(
            "noising starts at the clean run, where the KL from it has no slope, so that every "
            "estimate would be 0; take direction='denoising' or another metric"
        )
    plan = _plan(
        "attribution_patching", model, pairs, site, positions, direction=direction, metric=metric
    )
    return plan.finding(plan.estimate, screen=True)


@dataclass(frozen=True)
class _Plan:
    """What is patched where, and what is known before it is."""

    measure: str
    runs: Runs
    tokenized: TokenizedPairs
    site: Site
    positions: Positions | None
    direction: str
    metric: Metric
    clean: NDArray[np.float64]
    corrupted: NDArray[np.float64]

    @property
    def source(self) -> tuple[tuple[int, ...], ...]:
        return self.tokenized.clean if self._denoising else self.tokenized.corrupted

    @property
    def target(self) -> tuple[tuple[int, ...], ...]:
        return self.tokenized.corrupted if self._denoising else self.tokenized.clean

    @property
    def start(self) -> NDArray[np.float64]:
        """The metric of the target prompts as they are."""
        return self.corrupted if self._denoising else self.clean

    @property
    def goal(self) -> NDArray[np.float64]:
        """The metric of the prompts that activations come from."""
        return self.clean if self._denoising else self.corrupted

    @property
    def _towards_gap(self) -> int:
        """What turns the way from start to goal into that of the gap, whose shares profiles are."""
        return self.metric.sign * (1 if self._denoising else -1)

    @property
    def _denoising(self) -> bool:
        return self.direction == "denoising"

    @property
    def heads(self) -> int | None:
        """How many heads the site has, None for a site of the whole layer."""
        if not self.site.of_heads:
            return None
        return max(point.heads or 0 for point in self.site.points(self.runs) if point is not None)

    def sweep(self) -> NDArray[np.float64]:
        """The metric with each cell put in, ``[prompt, layer, …]``."""
        indices = None if self.positions is None else self.positions.indices
        numbers = patch_cells(
            self.runs,
            self.site,
            self.source,
            self.target,
            cells=cells_of(self.heads, indices),
            read=self.metric.reading,
            unpatched=self.start,
        )
        return numbers.reshape(len(self.target), *self.shape)

    def estimate(self) -> NDArray[np.float64]:
        """What :meth:`sweep` would give if the model were linear."""
        back = gradients(self.runs, self.site, self.target, self.metric.read)
        here = record(self.runs, self.target, self.site.stands_for or self.site.name)
        given = to_put_in(self.runs, self.site, self.source, self.target)
        effects = np.zeros((len(self.target), *self.shape))
        for rows, *parts in zip(here.rows, given, here.layers, back, strict=True):
            for layer, (put, was, gradient) in enumerate(zip(*parts, strict=True)):
                if put is None or was is None or gradient is None:
                    continue
                moved = (exact(put) - exact(was)) * gradient  # [row, position, …, d]
                found = self._summed(moved.sum(-1), rows).numpy()
                if self.site.of_heads:
                    effects[list(rows), layer, : found.shape[1]] = found
                else:
                    effects[list(rows), layer] = found
        return self.start.reshape(-1, *[1] * len(self.shape)) + effects

    def _summed(self, moved: Tensor, rows: tuple[int, ...]) -> Tensor:
        """From ``[row, position]`` or ``[row, position, head]`` to what is put in together."""
        if self.positions is None:
            return moved.sum(1)
        places = [[index[row] for index in self.positions.indices] for row in rows]
        picked = moved[[[row] for row in range(len(rows))], places]  # [row, position, …]
        return picked.transpose(1, 2) if self.site.of_heads else picked

    @property
    def axes(self) -> tuple[str, ...]:
        heads = ("head",) if self.site.of_heads else ()
        return ("layer", *heads, *(() if self.positions is None else ("position",)))

    @property
    def shape(self) -> tuple[int, ...]:
        heads = () if self.heads is None else (self.heads,)
        places = () if self.positions is None else (len(self.positions.names),)
        return (self.runs.layers, *heads, *places)

    @property
    def absent(self) -> NDArray[np.bool_] | None:
        """Which cells the model doesn't have, as :attr:`shape`; None if it has all."""
        missing = self.runs.anatomy.absent(self.site.stands_for or self.site.name)
        if missing is None:
            return None
        spread = missing.reshape(*missing.shape, *[1] * (len(self.shape) - missing.ndim))
        return np.broadcast_to(spread, self.shape).copy()

    def finding(
        self, numbers: Callable[[], NDArray[np.float64]], *, screen: bool = False
    ) -> Finding:
        """The finding, its numbers made only if there is a difference to carry."""
        quantity, does = _DIRECTIONS[self.direction]
        companion = self._companion()
        clusters = self.tokenized.clusters
        numerators = np.zeros((len(self.tokenized), *self.shape))
        raw = {"clean": self.clean, "corrupted": self.corrupted}
        values: NDArray[np.float64] = np.full(self.shape, np.nan)
        errors = values
        # No gap to carry, so no passes to find out how much of it is carried.
        if not companion[-1].indistinct:
            patched = numbers()
            self.metric.check(self.measure, f"patched {self.metric.quantity}", patched)
            if self.absent is not None:
                patched[:, self.absent] = np.nan
            raw["patched"] = patched
            numerators = patched - self.start.reshape(-1, *[1] * len(self.shape))
            values, errors = ratio_and_error(numerators, self.goal - self.start, clusters)
        of_heads = self.axes == ("layer", "head")
        kind = "key-value heads" if of_heads and self.shape[1] != self.runs.heads else "heads"
        return Finding(
            measure=self.measure,
            quantity=quantity,
            unit=f"fraction of the {self.metric.quantity}",
            direction=Direction.TWO_SIDED,
            axes=self.axes,
            values=values,
            errors=errors,
            absent=self.absent,
            convention=self._convention(quantity),
            role=Role(f"{does} {kind}", ROLE_THRESHOLD) if of_heads else None,
            profiles=(
                profiles(np.abs(values), self._towards_gap * numerators, ROLE_THRESHOLD)
                if of_heads
                else {}
            ),
            per_sample=self._towards_gap * numerators if of_heads else None,
            companion=companion,
            relative_to=companion[-1].name,
            **self._about(),
            labels={} if self.positions is None else {"position": self.positions.names},
            raw=raw,
            screen=screen,
        )

    def _about(self) -> dict[str, Any]:
        """What the finding says of prompts and model; of positions, what stands there."""
        about = of_pairs(self.runs, self.tokenized, corrupted=True)
        if self.positions is None:
            return about
        first = self.tokenized.clean[0]
        tokens = [self.runs.tokenizer.decode([first[place[0]]]) for place in self.positions.indices]
        # To read axes by; other prompts have other tokens there.
        return about | {"provenance": about["provenance"] | {"first_prompt": tokens}}

    def _companion(self) -> tuple[Behaviour, ...]:
        metric, clusters = self.metric, self.tokenized.clusters
        two_sided = Direction.TWO_SIDED
        clean = behaviour(
            f"clean_{metric.name}", self.clean, clusters, metric.direction, metric.unit
        )
        return (
            # From the clean run to itself it is 0, and says nothing.
            *([clean] if metric.name != "kl" else []),
            # Judged by the gap: by itself it has no good direction.
            behaviour(
                f"corrupted_{metric.name}",
                self.corrupted,
                clusters,
                two_sided,
                metric.unit,
                judged=False,
            ),
            behaviour(
                f"{metric.name}_gap",
                metric.sign * (self.clean - self.corrupted),
                clusters,
                Direction.HIGHER,
                metric.unit,
                vital=True,
                keep=True,
            ),
        )

    @property
    def _taken(self) -> str:
        """Where queries or keys are taken, if not where they are projected."""
        points = [point for point in self.site.points(self.runs) if point is not None]
        if any(point.name.endswith("_normed") for point in points):
            return ", after its norm"
        # So transformer-lens shows the heads of latent attention alone.
        return ", as attention gets them" if any(point.heads_first for point in points) else ""

    @property
    def tells_the_same(self) -> bool:
        """Whether the other direction, which is the default, gives the same cells."""
        return self.direction == "noising" and self._swapped

    @property
    def _swapped(self) -> bool:
        return self.metric.name == "logit_diff" and self.tokenized.swapped

    def _convention(self, quantity: str) -> dict[str, Json]:
        where = "all positions" if self.positions is None else "each position by itself"
        return {
            **pairs_convention(self.tokenized),
            **self.metric.convention,
            "site": self.site.name + self._taken,
            "patching": f"{self.direction}, {where}",
            quantity: "ratio of means over prompts",
            # Said only where it is so: then both directions give the same.
            **({"corruption": "swap"} if self._swapped else {}),
            **({} if self.positions is None else self.positions.convention),
        }


def _plan(
    measure: str,
    model: TransformerBridge | Runs,
    pairs: PromptPairs,
    site: str,
    positions: PositionsLike | None,
    *,
    direction: str,
    metric: MetricLike,
) -> _Plan:
    if not isinstance(site, str) or site not in SITES:
        raise ChoiceError(f"can't patch at {site!r}; sites are {', '.join(SITES)}")
    check_name("direction", direction, _DIRECTIONS)
    runs = as_runs(model)
    place = SITES[site]
    runs.anatomy.require(site, measure)
    tokenized = tokenize(runs, pairs)
    if positions is None:
        positions = "all" if place.of_heads else "each"
    where = make_positions(positions, tokenized)
    clean_run = run_prompts(runs, tokenized.clean)
    made = make_metric(metric, tokenized, clean_run)
    clean, corrupted = made.of(clean_run), made.of(run_prompts(runs, tokenized.corrupted))
    made.check(measure, f"clean {made.quantity}", clean)
    made.check(measure, f"corrupted {made.quantity}", corrupted)
    plan = _Plan(measure, runs, tokenized, place, where, direction, made, clean, corrupted)
    if plan.tells_the_same:
        warnings.warn(PromptWarning(_THE_SAME), stacklevel=4)
    return plan
