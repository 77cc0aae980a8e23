"""Forward passes: made once, batched, remembered. The only room besides models that runs one."""

from pytest_circuits.runs.canary import run_canary
from pytest_circuits.runs.patching import patch_head_out
from pytest_circuits.runs.prompted import PromptGroup, PromptRun, run_prompts
from pytest_circuits.runs.repeated import RepeatedRun, run_control, run_repeated
from pytest_circuits.runs.runs import Runs, as_runs, exact

__all__ = [
    "PromptGroup",
    "PromptRun",
    "RepeatedRun",
    "Runs",
    "as_runs",
    "exact",
    "patch_head_out",
    "run_canary",
    "run_control",
    "run_prompts",
    "run_repeated",
]
