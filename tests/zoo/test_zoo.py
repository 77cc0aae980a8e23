"""Every measure on every architecture: right against plain loops, or refused by name."""

import contextlib
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from zoo import cases, written
from zoo.checks import CHECKS
from zoo.expected import REFUSALS, surprises
from zoo.outcomes import EXACT, Outcome, compared
from zoo.plain import mix
from zoo.specimens import OFTEN, SPECIMENS
from zoo.table import refusals, row, unmeasured

from pytest_circuits.forward import Runs
from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.models.model_state import ModelState
from pytest_circuits.models.torch_state import TorchState

PAGE = (Path(__file__).parents[2] / "docs/architectures.md").read_text(encoding="utf-8")

specimens = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in OFTEN else [pytest.mark.nightly])
        for name in SPECIMENS
    ],
)
# Transformers warns of what it makes of some small configurations.
pytestmark = pytest.mark.filterwarnings("default")


@specimens
def test_every_measure_is_right_or_refused_for_a_known_reason(outcomes_on, name):
    assert surprises(name, outcomes_on(name)) == []


@specimens
def test_the_page_has_what_came_of_it(outcomes_on, name):
    assert row(name, outcomes_on(name)) in PAGE


@specimens
def test_a_pass_changes_nothing_that_decides_a_number(folder_of, name):
    try:
        bridge = load(parse_source(str(folder_of(name)))).bridge
    except ModelError:
        return  # it is refused, as the table says
    state, torchs = ModelState(bridge), TorchState()
    tokens = torch.arange(1, 7)[None] % bridge.cfg.d_vocab
    runs = Runs(bridge)
    with contextlib.suppress(ModelError):
        runs.forward(tokens)
    bridge.run_with_cache(tokens)
    runs.restore()
    assert (state.changes(), state.hidden_changes(), torchs.changes()) == ((), (), ())
    bridge.original_model.double()
    assert state.changes()
    state.put_back()
    assert state.changes() == ()


def test_the_page_has_all_refusals_and_what_is_not_measured():
    assert refusals() in PAGE
    assert unmeasured() in PAGE


def test_refusals_are_of_measures_and_specimens_that_there_are():
    for one in REFUSALS:
        assert set(one.specimens) <= set(SPECIMENS), one.name
        for pattern in one.measures:
            assert any(one.of(one.specimens[0], name) for name in ("load", *CHECKS)), pattern


def test_each_specimen_that_is_tried_often_is_there():
    assert set(OFTEN) <= set(SPECIMENS)


@pytest.mark.nightly
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", SPECIMENS)
def test_half_precision_refuses_nothing_else(folder_of, name, dtype):
    if (name, dtype) == ("deepseek-v4", "float16"):
        pytest.skip("transformers can't run it")
    try:
        expected = Runs(cases.load_alone(folder_of(name), "float32")).anatomy
    except ModelError:
        pytest.skip("it is not hooked")
    found = Runs(cases.load_alone(folder_of(name), dtype)).anatomy
    assert found.refusals == expected.refusals
    assert found.points == expected.points
    assert found.causal == expected.causal


# The loops themselves.


@specimens
def test_parts_that_the_loops_see_sum_to_the_logits(folder_of, name):
    """So they are where the model adds them, whatever the product says."""
    family = SPECIMENS[name]
    if not family.direct:
        pytest.skip("its parts don't sum to its logits")
    case = cases.Stored(family, folder_of(name))
    heads, components, whole = written.attributed(case.plain, case.even)
    allowed = EXACT * float(whole.abs().max())

    assert (sum(components.values()) - whole).abs().max() <= allowed
    assert heads.shape == (len(whole), family.layers, case.plain.heads)
    config = case.plain.model.config.get_text_config()
    caps = ("final_logit_softcapping", "logits_soft_cap")
    if all(getattr(config, cap, None) is None for cap in caps):
        assert (
            case.even.difference(case.even.clean["logits"][:, -1]) - whole
        ).abs().max() <= allowed


@specimens
def test_patterns_and_values_that_the_loops_see_mix_to_what_heads_say(folder_of, name):
    case = cases.Stored(SPECIMENS[name], folder_of(name))
    if "head_pattern" not in case.plain.sites:
        pytest.skip("it has no attention")
    for pattern, values, said in zip(
        *(case.even.clean[site] for site in ("head_pattern", "mixed_values", "mixed")), strict=True
    ):
        if pattern is not None:
            assert (mix(pattern, values) - said).abs().max() <= EXACT * said.abs().max()


@pytest.mark.parametrize("name", ["gpt2", "deepseek-v3", "falcon-h1"])
def test_what_the_loops_put_in_is_what_was_there(folder_of, name):
    """The clean run's own activations change nothing, and another prompt's something."""
    case = cases.Stored(SPECIMENS[name], folder_of(name))
    plain, seen = case.plain, case.even
    tokens = torch.tensor(seen.tokens.clean)
    last = seen.clean["logits"][:, -1]
    for site in plain.sites:
        own = plain.with_cells(tokens, *plain.to_put_in(site, seen.clean, seen.clean), each=False)
        off = own - last.view(len(last), *[1] * (own.ndim - 2), -1)
        assert np.nanmax(off.abs().numpy()) <= EXACT * float(last.abs().max()), site
        if site == "head_pattern":
            continue
        others = plain.to_put_in(site, seen.corrupted, seen.clean)
        moved = plain.with_cells(tokens, *others, each=False) - own
        assert np.nanmax(moved.abs().numpy()) > EXACT, site


# The comparison, and the guard.


@pytest.mark.parametrize(
    ("found", "expected", "says"),
    [
        ({"value": [1.0, 2.1]}, {"value": [1.0, 2.0]}, "off by 0.05 of 2"),
        ({"value": [1.0, 2.0]}, {"value": [1.0, np.nan]}, "value is not NaN at [1]"),
        ({"value": [1.0, np.nan]}, {"value": [1.0, 2.0]}, "value is NaN at [1]"),
        ({"value": [1.0]}, {"value": [1.0, 2.0]}, "has shape (1,), not (2,)"),
        ({"value": [1.0]}, {"value": [1.0], "mixer": [1.0]}, "lacks 'mixer'"),
        ({"value": [1.0], "mixer": [1.0]}, {"value": [1.0]}, "has 'mixer', which is not there"),
    ],
)
def test_numbers_that_differ_are_wrong(found, expected, says):
    outcome = compared(found, expected)

    assert outcome.kind == "WRONG"
    assert says in outcome.message


def test_numbers_that_differ_by_rounding_are_equal():
    outcome = compared({"value": [1.0, np.nan, 2.0001]}, {"value": [1.0, np.nan, 2.0]})

    assert (outcome.kind, outcome.effect) == ("equal", 2.0)
    assert outcome.deviation == pytest.approx(5e-5)


def test_what_was_not_expected_is_a_surprise():
    name = "llama"
    found = {
        "logit_diff": Outcome("equal"),
        "accuracy": Outcome("refused", "LlamaForCausalLM has none"),
        "text_loss": Outcome("refused", "no", has=False),
        "repeat_loss": Outcome("CRASHED", "KeyError: 'blocks.0'"),
    }

    odd = surprises(name, found)

    assert [line.split(":")[0] for line in odd] == ["accuracy", "repeat_loss", "text_loss"]
    assert "does not name LlamaForCausalLM" in odd[-1]


def test_a_program_that_loading_starts_is_found_out(tmp_path, monkeypatch):
    started = tmp_path / "started"

    def loading(*_, **__):
        with pytest.raises(OSError, match="no program is started"):
            subprocess.check_call(["touch", str(started)])

        return SimpleNamespace(bridge=None)

    monkeypatch.setattr(cases, "load", loading)

    with pytest.raises(RuntimeError, match="tries to start"):
        cases.load_alone(tmp_path)

    assert not started.exists()
