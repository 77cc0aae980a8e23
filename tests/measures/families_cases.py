"""Random models with prompts that move them, and what each measure should say of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from measures.families import LAYERS, WINDOW, hooked, random_model, redraw
from measures.families_plain import HEAD_SITES, LAYER_SITES, Plain

from pytest_circuits import measures
from pytest_circuits.forward import Runs
from pytest_circuits.prompts import PromptPairs
from pytest_circuits.testing import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from measures.families import Family
    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.findings import Finding
    from pytest_circuits.prompts import TokenizedPairs

#: Two lengths of prompts (and <bos> before them), both longer than a window; pairs of each.
LENGTHS, PAIRS = (6, 8), 4
#: Deviation from the plain model, as a share of the largest effect.
EXACT = 1e-4
#: Parameters are drawn until the clean logit difference exceeds the corrupted one by so much, at
#: so many standard errors (four pairs tell no smaller gap from none), …
GAP, CLEAR = 1.0, 4.0
#: … and until some token but the first gets so much attention.
SHARP = 0.5


@dataclass(frozen=True)
class Seen:
    """Pairs of one length, and the plain model's activations on them."""

    pairs: PromptPairs
    tokens: TokenizedPairs
    clean: dict[str, Tensor]
    corrupted: dict[str, Tensor]

    def difference(self, logits: Tensor) -> Tensor:
        """logit(answer) − logit(wrong answer); logits ``[row, …, vocabulary]``."""
        rows = range(len(self.tokens))
        return logits[rows, ..., self.tokens.answers] - logits[rows, ..., self.tokens.wrong_answers]

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Clean − corrupted, ``[row]``."""
        clean, corrupted = (
            self.difference(seen["logits"][:, -1]) for seen in (self.clean, self.corrupted)
        )
        return (clean - corrupted).double().numpy()

    @property
    def sharpest(self) -> float:
        """The most attention that a token but the first gets on the clean prompts."""
        return float(self.clean["head_pattern"][..., 1:].max())


class Case:
    """A random model, hooked and plain, and pairs on which it does something."""

    def __init__(self, family: Family, seed: int) -> None:
        self.family, self.seed = family, seed
        model = random_model(family, seed)
        self.plain = Plain(family, model)
        for again in count():
            self.seen = [self._see(length) for length in LENGTHS]
            if all(map(telling, self.seen)):
                break
            redraw(model, seed + 1000 * (again + 1))
        self.runs = Runs(hooked(model))
        self.pairs = PromptPairs(
            *(
                [entry for seen in self.seen for entry in getattr(seen.pairs, column)]
                for column in ("clean", "corrupted", "answers", "wrong_answers")
            )
        )
        #: Of one length; which, is told by the seed.
        self.even = self.seen[seed % len(LENGTHS)]
        self._expected: dict[str, Any] = {}

    def _see(self, length: int) -> Seen:
        """Random words, one of them changed; answers are what that moves most, up and down.

        The changed word can be seen from the last one through a window, and others can't. The last
        word stands before the changed one too: something to look back for.
        """
        stream = random.Random(f"{self.seed} {length}")
        tokenizer, changed = self.plain.tokenizer, length - WINDOW
        texts, others = [], []
        for _ in range(PAIRS):
            *text, new = stream.sample(WORDS, length)
            text.append(text[changed - 1])
            texts.append(" ".join(text))
            others.append(" ".join([*text[:changed], new, *text[changed + 1 :]]))
        clean, corrupted = (
            self.plain.see(torch.tensor([tokenizer.encode(text) for text in group]))
            for group in (texts, others)
        )
        moved = (clean["logits"] - corrupted["logits"])[:, -1]
        # Words only: no <bos>, and nothing that a padded vocabulary has besides.
        order = 1 + moved[:, 1 : len(tokenizer)].argsort()
        answers, wrong = (tokenizer.convert_ids_to_tokens(order[:, end]) for end in (-1, 0))
        pairs = PromptPairs(texts, others, answers, wrong)
        return Seen(pairs, pairs.check(tokenizer), clean, corrupted)

    def checks(self, group: str, *, often: bool) -> list[Check]:
        """Those of a group that the model's family can pass: it has what they measure."""
        known = {None, *self.plain.sites}
        return [check for check in CHECKS[group] if check.site in known and check.often == often]

    def expected(self, check: Check) -> Any:
        """What the plain model says, found once."""
        if check.name not in self._expected:
            self._expected[check.name] = check.expected(self)
        return self._expected[check.name]

    def deviation(self, check: Check, runs: Runs | None = None) -> float:
        """The largest one, as a share of the largest value that is expected; NaN if any is."""
        runs, expected = runs or self.runs, self.expected(check)
        with runs.untouched():
            found = check.found(self, runs)
        shares = [
            np.abs(found[part] - expected[part]).max() / np.abs(expected[part]).max()
            for part in expected
        ]
        return float(np.max(shares))


def telling(seen: Seen) -> bool:
    """Whether the prompts move the model, and some head looks somewhere."""
    error = seen.gaps.std(ddof=1) / len(seen.gaps) ** 0.5
    return seen.gaps.mean() >= max(GAP, CLEAR * error) and seen.sharpest > SHARP


@dataclass(frozen=True)
class Check:
    """A measure, and a loop over the plain model that should give the same numbers.

    Attributes:
        name: what is measured.
        found: by the measure; parts by name.
        expected: the same of the plain model.
        site: the site that a model must have.
        often: whether each seed is checked, not one only: others see most of it, too.
    """

    name: str
    found: Callable[[Case, Runs], dict[str, Any]]
    expected: Callable[[Case], dict[str, Any]]
    site: str | None = None
    often: bool = True


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

    @property
    def often(self) -> bool:
        """Whether every seed tries it."""
        return self.site != "resid_post" and not (self.each and self.site in HEAD_SITES)

    def __str__(self) -> str:
        return self.site + " by position" * self.each


KINDS = [
    *(Kind(site, each=True) for site in (*LAYER_SITES, "head_out", "head_pattern")),
    Kind("head_out", mixed=True),
    *(Kind(site) for site in HEAD_SITES[1:]),
]


def _logits(case: Case, runs: Runs) -> dict[str, Any]:
    passes = [runs.forward(torch.tensor(seen.tokens.clean)) for seen in case.seen]
    difference = measures.logit_diff(runs, case.pairs).profiles["logit_diff"]
    return {str(i): logits.numpy() for i, logits in enumerate(passes)} | {"diff": difference}


def _plain_logits(case: Case) -> dict[str, Any]:
    logits = [seen.clean["logits"] for seen in case.seen]
    difference = [seen.difference(own[:, -1]) for seen, own in zip(case.seen, logits, strict=True)]
    return {str(i): own.numpy() for i, own in enumerate(logits)} | {
        "diff": torch.cat(difference).numpy()
    }


def _patch(measure: Any, of: Kind, case: Case, runs: Runs) -> dict[str, Any]:
    pairs = case.pairs if of.mixed else case.even.pairs
    positions = "each" if of.each else "all"
    found: Finding = measure(runs, pairs, site=of.site, positions=positions)
    nothing = np.full((found.samples, *found.values.shape), np.nan)  # where there is no gap
    moved = found.raw.get("patched", nothing).T - found.raw["corrupted"]
    return {"values": found.values, "of prompts": moved.T}


def _effects(of_pairs: Any, of: Kind, case: Case) -> dict[str, Any]:
    """From what is moved in each prompt, ``[row, layer, …]``, to shares of the gap."""
    seen = case.seen if of.mixed else [case.even]
    moved = np.concatenate([of_pairs(one).double().numpy() for one in seen])
    gap = np.concatenate([one.gaps for one in seen]).mean()
    return {"values": moved.mean(0) / gap, "of prompts": moved}


def _plain_patch(of: Kind, case: Case) -> dict[str, Any]:
    def moved(seen: Seen) -> Tensor:
        tokens = torch.tensor(seen.tokens.corrupted)
        logits = case.plain.patched(tokens, of.site, seen.clean, seen.corrupted, each=of.each)
        found = seen.difference(logits)  # [row, layer, …]
        before = seen.difference(seen.corrupted["logits"][:, -1])
        return found - before.view(-1, *[1] * (found.ndim - 1))

    return _effects(moved, of, case)


def _plain_estimate(of: Kind, case: Case) -> dict[str, Any]:
    def moved(seen: Seen) -> Tensor:
        change = (seen.clean[of.site] - seen.corrupted[of.site]).double()
        effect = (change * _gradients(case, seen)[of.site]).sum(-1).transpose(0, 1)
        if of.site in HEAD_SITES and of.site != "head_pattern":
            effect = effect.transpose(2, 3)  # [row, layer, head, position], as a pattern is
        return effect if of.each else effect.sum(-1)

    return _effects(moved, of, case)


def _gradients(case: Case, seen: Seen) -> dict[str, Tensor]:
    key = f"gradients {case.seen.index(seen)}"
    if key not in case._expected:
        tokens = torch.tensor(seen.tokens.corrupted)
        case._expected[key] = case.plain.gradients(tokens, seen.corrupted, seen.difference)
    return case._expected[key]


def _lens(case: Case, runs: Runs) -> dict[str, Any]:
    reads = ("logit_diff", "logit", "rank")
    return {read: measures.logit_lens(runs, case.pairs, read=read).values for read in reads}


def _plain_lens(case: Case) -> dict[str, Any]:
    found: dict[str, list[Tensor]] = {"logit_diff": [], "logit": [], "rank": []}
    for seen in case.seen:
        logits = case.plain.lens(seen.clean).transpose(0, 1)  # [row, layer, vocabulary]
        answers = torch.tensor(seen.tokens.answers)[:, None, None].expand(-1, LAYERS, 1)
        answer = logits.gather(-1, answers)
        found["logit_diff"].append(seen.difference(logits))
        found["logit"].append(answer[..., 0])
        found["rank"].append(1 + (logits > answer).sum(-1))
    return {read: torch.cat(parts).double().mean(0).numpy() for read, parts in found.items()}


def _attribution(case: Case, runs: Runs) -> dict[str, Any]:
    components = measures.component_attribution(runs, case.pairs)
    labels = components.labels["component"]
    return {
        "heads": measures.head_attribution(runs, case.pairs).values,
        "components": components.values,
        "sum": components.values.sum(),
        "named": np.array([components.values[labels.index(name)] for name in _names(case)]),
    }


def _names(case: Case) -> list[str]:
    parts = ("attn", "mlp") if case.family.mlp else ("attn",)
    return ["embedding", *(f"L{n} {part}" for n in range(LAYERS) for part in parts), "bias"]


def _plain_attribution(case: Case) -> dict[str, Any]:
    heads, components, before_cap = [], [], []
    for seen in case.seen:
        of_heads, of_components = case.plain.attributed(
            seen.clean, seen.tokens.answers, seen.tokens.wrong_answers
        )
        heads.append(of_heads)
        components.append(torch.stack([of_components[name] for name in _names(case)], dim=1))
        before_cap.append(seen.difference(case.plain.lens(seen.clean, capped=False)[-1]))
    of_components = torch.cat(components).mean(0).numpy()
    return {
        "heads": torch.cat(heads).mean(0).numpy(),
        "components": of_components,
        "sum": torch.cat(before_cap).double().mean().numpy(),
        "named": of_components,
    }


#: Measures, by what they have in common.
CHECKS = {
    "logits": [Check("logits", _logits, _plain_logits)],
    "patching": [
        Check(
            f"patch {kind}",
            partial(_patch, measures.patch, kind),
            partial(_plain_patch, kind),
            kind.site,
            often=kind.often,
        )
        for kind in KINDS
    ],
    "attribution patching": [
        Check(
            f"estimate {kind}",
            partial(_patch, measures.attribution_patching, kind),
            partial(_plain_estimate, kind),
            kind.site,
            often=kind.often and kind.site not in ("resid_pre", "attn_out", "head_q", "head_v"),
        )
        for kind in KINDS
    ],
    "logit lens": [Check("lens", _lens, _plain_lens)],
    "attribution": [Check("attribution", _attribution, _plain_attribution)],
}
