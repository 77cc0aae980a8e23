"""Each measure, and a loop over the plain model that gives the same numbers."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from zoo import written
from zoo.cases import Seen
from zoo.family import HEAD_SITES, LAYER_SITES

from pytest_circuits import measures
from pytest_circuits.prompts import RepeatedTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor
    from zoo.cases import Case, Stored
    from zoo.plain import Plain

    from pytest_circuits.findings import Finding
    from pytest_circuits.forward import Runs
    from pytest_circuits.prompts import PromptPairs

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
class Kind:
    """What is put in.

    Attributes:
        site: where.
        each: whether positions go in one by one.
        mixed: whether prompts have more than one length.
    """

    site: str
    each: bool = False
    mixed: bool = False

    def __str__(self) -> str:
        return self.site + " by position" * self.each

    def pairs(self, case: Case) -> PromptPairs:
        """The pairs that it is put into."""
        return case.pairs if self.mixed else case.even.pairs

    def seen(self, case: Case) -> list[Seen]:
        """What is seen on these, length by length."""
        return case.seen if self.mixed else [case.even]


@dataclass(frozen=True)
class Check:
    """A measure, and a loop over the plain model that should give the same numbers.

    Attributes:
        name: what is measured.
        group: what it is called in a table, together with others.
        found: what the measure says; parts by name.
        expected: the same of the plain model.
        site: the site that a model must have.
        direct: whether its parts must sum to its logits.
    """

    name: str
    group: str
    found: Callable[[Case, Runs], Numbers]
    expected: Callable[[Case], Numbers]
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


def of_all(case: Case, read: Callable[[Seen], Tensor]) -> NDArray[np.float64]:
    """What is read off each prompt, in the order of the pairs."""
    with torch.no_grad():
        return np.concatenate([exact(read(seen)) for seen in case.seen])


# What the model does.


def _number(measure: str, case: Stored, runs: Runs) -> Numbers:
    options: dict[str, Any] = {}
    if measure == "top_k_accuracy":
        options = {"k": _TOP}
    if measure == "kl_divergence":
        options = {"to": case.other.runs}
    finding: Finding = getattr(measures, measure)(runs, case.pairs, **options)
    return {"value": finding.values, "of prompts": finding.profiles[measure]}


def _plain_number(read: Callable[[Stored, Seen, Tensor], Tensor], case: Stored) -> Numbers:
    samples = of_all(case, lambda seen: read(case, seen, seen.clean["logits"][:, -1].double()))
    return {"value": samples.mean(), "of prompts": samples}


def _difference(_: Case, seen: Seen, logits: Tensor) -> Tensor:
    return seen.difference(logits)


def _right(_: Case, seen: Seen, logits: Tensor) -> Tensor:
    return seen.difference(logits) > 0


def _answer(seen: Seen, logits: Tensor) -> Tensor:
    return logits[range(len(logits)), ..., seen.tokens.answers]


def _in_top(_: Case, seen: Seen, logits: Tensor) -> Tensor:
    return (logits > _answer(seen, logits)[:, None]).sum(-1) < _TOP


def _probability(_: Case, seen: Seen, logits: Tensor) -> Tensor:
    return _answer(seen, logits.softmax(-1))


def _divergence(case: Stored, seen: Seen, logits: Tensor) -> Tensor:
    theirs = case.other.plain(torch.tensor(seen.tokens.clean)).logits[:, -1].double()
    reference = theirs.log_softmax(-1)
    return (reference.exp() * (reference - logits.log_softmax(-1))).sum(-1)


def _text_loss(case: Case, runs: Runs) -> Numbers:
    finding = measures.text_loss(runs, _TEXTS)
    return {"value": finding.values, "of texts": finding.raw["losses"]}


def _plain_text_loss(case: Case) -> Numbers:
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


def _repeated(measure: str, case: Case, runs: Runs) -> Numbers:
    finding: Finding = getattr(measures, measure)(runs, REPEATED)
    return {"value": finding.values}


def _sequences(case: Case) -> Tensor:
    """What the product draws: <bos>, a block, and the block again."""
    context, vocabulary = 2 * REPEATED.block + 1, len(case.plain.tokenizer)
    drawn = REPEATED.draw(case.plain.tokenizer, context=context, vocabulary=vocabulary)
    return torch.tensor(drawn.sequences)


def _plain_scores(measure: str, case: Case) -> Numbers:
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


def _plain_repeat_loss(case: Case) -> Numbers:
    tokens = _sequences(case)
    losses = _next_losses(case.plain.logits(tokens), tokens)
    return {"value": exact(losses[:, REPEATED.block + 1 :].mean())}


# What parts write.


def _lens(case: Case, runs: Runs) -> Numbers:
    return {read: measures.logit_lens(runs, case.pairs, read=read).values for read in _READS}


def _plain_lens(case: Case) -> Numbers:
    read = {"logit_diff": Seen.difference, "logit": _answer, "rank": _rank}
    return {
        name: of_all(case, lambda seen, of=of: of(seen, written.lens(case.plain, seen))).mean(0)
        for name, of in read.items()
    }


def _rank(seen: Seen, logits: Tensor) -> Tensor:
    return 1 + (logits > _answer(seen, logits)[..., None]).sum(-1)


def _heads(case: Case, runs: Runs) -> Numbers:
    return {"value": measures.head_attribution(runs, case.pairs).values}


def _plain_heads(case: Case) -> Numbers:
    return {"value": of_all(case, lambda seen: written.attributed(case.plain, seen)[0]).mean(0)}


def _components(case: Case, runs: Runs) -> Numbers:
    finding = measures.component_attribution(runs, case.pairs)
    labels = finding.labels["component"]
    found = dict(zip(labels, finding.values, strict=True))
    return {"sum": finding.values.sum(), **dict(_by_layer(found, case.plain.layers))}


def _plain_components(case: Case) -> Numbers:
    every = [written.attributed(case.plain, seen) for seen in case.seen]
    found = {
        name: exact(torch.cat([components[name] for _, components, _ in every])).mean()
        for name in every[0][1]
    }
    if case.plain.family.all_mixers:
        found = {re.sub(r"^(L\d+) (attn|mlp)$", r"\1 mixer", name): x for name, x in found.items()}
    whole = exact(torch.cat([whole for *_, whole in every])).mean()
    return {"sum": whole, **dict(_by_layer(found, case.plain.layers))}


def _by_layer(found: Numbers, layers: int) -> Iterator[tuple[str, Any]]:
    """Of each kind of component, an array over layers; not a number where a layer has none."""
    for kind in ("embedding", "bias"):
        yield kind, np.array(found[kind])
    for kind in ("attn", "mlp", "mixer"):
        of_kind = [found.get(f"L{layer} {kind}", np.nan) for layer in range(layers)]
        if not np.isnan(of_kind).all():
            yield kind, np.array(of_kind)


def _copying(case: Case, runs: Runs) -> Numbers:
    return {"value": measures.copying_scores(runs, case.even.pairs, at=_COPIED, k=_TOP).values}


def _plain_copying(case: Case) -> Numbers:
    tokens = torch.tensor(case.even.tokens.clean)
    found = np.full((case.plain.layers, case.plain.heads), np.nan)
    for layer, logits in enumerate(written.copied(case.plain, tokens, case.even.clean)):
        if logits is None:
            continue
        own = logits.gather(-1, tokens[None, :, :, None].expand(len(logits), -1, -1, 1))
        hits = (logits >= own).sum(-1) <= _TOP  # [head, row, position]
        found[layer, : len(hits)] = exact(hits[:, :, list(_COPIED)]).mean((1, 2))
    return {"value": found}


# What is put in.


def _patch(measure: Any, of: Kind, case: Case, runs: Runs) -> Numbers:
    positions = "each" if of.each else "all"
    finding: Finding = measure(runs, of.pairs(case), site=of.site, positions=positions)
    nothing = np.full((finding.samples, *finding.values.shape), np.nan)  # where there is no gap
    moved = finding.raw.get("patched", nothing).T - finding.raw["corrupted"]
    return {"value": finding.values, "of prompts": moved.T}


def _effects(of: Kind, case: Case, moved: Callable[[Seen], Tensor]) -> Numbers:
    """From what is moved in each prompt, ``[row, layer, …]``, to shares of the gap."""
    samples = np.concatenate([exact(moved(seen)) for seen in of.seen(case)])
    gap = np.concatenate([seen.gaps for seen in of.seen(case)]).mean()
    return {"value": samples.mean(0) / gap, "of prompts": samples}


def _plain_patch(of: Kind, case: Case) -> Numbers:
    def moved(seen: Seen) -> Tensor:
        places, source = case.plain.to_put_in(of.site, seen.clean, seen.corrupted)
        tokens = torch.tensor(seen.tokens.corrupted)
        after = seen.difference(case.plain.with_cells(tokens, places, source, each=of.each))
        before = seen.difference(seen.corrupted["logits"][:, -1])
        return after - before.view(-1, *[1] * (after.ndim - 1))

    return _effects(of, case, moved)


def _plain_estimate(of: Kind, case: Case) -> Numbers:
    def moved(seen: Seen) -> Tensor:
        layers: list[Tensor | None] = []
        gradients = case.gradients(seen)[of.site]
        for clean, corrupted, back in zip(
            seen.clean[of.site], seen.corrupted[of.site], gradients, strict=True
        ):
            if back is None:
                layers.append(None)
                continue
            effect = ((clean - corrupted).double() * back).sum(-1)  # [row, position, …]
            if of.site in HEAD_SITES and of.site != "head_pattern":
                effect = effect.transpose(1, 2)  # [row, head, position], as a pattern is
            layers.append(effect if of.each else effect.sum(-1))
        return _stacked(layers)

    return _effects(of, case, moved)


def _stacked(layers: list[Tensor | None]) -> Tensor:
    """``[row, layer, …]``, not a number where a layer, or a head of it, is missing."""
    known = [one for one in layers if one is not None]
    shape = [max(one.shape[axis] for one in known) for axis in range(known[0].ndim)]
    stacked = torch.full((shape[0], len(layers), *shape[1:]), torch.nan, dtype=torch.float64)
    for layer, one in enumerate(layers):
        if one is not None:
            stacked[:, layer][tuple(slice(size) for size in one.shape)] = one.double()
    return stacked


def _ablate(site: str, value: str, case: Case, runs: Runs) -> Numbers:
    options: dict[str, Any] = {"value": value, "seed": _SEED}
    if site == "head_out":
        finding = measures.ablate(runs, case.even.pairs, heads="each", **options)
        return {"value": finding.values}
    found = np.full(case.plain.layers, np.nan)
    # A model without MLPs is asked for one, too.
    layers = [layer for layer, one in enumerate(case.plain.places.get(site, [])) if one] or [0]
    for layer in layers:
        finding = measures.ablate(runs, case.even.pairs, mlps=[layer], **options)
        found[layer] = float(finding.values)
    return {"value": found}


def _plain_ablate(site: str, value: str, case: Case) -> Numbers:
    """What is put in is zero, the mean over corrupted prompts, or what another of them says."""
    seen, plain = case.even, case.plain
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
    tokens, stream = case.even.tokens, random.Random(_SEED)
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
_SCORES = (*_STRIPES, "first_token_scores")
_ABLATED = {"heads": "head_out", "MLPs": "mlp_out"}


def patching(name: str, group: str, of: Kind) -> Check:
    """A check of exact patching."""
    found, expected = partial(_patch, measures.patch, of), partial(_plain_patch, of)
    return Check(name, group, found, expected, of.site)


def estimating(name: str, group: str, of: Kind) -> Check:
    """A check of attribution patching."""
    found = partial(_patch, measures.attribution_patching, of)
    return Check(name, group, found, partial(_plain_estimate, of), of.site)


LENS = Check("logit_lens", "logit lens", _lens, _plain_lens)
HEADS_WRITE = Check(
    "head_attribution", "head attribution", _heads, _plain_heads, "head_out", direct=True
)
PARTS_WRITE = Check(
    "component_attribution", "component attribution", _components, _plain_components, direct=True
)
#: By default positions of a layer go in one by one, and those of a head together.
_KINDS = [Kind(site, each=site in LAYER_SITES) for site in (*LAYER_SITES, *HEAD_SITES)]

#: Every measure that the plain model can be held against, by name.
CHECKS = {
    check.name: check
    for check in (
        *(
            Check(name, "behaviour", partial(_number, name), partial(_plain_number, read))
            for name, read in _NUMBERS.items()
        ),
        Check("text_loss", "behaviour", _text_loss, _plain_text_loss),
        Check("repeat_loss", "behaviour", partial(_repeated, "repeat_loss"), _plain_repeat_loss),
        *(
            Check(
                name,
                "attention scores",
                partial(_repeated, name),
                partial(_plain_scores, name),
                "head_pattern",
            )
            for name in _SCORES
        ),
        HEADS_WRITE,
        PARTS_WRITE,
        Check("copying_scores", "copying", _copying, _plain_copying, "head_v"),
        LENS,
        *(patching(f"patch {of.site}", f"patch {of.site}", of) for of in _KINDS),
        *(
            estimating(f"attribution_patching {of.site}", "attribution patching", of)
            for of in _KINDS
        ),
        *(
            Check(
                f"ablate {what}, {value}",
                f"ablate {what}",
                partial(_ablate, site, value),
                partial(_plain_ablate, site, value),
                site,
            )
            for what, site in _ABLATED.items()
            for value in ("zero", "mean", "resample")
        ),
    )
}
