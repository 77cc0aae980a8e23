"""Forward passes: made once, batched, remembered. The only room besides models that runs one."""

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
from pytest_circuits.forward.canary import next_token_losses, run_canary
from pytest_circuits.forward.copying import copied_logits
from pytest_circuits.forward.gradients import gradients
from pytest_circuits.forward.lens import output_weights, read_out
from pytest_circuits.forward.patching import Cell, cells_of, patch_cells, to_put_in
from pytest_circuits.forward.progress import Progress
from pytest_circuits.forward.prompted import PromptGroup, PromptRun, run_prompts
from pytest_circuits.forward.reading import Reading
from pytest_circuits.forward.repeated import RepeatedRun, run_control, run_repeated
from pytest_circuits.forward.replay import SlowSweepWarning
from pytest_circuits.forward.runs import ROUNDING, Runs, as_runs, exact
from pytest_circuits.forward.sites import SITES, Site, check_site, record
from pytest_circuits.forward.text import TextRun, run_texts

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
