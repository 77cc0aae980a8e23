"""Each measure, and a loop over the plain model that gives the same numbers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from zoo import written
from zoo.plain import HEAD_SITES, LAYER_SITES

from pytest_circuits import measures
from pytest_circuits.prompts import RepeatedTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor
    from zoo.cases import Case, Other
    from zoo.plain import Plain

    from pytest_circuits.findings import Finding

    Numbers = dict[str, Any]

#: Repeated tokens: few, and short enough for every context.
REPEATED = RepeatedTokens(batch=3, block=5)
_TEXTS = ("alpha beta gamma delta", "n u m b e r s", "zeta eta theta")
_TOP = 3
_READS = ("logit_diff", "logit", "rank")
#: Positions of tokens that a head may copy.
_COPIED = (1, 2, 3)
_SEED = 2


@dataclass(frozen=True)
class Check:
    """A measure, and a loop over the plain model that should give the same numbers.

    Attributes:
        group: what it is called in a table, together with others.
        found: what the measure says; parts by name.
        expected: the same of the plain model.
        site: the site that a model must have.
        direct: whether its parts must sum to its logits.
    """

    group: str
    found: Callable[[Case, Other], Numbers]
    expected: Callable[[Case, Other], Numbers]
    site: str | None = None
    direct: bool = False

    def applies(self, plain: Plain) -> bool:
        """Whether a model has what is measured."""
        return self.site is None or self.site in (*plain.sites, *plain.family.unlooped)

    def has_loop(self, plain: Plain) -> bool:
        """Whether there is a loop over it that gives the same numbers."""
        family = plain.family
        return self.site not in family.unlooped and (family.direct or not self.direct)


def exact(tensor: Tensor) -> NDArray[np.float64]:
    """As the numbers that findings have."""
    return tensor.detach().double().numpy()


# What the model does.


def _number(measure: str, case: Case, other: Other) -> Numbers:
    options: dict[str, Any] = {}
    if measure == "top_k_accuracy":
        options = {"k": _TOP}
    if measure == "kl_divergence":
        options = {"to": other.runs}
    finding: Finding = getattr(measures, measure)(case.runs, case.pairs, **options)
    return {"value": finding.values, "of prompts": finding.profiles[measure]}


def _plain_number(read: Callable[..., Tensor], case: Case, other: Other) -> Numbers:
    with torch.no_grad():
        samples = exact(read(case, case.seen.clean["logits"][:, -1].double(), other))
    return {"value": samples.mean(), "of prompts": samples}


def _difference(case: Case, logits: Tensor, _: Other) -> Tensor:
    return case.seen.difference(logits)


def _right(case: Case, logits: Tensor, _: Other) -> Tensor:
    return (case.seen.difference(logits) > 0).double()


def _answer(case: Case, logits: Tensor) -> Tensor:
    return logits[range(len(logits)), case.seen.tokens.answers]


def _in_top(case: Case, logits: Tensor, _: Other) -> Tensor:
    return ((logits > _answer(case, logits)[:, None]).sum(-1) < _TOP).double()


def _probability(case: Case, logits: Tensor, _: Other) -> Tensor:
    return _answer(case, logits.softmax(-1))


def _divergence(case: Case, logits: Tensor, other: Other) -> Tensor:
    theirs = other.plain(torch.tensor(case.seen.tokens.clean)).logits[:, -1].double()
    reference = theirs.log_softmax(-1)
    return (reference.exp() * (reference - logits.log_softmax(-1))).sum(-1)


def _text_loss(case: Case, _: Other) -> Numbers:
    finding = measures.text_loss(case.runs, _TEXTS)
    return {"value": finding.values, "of texts": finding.raw["losses"]}


def _plain_text_loss(case: Case, _: Other) -> Numbers:
    sums, count = [], 0
    for text in _TEXTS:
        tokens = torch.tensor([case.plain.tokenizer.encode(text)])
        sums.append(_next_losses(case.plain.logits(tokens), tokens).sum())
        count += tokens.shape[1] - 1
    losses = exact(torch.stack(sums))
    return {"value": losses.sum() / count, "of texts": losses}


def _next_losses(logits: Tensor, tokens: Tensor) -> Tensor:
    """Negative log-likelihood of every token after the first, ``[row, position]``."""
    chances = logits.double().log_softmax(-1)[:, :-1]
    return -chances.gather(-1, tokens[:, 1:, None])[..., 0]


# Repeated tokens.

#: How far back each score looks, and from which query on.
_STRIPES = {
    "induction_scores": (REPEATED.block - 1, REPEATED.block + 1),
    "duplicate_token_scores": (REPEATED.block, REPEATED.block + 1),
    "previous_token_scores": (1, 1),
    "current_token_scores": (0, 1),
}


def _repeated(measure: str, case: Case, _: Other) -> Numbers:
    finding: Finding = getattr(measures, measure)(case.runs, REPEATED)
    return {"value": finding.values}


def _sequences(case: Case) -> Tensor:
    """What the product draws: <bos>, a block, and the block again."""
    context, vocabulary = 2 * REPEATED.block + 1, len(case.plain.tokenizer)
    drawn = REPEATED.draw(case.plain.tokenizer, context=context, vocabulary=vocabulary)
    return torch.tensor(drawn.sequences)


def _plain_scores(measure: str, case: Case, _: Other) -> Numbers:
    tokens = _sequences(case)
    found = np.full((case.plain.layers, case.plain.heads), np.nan)
    for layer, pattern in enumerate(case.plain.patterns(tokens)):
        if pattern is None:
            continue
        if measure == "first_token_scores":
            queries = torch.arange(1, tokens.shape[1])
            keys = torch.zeros_like(queries)
        else:
            back, first = _STRIPES[measure]
            queries = torch.arange(first, tokens.shape[1])
            keys = queries - back
        scores = exact(pattern[:, :, queries, keys].double().mean((0, 2)))
        found[layer, : len(scores)] = scores
    return {"value": found}


def _plain_repeat_loss(case: Case, _: Other) -> Numbers:
    tokens = _sequences(case)
    losses = _next_losses(case.plain.logits(tokens), tokens)
    return {"value": exact(losses[:, REPEATED.block + 1 :].mean())}


# What parts write.


def _lens(case: Case, _: Other) -> Numbers:
    return {
        read: measures.logit_lens(case.runs, case.pairs, read=read).values  # type: ignore[arg-type]
        for read in _READS
    }


def _plain_lens(case: Case, _: Other) -> Numbers:
    tokens = torch.tensor(case.seen.tokens.clean)
    logits = written.lens(case.plain, tokens, case.seen.clean)  # [row, layer, vocabulary]
    answers = torch.tensor(case.seen.tokens.answers)[:, None, None].expand(-1, logits.shape[1], 1)
    answer = logits.gather(-1, answers)
    found = {
        "logit_diff": case.seen.difference(logits),
        "logit": answer[..., 0],
        "rank": 1 + (logits > answer).sum(-1),
    }
    return {read: exact(each).mean(0) for read, each in found.items()}


def _heads(case: Case, _: Other) -> Numbers:
    return {"value": measures.head_attribution(case.runs, case.pairs).values}


def _attributed(case: Case) -> Any:
    tokens = case.seen.tokens
    return written.attributed(case.plain, case.seen.clean, tokens.answers, tokens.wrong_answers)


def _plain_heads(case: Case, _: Other) -> Numbers:
    return {"value": exact(_attributed(case)[0]).mean(0)}


def _components(case: Case, _: Other) -> Numbers:
    finding = measures.component_attribution(case.runs, case.pairs)
    labels = finding.labels["component"]
    found = dict(zip(labels, finding.values, strict=True))
    return {"sum": finding.values.sum(), **dict(_by_layer(found, case.plain.layers))}


def _plain_components(case: Case, _: Other) -> Numbers:
    _, components, whole = _attributed(case)
    found = {name: exact(samples).mean() for name, samples in components.items()}
    return {"sum": exact(whole).mean(), **dict(_by_layer(found, case.plain.layers))}


def _by_layer(found: Numbers, layers: int) -> Iterator[tuple[str, Any]]:
    """Of each kind of component, an array over layers; not a number where a layer has none."""
    for kind in ("embedding", "bias"):
        yield kind, np.array(found[kind])
    for kind in ("attn", "mlp", "mixer"):
        of_kind = [found.get(f"L{layer} {kind}", np.nan) for layer in range(layers)]
        if not np.isnan(of_kind).all():
            yield kind, np.array(of_kind)


def _copying(case: Case, _: Other) -> Numbers:
    return {"value": measures.copying_scores(case.runs, case.pairs, at=_COPIED, k=_TOP).values}


def _plain_copying(case: Case, _: Other) -> Numbers:
    tokens = torch.tensor(case.seen.tokens.clean)
    found = np.full((case.plain.layers, case.plain.heads), np.nan)
    for layer, logits in enumerate(written.copied(case.plain, tokens, case.seen.clean)):
        if logits is None:
            continue
        own = logits.gather(-1, tokens[None, :, :, None].expand(len(logits), -1, -1, 1))
        hits = (logits >= own).sum(-1) <= _TOP  # [head, row, position]
        found[layer, : len(hits)] = exact(hits[:, :, list(_COPIED)]).mean((1, 2))
    return {"value": found}


# What is put in.


def _each(site: str) -> bool:
    """Whether positions go in one by one."""
    return site in LAYER_SITES


def _patch(measure: Any, site: str, case: Case, _: Other) -> Numbers:
    finding: Finding = measure(case.runs, case.pairs, site=site)
    nothing = np.full((finding.samples, *finding.values.shape), np.nan)  # where there is no gap
    moved = finding.raw.get("patched", nothing).T - finding.raw["corrupted"]
    return {"value": finding.values, "of prompts": moved.T}


def _effects(case: Case, moved: Tensor) -> Numbers:
    """From what is moved in each prompt, ``[row, layer, …]``, to shares of the gap."""
    samples = exact(moved)
    return {"value": samples.mean(0) / case.seen.gaps.mean(), "of prompts": samples}


def _plain_patch(site: str, case: Case, _: Other) -> Numbers:
    seen, plain = case.seen, case.plain
    places, source = plain.to_put_in(site, seen.clean, seen.corrupted)
    tokens = torch.tensor(seen.tokens.corrupted)
    after = seen.difference(plain.with_cells(tokens, places, source, each=_each(site)))
    before = seen.difference(seen.corrupted["logits"][:, -1])
    return _effects(case, after - before.view(-1, *[1] * (after.ndim - 1)))


def _plain_estimate(site: str, case: Case, _: Other) -> Numbers:
    seen = case.seen
    layers: list[Tensor | None] = []
    for clean, corrupted, back in zip(
        seen.clean[site], seen.corrupted[site], case.gradients[site], strict=True
    ):
        if back is None:
            layers.append(None)
            continue
        effect = ((clean - corrupted).double() * back).sum(-1)  # [row, position, head] or fewer
        if site == "head_pattern":
            effect = effect.transpose(1, 2)
        layers.append(effect if _each(site) else effect.sum(1))
    return _effects(case, _stacked(layers))


def _stacked(layers: list[Tensor | None]) -> Tensor:
    """``[row, layer, …]``, not a number where a layer, or a head of it, is missing."""
    known = [one for one in layers if one is not None]
    shape = [max(one.shape[axis] for one in known) for axis in range(known[0].ndim)]
    stacked = torch.full((shape[0], len(layers), *shape[1:]), torch.nan, dtype=torch.float64)
    for layer, one in enumerate(layers):
        if one is not None:
            stacked[:, layer][tuple(slice(size) for size in one.shape)] = one.double()
    return stacked


def _ablate(site: str, value: str, case: Case, _: Other) -> Numbers:
    options: dict[str, Any] = {"value": value, "seed": _SEED}
    if site == "head_out":
        finding = measures.ablate(case.runs, case.pairs, heads="each", **options)
        return {"value": finding.values}
    found = np.full(case.plain.layers, np.nan)
    # A model without MLPs is asked for one, too.
    layers = [layer for layer, one in enumerate(case.plain.places.get(site, [])) if one] or [0]
    for layer in layers:
        finding = measures.ablate(case.runs, case.pairs, mlps=[layer], **options)
        found[layer] = float(finding.values)
    return {"value": found}


def _plain_ablate(site: str, value: str, case: Case, _: Other) -> Numbers:
    """What is put in is zero, the mean over corrupted prompts, or what another of them says."""
    seen, plain = case.seen, case.plain
    source = [
        None if said is None else _said_instead(case, value, said) for said in seen.corrupted[site]
    ]
    tokens = torch.tensor(seen.tokens.clean)
    # Heads one by one at all positions; of an MLP, too, all positions go in together.
    after = plain.with_cells(tokens, plain.places[site], source, each=False)
    harm = seen.difference(seen.clean["logits"][:, -1]).view(-1, 1, 1) - seen.difference(after)
    found = exact(harm).mean(0)
    return {"value": found if site == "head_out" else found[:, 0]}


def _said_instead(case: Case, value: str, said: Tensor) -> Tensor:
    if value == "zero":
        return torch.zeros_like(said)
    if value == "mean":
        return said.mean(0, keepdim=True).expand_as(said)
    tokens, stream = case.seen.tokens, random.Random(_SEED)
    drawn = []
    for prompt in tokens.clean:
        others = [row for row, other in enumerate(tokens.corrupted) if other != prompt]
        drawn.append(others[int(stream.random() * len(others))])
    return said[drawn]


_NUMBERS = {
    "logit_diff": _difference,
    "accuracy": _right,
    "top_k_accuracy": _in_top,
    "answer_probability": _probability,
    "kl_divergence": _divergence,
}

#: Every measure that the plain model can be held against, by name.
CHECKS: dict[str, Check] = {
    **{
        name: Check("behaviour", partial(_number, name), partial(_plain_number, read))
        for name, read in _NUMBERS.items()
    },
    "text_loss": Check("behaviour", _text_loss, _plain_text_loss),
    "repeat_loss": Check("behaviour", partial(_repeated, "repeat_loss"), _plain_repeat_loss),
    **{
        name: Check(
            "attention scores",
            partial(_repeated, name),
            partial(_plain_scores, name),
            "head_pattern",
        )
        for name in (*_STRIPES, "first_token_scores")
    },
    "head_attribution": Check("head attribution", _heads, _plain_heads, "head_out", direct=True),
    "component_attribution": Check(
        "component attribution", _components, _plain_components, direct=True
    ),
    "copying_scores": Check("copying", _copying, _plain_copying, "head_v"),
    "logit_lens": Check("logit lens", _lens, _plain_lens),
    **{
        f"patch {site}": Check(
            f"patch {site}",
            partial(_patch, measures.patch, site),
            partial(_plain_patch, site),
            site,
        )
        for site in (*LAYER_SITES, *HEAD_SITES)
    },
    **{
        f"attribution_patching {site}": Check(
            "attribution patching",
            partial(_patch, measures.attribution_patching, site),
            partial(_plain_estimate, site),
            site,
        )
        for site in (*LAYER_SITES, *HEAD_SITES)
    },
    **{
        f"ablate heads, {value}": Check(
            "ablate heads",
            partial(_ablate, "head_out", value),
            partial(_plain_ablate, "head_out", value),
            "head_out",
        )
        for value in ("zero", "mean", "resample")
    },
    **{
        f"ablate MLPs, {value}": Check(
            "ablate MLPs",
            partial(_ablate, "mlp_out", value),
            partial(_plain_ablate, "mlp_out", value),
            "mlp_out",
        )
        for value in ("zero", "mean", "resample")
    },
}
