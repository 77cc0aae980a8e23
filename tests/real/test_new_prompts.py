"""New prompts on SmolLM2-135M-Instruct: it does there what it does on the builders' own."""

from pathlib import Path

import pytest
import torch

from pytest_circuits import measures, prompts
from pytest_circuits.forward import Runs
from pytest_circuits.models import load, parse_source
from pytest_circuits.verdicts import NewPrompts, settle

FOLDER = Path("~/.cache/pytest-circuits/SmolLM2-135M-Instruct-Q4_1").expanduser()

pytestmark = [
    pytest.mark.real,
    # One of the new names is two tokens here, and is left out.
    pytest.mark.filterwarnings("ignore::pytest_circuits.prompts.PromptWarning"),
]


@pytest.fixture(scope="module")
def reference():
    return Runs(load(parse_source(str(FOLDER)), device="cpu").bridge)


def changed(change):
    bridge = load(parse_source(str(FOLDER)), device="cpu").bridge
    with torch.no_grad():
        change(bridge)
    return Runs(bridge)


def silent(bridge):
    """The three heads that write the name are silent."""
    for layer, head in ((23, 3), (29, 1), (23, 0)):
        bridge.original_model.model.layers[layer].self_attn.o_proj.weight[
            :, 64 * head : 64 * head + 64
        ] = 0


def noisy(bridge):
    stream = torch.Generator().manual_seed(0)
    for parameter in bridge.original_model.parameters():
        noise = torch.randn(parameter.shape, generator=stream)
        parameter.add_(0.01 * parameter.std() * noise)


def outcome(reference, candidate, drawn):
    measured = [
        NewPrompts(measure(reference, drawn), measure(candidate, drawn))
        for measure in (measures.logit_diff, measures.accuracy)
    ]
    return settle(measured, prompts="", seed="").outcome


@pytest.mark.parametrize(
    "build",
    [
        prompts.ioi,
        lambda: prompts.greater_than(digits=1),
        prompts.subject_verb_agreement,
        prompts.country_capital,
        prompts.repeated_phrases,
    ],
    ids=["ioi", "years", "agreement", "capitals", "phrases"],
)
def test_it_has_every_behaviour_on_prompts_drawn_anew(reference, build):
    found = measures.logit_diff(reference, build().anew("a"))
    assert float(found) > 0.5
    assert not found.gone


def test_noise_holds_and_silent_name_movers_fail(reference):
    drawn = prompts.ioi().anew("a")
    assert outcome(reference, changed(noisy), drawn) == "holds"
    assert outcome(reference, changed(silent), drawn) == "fails"
