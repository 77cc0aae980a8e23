"""What holds measures against plain models notices: every term of a family, once it is gone.

Each term is taken out of the code or of the model that is measured, and the plain model keeps it.
"""

import builtins
import copy
import importlib

import pytest
from circuit_suites import few
from measures.families import FAMILIES, Family, hooked, random_model
from measures.families_cases import CHECKS, EXACT, Case

from pytest_circuits.forward import Runs, directions, patching
from pytest_circuits.measures import attribution
from pytest_circuits.models import ModelError

BY_NAME = {check.name: check for group in CHECKS.values() for check in group}
ALL = {"logits", "patch head_out", "estimate head_out", "lens", "attribution"}
LONG = 64


@pytest.fixture(scope="module")
def cases():
    made = {}

    def get(name):
        if name not in made:
            made[name] = Case(FAMILIES[name], 0)
        return made[name]

    return get


def red(case, check, runs):
    """Whether a check fails: by its numbers, or as the measure itself refuses."""
    check = BY_NAME[check]
    case.expected(check)  # of the plain model as it is
    try:
        return not case.deviation(check, runs) <= 10 * EXACT
    except ModelError as error:
        return "do not sum" in str(error) or "does not give" in str(error)


def noticed(case, runs):
    """The checks that fail."""
    return {check for check in ALL if red(case, check, runs)}


def without(monkeypatch, name):
    """The code of attribution, as if no module had an attribute of that name."""

    def get(of, attribute, default=None):
        return default if attribute == name else builtins.getattr(of, attribute, default)

    for code in (attribution, directions):
        monkeypatch.setattr(code, "getattr", get, raising=False)


@pytest.mark.parametrize(
    ("term", "name", "attribute"),
    [
        ("final-norm bias", "gpt2", "bias"),
        ("final-norm bias", "native", "bias"),
        ("unembedding bias", "phi", "b_U"),
        ("post-norm", "gemma2", "ln1_post"),
        ("post-norm", "gemma3", "ln1_post"),
        ("attention bias", "gpt2", "b_O"),
        ("attention bias", "opt", "b_O"),
        ("attention bias", "native, attention only", "b_O"),
        ("norm weight", "llama", "weight"),
    ],
)
def test_attribution_notices_a_term_that_it_leaves_out(cases, monkeypatch, term, name, attribute):
    case = cases(name)
    assert case.deviation(BY_NAME["attribution"]) <= EXACT

    without(monkeypatch, attribute)

    assert red(case, "attribution", case.runs)


def test_attribution_notices_that_a_norm_stores_its_weight_less_one(cases, monkeypatch):
    case = cases("gemma2")
    monkeypatch.setattr(case.runs.bridge.ln_final.config, "rmsnorm_uses_offset", False)

    assert not case.runs.bridge.ln_final.uses_weight_offset
    assert red(case, "attribution", case.runs)


#: A bias of layers or of the final norm, and a family that has it.
BIASES = {
    "final-norm bias": ("gpt2", ["ln_f"]),
    "attention bias, gpt2": ("gpt2", ["attn.c_proj"]),
    "attention bias, phi": ("phi", ["dense"]),
    "query, key and value bias, gpt2": ("gpt2", ["c_attn"]),
    "query, key and value bias, qwen2": ("qwen2", ["q_proj", "k_proj", "v_proj"]),
    "query, key and value bias, neox": ("neox", ["query_key_value"]),
}


@pytest.mark.parametrize("term", few(BIASES, 3))
def test_every_measure_notices_a_bias_that_is_gone(cases, term):
    name, parts = BIASES[term]
    case = cases(name)
    model = copy.deepcopy(case.plain.model)
    gone = [
        parameter.data.zero_()
        for key, parameter in model.named_parameters()
        if any(key.endswith(f"{part}.bias") for part in parts)
    ]
    assert gone

    # The same in every run, the final norm's is no part of what a patch moves.
    unmoved = {"patch head_out", "estimate head_out"} if term == "final-norm bias" else set()
    assert noticed(case, Runs(hooked(model))) == ALL - unmoved


#: A term, the family that has it, and the family without it.
GONE: dict[str, tuple[str, Family]] = {
    "window, mistral": ("mistral", FAMILIES["mistral"].but(sliding_window=LONG)),
    "window, gemma2": ("gemma2", FAMILIES["gemma2"].but(sliding_window=LONG)),
    "window, gemma3": ("gemma3", FAMILIES["gemma3"].but(sliding_window=LONG)),
    "window, gpt-neo": ("gpt-neo", FAMILIES["gpt-neo"].but(window_size=LONG)),
    "final soft cap": ("gemma2", FAMILIES["gemma2"].but(final_logit_softcapping=None)),
    "attention soft cap": ("gemma2", FAMILIES["gemma2"].but(attn_logit_softcapping=None)),
}


@pytest.mark.parametrize("term", few(GONE, 3))
def test_every_measure_notices_a_window_or_soft_cap_that_is_gone(cases, term):
    name, family = GONE[term]
    case = cases(name)
    model = random_model(family, 0)
    model.load_state_dict(case.plain.model.state_dict())

    before_cap = {"attribution"} if term == "final soft cap" else set()
    assert noticed(case, Runs(hooked(model))) == ALL - before_cap


def tiled(values, times):
    """Key-value heads shared by the wrong query heads: 0 1 0 1, not 0 0 1 1."""
    return values.repeat(1, times, 1, 1)


def test_every_measure_notices_groups_of_heads_that_are_expanded_wrong(cases, monkeypatch):
    case = cases("llama")
    for check in ALL:
        case.expected(BY_NAME[check])
    of_family = importlib.import_module(type(case.plain.model).__module__)

    monkeypatch.setattr(of_family, "repeat_kv", tiled)

    assert noticed(case, Runs(case.runs.bridge)) == ALL


def test_a_patched_pattern_mixes_the_values_of_its_own_group(cases, monkeypatch):
    case, check = cases("llama"), "patch head_pattern"
    assert case.deviation(BY_NAME[check]) <= EXACT

    def mixed(pattern, values):
        return mix(pattern, tiled(values.transpose(1, 2), 2).transpose(1, 2))

    mix = patching.mix
    monkeypatch.setattr(patching, "mix", mixed)

    assert red(case, check, case.runs)
