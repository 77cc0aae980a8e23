"""The measures on every family of models, held against loops over plain Hugging Face models."""

import numpy as np
import pytest
import torch
from circuit_suites import few
from measures.families import FAMILIES, VARIANTS, WINDOW, random_model
from measures.families_cases import CHECKS, EXACT, GAP, LENGTHS, SHARP, Case
from zoo.plain import Plain

from pytest_circuits import measures
from pytest_circuits.forward import SITES
from pytest_circuits.models import ModelError

SEEDS, MORE = range(3), range(1, 3)
#: Families with three seeds each; variants of them with one. The seed decides which length of
#: prompts is compared by itself: every other family has one of them in every run.
CASES = [
    *(
        pytest.param(
            name, seed, marks=[] if seed == place % len(LENGTHS) else [pytest.mark.nightly]
        )
        for place, name in enumerate(FAMILIES)
        for seed in SEEDS
    ),
    *((name, 0) for name in VARIANTS),
]
#: Families without a site, and why.
LACKING = {
    **{
        (name, "resid_mid"): "its attention and its MLP read the same residual stream"
        for name in ("gpt-j", "neox", "phi")
    },
    ("native, attention only", "resid_mid"): "without MLPs it is resid_post",
    ("native, attention only", "mlp_out"): "it has no MLPs",
}


@pytest.fixture(scope="module")
def cases():
    made = {}

    def get(name, seed):
        if (name, seed) not in made:
            made[name, seed] = Case((FAMILIES | VARIANTS)[name], seed)
        return made[name, seed]

    return get


@pytest.fixture
def case(cases, name, seed):
    return cases(name, seed)


all_cases = pytest.mark.parametrize(("name", "seed"), CASES)


def too_far_off(case, checks):
    deviations = {check.name: case.deviation(check) for check in checks}
    return {name: off for name, off in deviations.items() if not off <= EXACT}


@all_cases
@pytest.mark.parametrize("group", CHECKS)
def test_measures_are_loops_over_the_plain_model(case, group):
    assert too_far_off(case, case.checks(group, often=True)) == {}


@pytest.mark.parametrize("name", few(FAMILIES | VARIANTS, 8))
@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.nightly) for s in MORE)])
def test_so_are_sites_that_take_after_others(case):
    checks = [check for group in CHECKS for check in case.checks(group, often=False)]
    assert too_far_off(case, checks) == {}


@all_cases
def test_the_prompts_move_it_and_some_head_looks_somewhere(case):
    for seen in case.seen:
        assert seen.gaps.mean() >= GAP
        assert seen.sharpest > SHARP
        assert seen.tokens.lengths[0] > WINDOW
    assert len({seen.tokens.lengths for seen in case.seen}) == len(LENGTHS) > 1


def test_there_is_nothing_that_a_family_has_and_no_check_sees():
    sites = {check.site for group in CHECKS.values() for check in group}

    assert sites == {None, *SITES}


@pytest.mark.parametrize(("name", "site"), LACKING)
@pytest.mark.parametrize("measure", [measures.patch, measures.attribution_patching])
def test_what_a_family_lacks_is_refused_with_the_reason(cases, name, site, measure):
    case = cases(name, 0)
    assert site not in case.plain.sites

    with pytest.raises(ModelError) as error:
        measure(case.runs, case.pairs, site=site)

    assert f"has no {site}: {LACKING[name, site]}" in str(error.value)


def test_every_other_family_has_every_site(cases):
    for name in FAMILIES:
        lacking = {site for other, site in LACKING if other == name}
        assert set(cases(name, 0).plain.sites) == set(SITES) - lacking


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("cap", ["final_logit_softcapping", "attn_logit_softcapping"])
def test_a_soft_cap_changes_the_difference_by_a_tenth(cases, cap, seed):
    case = cases("gemma2", seed)
    family = case.family.but(**{cap: None})
    model = random_model(family, seed)
    model.load_state_dict(case.plain.model.state_dict())
    free = Plain(family, model)
    changed, without = [], []
    for seen in case.seen:
        logits = free.see(torch.tensor(seen.tokens.clean))["logits"][:, -1]
        without.append(seen.difference(logits))
        changed.append(seen.difference(seen.clean["logits"][:, -1]) - without[-1])

    assert torch.cat(changed).abs().mean() >= 0.1 * torch.cat(without).abs().mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_final_soft_cap_comes_after_what_is_attributed(cases, seed):
    case = cases("gemma2", seed)
    after = measures.logit_diff(case.runs, case.pairs).values
    before = measures.component_attribution(case.runs, case.pairs).values.sum()

    assert abs(before - after) / abs(before) >= 0.1
    assert measures.logit_lens(case.runs, case.pairs).values[-1] == pytest.approx(after, rel=EXACT)


@pytest.mark.parametrize("name", ["gpt2, untied, padded", "llama, tied, padded"])
def test_a_padded_vocabulary_has_more_rows_than_the_tokenizer_has_tokens(cases, name):
    case = cases(name, 0)
    seen = case.seen[0].clean["logits"]

    assert seen.shape[-1] == 64 > len(case.plain.tokenizer)
    ranks = measures.logit_lens(case.runs, case.pairs, read="rank").raw["layers"]
    assert ranks.shape == (len(case.pairs), 2)
    assert np.all(ranks <= 64)
