"""Forward passes: made once, batched, remembered. The only room besides models that runs one.

Importing this imports no module of ours, and no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_circuits.forward.ablation import (
        ZERO,
        Nodes,
        Replacement,
        Value,
        drawn_from,
        fewest_references,
        mean_of,
        nodes,
        recorded,
        run_ablated,
        silenced,
    )
    from pytest_circuits.forward.edits import Reading
    from pytest_circuits.forward.lens import copied_logits, output_weights, read_out
    from pytest_circuits.forward.patching import Cell, cells_of, patch_cells, to_put_in
    from pytest_circuits.forward.prompted import PromptGroup, PromptRun, run_prompts
    from pytest_circuits.forward.replay import SlowSweepWarning
    from pytest_circuits.forward.runs import ROUNDING, Progress, Runs, as_runs, exact
    from pytest_circuits.forward.sequences import (
        RepeatedRun,
        TextRun,
        next_token_losses,
        run_canary,
        run_control,
        run_repeated,
        run_texts,
    )
    from pytest_circuits.forward.sites import SITES, Site, check_site, gradients, record

__all__ = [
    "ROUNDING",
    "SITES",
    "ZERO",
    "Cell",
    "Nodes",
    "Progress",
    "PromptGroup",
    "PromptRun",
    "Reading",
    "RepeatedRun",
    "Replacement",
    "Runs",
    "Site",
    "SlowSweepWarning",
    "TextRun",
    "Value",
    "as_runs",
    "cells_of",
    "check_site",
    "copied_logits",
    "drawn_from",
    "exact",
    "fewest_references",
    "gradients",
    "mean_of",
    "next_token_losses",
    "nodes",
    "output_weights",
    "patch_cells",
    "read_out",
    "record",
    "recorded",
    "run_ablated",
    "run_canary",
    "run_control",
    "run_prompts",
    "run_repeated",
    "run_texts",
    "silenced",
    "to_put_in",
]

_HOMES = {
    "ROUNDING": "runs",
    "SITES": "sites",
    "ZERO": "ablation",
    "Cell": "patching",
    "Nodes": "ablation",
    "Progress": "runs",
    "PromptGroup": "prompted",
    "PromptRun": "prompted",
    "Reading": "edits",
    "RepeatedRun": "sequences",
    "Replacement": "ablation",
    "Runs": "runs",
    "Site": "sites",
    "SlowSweepWarning": "replay",
    "TextRun": "sequences",
    "Value": "ablation",
    "as_runs": "runs",
    "cells_of": "patching",
    "check_site": "sites",
    "copied_logits": "lens",
    "drawn_from": "ablation",
    "exact": "runs",
    "fewest_references": "ablation",
    "gradients": "sites",
    "mean_of": "ablation",
    "next_token_losses": "sequences",
    "nodes": "ablation",
    "output_weights": "lens",
    "patch_cells": "patching",
    "read_out": "lens",
    "record": "sites",
    "recorded": "ablation",
    "run_ablated": "ablation",
    "run_canary": "sequences",
    "run_control": "sequences",
    "run_prompts": "prompted",
    "run_repeated": "sequences",
    "run_texts": "sequences",
    "silenced": "ablation",
    "to_put_in": "patching",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 — the modules' own names
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
