"""Random models with prompts that move them, and what each measure should say of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from measures.families import hooked, random_model, redraw
from zoo import cases
from zoo.cases import telling
from zoo.checks import HEADS_WRITE, LENS, PARTS_WRITE, Check, Kind, estimating, patching
from zoo.family import HEAD_SITES, LAYER_SITES
from zoo.outcomes import EXACT, deviations

from pytest_circuits import measures
from pytest_circuits.forward import Runs

if TYPE_CHECKING:
    from measures.families import Family

__all__ = ["CHECKS", "EXACT", "GAP", "LENGTHS", "SHARP", "Case"]

#: Two lengths of prompts (and <bos> before them), both longer than a window.
LENGTHS = (6, 8)
#: Parameters are drawn until the clean logit difference exceeds the corrupted one by so much, and
#: until some token but the first gets so much attention.
GAP, SHARP = 1.0, 0.5


class Case(cases.Case):
    """A random model, hooked and plain, and pairs on which it does something."""

    def __init__(self, family: Family, seed: int) -> None:
        model = random_model(family, seed)
        for again in count(1):
            super().__init__(family, model, seed, LENGTHS)
            if all(telling(seen, GAP, SHARP) for seen in self.seen):
                break
            redraw(model, seed + 1000 * again)
        self.runs = Runs(hooked(model))
        self._expected: dict[str, Any] = {}

    def checks(self, group: str, *, often: bool) -> list[Check]:
        """Those of a group that the model's family can pass: it has what they measure."""
        every = [check for check in CHECKS[group] if check.applies(self.plain)]
        return [check for check in every if often == (check.name not in SELDOM)]

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
        return float(np.max(list(deviations(found, expected).values())))


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


def _attribution(case: Case, runs: Runs) -> dict[str, Any]:
    return {"heads": HEADS_WRITE.found(case, runs)["value"], **PARTS_WRITE.found(case, runs)}


def _plain_attribution(case: Case) -> dict[str, Any]:
    return {"heads": HEADS_WRITE.expected(case)["value"], **PARTS_WRITE.expected(case)}


KINDS = [
    *(Kind(site, each=True) for site in (*LAYER_SITES, "head_out", "head_pattern")),
    Kind("head_out", mixed=True),
    *(Kind(site) for site in HEAD_SITES[1:]),
]

#: Measures, by what they have in common.
CHECKS = {
    "logits": [Check("logits", "", _logits, _plain_logits)],
    "patching": [patching(f"patch {kind}", "", kind) for kind in KINDS],
    "attribution patching": [estimating(f"estimate {kind}", "", kind) for kind in KINDS],
    "logit lens": [replace(LENS, name="lens")],
    "attribution": [Check("attribution", "", _attribution, _plain_attribution)],
}

#: Checked on one seed, not on each: others see most of it, too.
SELDOM = {
    *(f"{how} resid_post by position" for how in ("patch", "estimate")),
    *(f"{how} {site} by position" for how in ("patch", "estimate") for site in HEAD_SITES),
    *(f"estimate {site} by position" for site in ("resid_pre", "attn_out")),
    *(f"estimate {site}" for site in ("head_q", "head_v")),
}
