"""Forward passes: made once, batched, remembered. The only room besides models that runs one."""

from pytest_circuits.runs.canary import run_canary
from pytest_circuits.runs.gradients import gradients
from pytest_circuits.runs.lens import read_out
from pytest_circuits.runs.patching import Cell, cells_of, patch_cells, to_put_in
from pytest_circuits.runs.prompted import PromptGroup, PromptRun, run_prompts
from pytest_circuits.runs.repeated import RepeatedRun, run_control, run_repeated
from pytest_circuits.runs.runs import Runs, as_runs, exact
from pytest_circuits.runs.sites import SITES, Site, check_site, record

__all__ = [
    "SITES",
    "Cell",
    "PromptGroup",
    "PromptRun",
    "RepeatedRun",
    "Runs",
    "Site",
    "as_runs",
    "cells_of",
    "check_site",
    "exact",
    "gradients",
    "patch_cells",
    "read_out",
    "record",
    "run_canary",
    "run_control",
    "run_prompts",
    "run_repeated",
    "to_put_in",
]
