from __future__ import annotations

import math
import re
from itertools import count

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

from pytest_circuits import measures
from pytest_circuits.findings import Direction, Head, InvalidFindingError, Null
from pytest_circuits.forward import Runs
from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import PromptError, RepeatedTokens
from pytest_circuits.testing import COPIED_LOGIT, WORDS, perfect_induction_model, tiny_checkpoint

BATCH, BLOCK = 4, 6
PROMPTS = RepeatedTokens(batch=BATCH, block=BLOCK, seed=2)
SCORES = [
    measures.induction_scores,
    measures.previous_token_scores,
    measures.duplicate_token_scores,
]


def tokens_of(finding):
    blocks = torch.tensor(finding.prompts["ids"])
    return torch.cat([torch.zeros(len(blocks), 1, dtype=torch.long), blocks, blocks], dim=1)


@pytest.mark.parametrize("block", [3, 5, 16])
def test_a_perfect_induction_head_scores_1(perfect, block):
    found = measures.induction_scores(perfect, RepeatedTokens(block=block))

    assert found.values[1, 0] == pytest.approx(1, abs=1e-6)
    assert list(found.members()) == [Head(1, 0)]


@pytest.mark.parametrize("block", [3, 5, 16])
def test_a_perfect_previous_token_head_scores_1(perfect, block):
    found = measures.previous_token_scores(perfect, RepeatedTokens(block=block))

    assert found.values[0, 0] == pytest.approx(1, abs=1e-6)
    assert list(found.members()) == [Head(0, 0)]


def test_scores_of_a_known_model_are_known(perfect):
    # T = 4, so queries q = 5 … 8 count for induction (key q − 3) and duplicates (key q − 4), and
    # q = 1 … 8 for the previous token. A head that attends to all alike gives 1/(q + 1) to each.
    alike_second_block = np.mean([1 / 6, 1 / 7, 1 / 8, 1 / 9])
    alike_everywhere = np.mean([1 / (q + 1) for q in range(1, 9)])
    prompts = RepeatedTokens(block=4)

    induction = measures.induction_scores(perfect, prompts).values
    previous = measures.previous_token_scores(perfect, prompts).values
    duplicate = measures.duplicate_token_scores(perfect, prompts).values

    # The induction head rests on <bos> in the first block, which is the previous token of q = 1.
    np.testing.assert_allclose(
        induction, [[0, alike_second_block], [1, alike_second_block]], atol=1e-6
    )
    np.testing.assert_allclose(
        previous, [[1, alike_everywhere], [1 / 8, alike_everywhere]], atol=1e-6
    )
    np.testing.assert_allclose(
        duplicate, [[0, alike_second_block], [0, alike_second_block]], atol=1e-6
    )


def test_where_a_known_model_rests_is_known(perfect):
    # T = 4. L0H0 looks one back, which is <bos> from q = 1 alone. L1H0 rests on <bos> in the first
    # block, and from q = 5 on looks at what followed; neither looks at the query itself.
    alike = np.mean([1 / (q + 1) for q in range(1, 9)])
    prompts = RepeatedTokens(block=4)

    current = measures.current_token_scores(perfect, prompts)
    first = measures.first_token_scores(perfect, prompts)

    np.testing.assert_allclose(current.values, [[0, alike], [0, alike]], atol=1e-6)
    np.testing.assert_allclose(first.values, [[1 / 8, alike], [4 / 8, alike]], atol=1e-6)
    assert current.role.threshold == 0.4
    assert current.members() == {}


def test_a_head_that_looks_at_the_query_is_a_current_token_head(perfect):
    with perfect.hooks(fwd_hooks=looks_back(0, layer=0, head=1)):
        found = measures.current_token_scores(perfect)

    assert found.members() == {Head(0, 1): 1}
    assert found.nulls == {}


def test_attention_that_rests_on_the_first_token_is_no_role(perfect):
    found = measures.first_token_scores(perfect)

    assert found.role is None
    assert found.members() == {}
    assert (found.profiles, found.nulls) == ({}, {})
    assert found.direction is Direction.TWO_SIDED
    assert found.values[1, 0] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(
    ("measure", "key"),
    [(measures.current_token_scores, lambda query: query), (measures.first_token_scores, None)],
    ids=["current token", "first token"],
)
def test_resting_scores_are_means_over_cached_patterns(bridge, measure, key):
    found = measure(bridge, PROMPTS)

    _, cache = bridge.run_with_cache(tokens_of(found))
    for layer in range(bridge.cfg.n_layers):
        pattern = cache[f"blocks.{layer}.attn.hook_pattern"].double()
        for head in range(bridge.cfg.n_heads):
            by_sequence = [
                np.mean(
                    [
                        float(pattern[sequence, head, query, key(query) if key else 0])
                        for query in range(1, 2 * BLOCK + 1)
                    ]
                )
                for sequence in range(BATCH)
            ]
            assert found.values[layer, head] == pytest.approx(np.mean(by_sequence), abs=1e-6)
            error = np.std(by_sequence, ddof=1) / math.sqrt(BATCH)
            assert found.errors[layer, head] == pytest.approx(error, abs=1e-6)


def test_a_perfect_model_repeats_without_loss(perfect):
    found = measures.repeat_loss(perfect)

    # All it does not know it holds for equally likely: 40 tokens at logit 0.
    certain = math.log(1 + 39 * math.exp(-COPIED_LOGIT))
    assert float(found) == pytest.approx(certain, abs=1e-6)
    assert found.behaviour("repeat_accuracy").value == 1
    assert found.behaviour("repeat_gain").value == pytest.approx(math.log(40) - certain, abs=1e-5)


@pytest.mark.parametrize(
    ("measure", "offset", "first"),
    [
        (measures.induction_scores, BLOCK - 1, BLOCK + 1),
        (measures.previous_token_scores, 1, 1),
        (measures.duplicate_token_scores, BLOCK, BLOCK + 1),
    ],
    ids=["induction", "previous token", "duplicate token"],
)
def test_scores_are_means_over_cached_patterns(bridge, measure, offset, first):
    found = measure(bridge, PROMPTS)

    _, cache = bridge.run_with_cache(tokens_of(found))
    heads = bridge.cfg.n_heads
    by_sequence = np.zeros((BATCH, bridge.cfg.n_layers, heads))
    for layer in range(bridge.cfg.n_layers):
        pattern = cache[f"blocks.{layer}.attn.hook_pattern"]
        for sequence in range(BATCH):
            for head in range(heads):
                by_sequence[sequence, layer, head] = np.mean(
                    [
                        float(pattern[sequence, head, query, query - offset])
                        for query in range(first, 2 * BLOCK + 1)
                    ]
                )
    np.testing.assert_allclose(found.values, by_sequence.mean(axis=0), atol=1e-6)
    errors = by_sequence.std(axis=0, ddof=1) / math.sqrt(BATCH)
    np.testing.assert_allclose(found.errors, errors, atol=1e-6)
    for label, profile in found.profiles.items():
        np.testing.assert_allclose(profile, by_sequence[:, *Head.parse(label)], atol=1e-6)


def test_a_members_profile_is_kept_and_no_others(bridges):
    found = measures.induction_scores(bridges["recall"])

    assert set(found.profiles) == {str(head) for head in found.members()} == {
        "L1H0", "L1H1", "L1H2", "L1H3"
    }  # fmt: skip


def test_repeat_loss_is_a_cross_entropy_over_the_second_block(bridge):
    found = measures.repeat_loss(bridge, PROMPTS)

    tokens = tokens_of(found)
    with torch.no_grad():
        logits = bridge(tokens, return_type="logits").double()
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none"
    )
    second, first = losses[:, BLOCK + 1 : 2 * BLOCK], losses[:, :BLOCK]
    right = (logits[:, :-1].argmax(-1) == tokens[:, 1:])[:, BLOCK + 1 : 2 * BLOCK]
    gain = first.mean(1) - second.mean(1)
    assert second.shape == (BATCH, BLOCK - 1)
    assert float(found) == pytest.approx(second.mean().item(), abs=1e-5)
    np.testing.assert_allclose(found.profiles["repeat_loss"], second.mean(1), atol=1e-5)
    assert found.behaviour("repeat_accuracy").value == pytest.approx(right.double().mean().item())
    assert found.behaviour("repeat_gain").value == pytest.approx(gain.mean().item(), abs=1e-5)
    assert found.behaviour("repeat_gain").error == pytest.approx(
        gain.std().item() / math.sqrt(BATCH), abs=1e-5
    )


def test_the_loss_alone_is_the_same_loss_without_reading_heads(bridge):
    whole, alone = (measures.repeat_loss(bridge, PROMPTS, alone=one) for one in (False, True))
    np.testing.assert_allclose(alone.profiles["repeat_loss"], whole.profiles["repeat_loss"])
    assert [one.name for one in alone.companion] == ["repeat_accuracy"]
    one, other = (found.behaviour("repeat_accuracy") for found in (alone, whole))
    assert (one.value, one.error) == pytest.approx((other.value, other.error))
    assert "second_seed" not in alone.convention


@pytest.mark.parametrize("measure", SCORES)
def test_scores_carry_the_behaviour_they_serve(bridges, measure):
    found = measure(bridges["recall"], PROMPTS)
    loss = measures.repeat_loss(bridges["recall"], PROMPTS)

    assert found.behaviour("repeat_loss").value == float(loss)
    assert found.behaviour("repeat_loss").direction is Direction.LOWER
    for name in ("repeat_accuracy", "repeat_gain"):
        assert found.behaviour(name).value == loss.behaviour(name).value
    assert found.behaviour("repeat_gain").vital


def test_a_model_that_does_not_repeat_has_lost_the_behaviour(bridges):
    regressed = load(parse_source("bundled:recall-regressed"), device="cpu").bridge
    assert measures.induction_scores(bridges["recall"]).gone == ()
    assert [b.name for b in measures.induction_scores(regressed).gone] == ["repeat_gain"]


def test_accuracy_is_vital_where_there_is_any_to_lose(bridges):
    regressed = load(parse_source("bundled:recall-regressed"), device="cpu").bridge
    assert measures.repeat_loss(bridges["recall"]).behaviour("repeat_accuracy").vital
    assert not measures.repeat_loss(regressed).behaviour("repeat_accuracy").vital


def test_a_model_that_repetition_misleads_has_not_lost_what_it_never_had(bridges):
    found = measures.induction_scores(bridges["gpt2"])

    gain = found.behaviour("repeat_gain")
    assert gain.value < -2 * gain.error
    assert found.gone == ()


def test_every_companion_is_judged(perfect):
    for measure in (*SCORES, measures.repeat_loss):
        assert all(b.judged for b in measure(perfect, PROMPTS).companion)


def test_every_choice_is_in_the_convention(perfect):
    found = measures.induction_scores(perfect, PROMPTS)

    assert found.convention == {
        "score": "A[q, q-(T-1)], q = T+1 … 2T",
        "control": "second block turned by ⌈T/2⌉ places, q = T+1 … T+⌈T/2⌉-1",
        "block": BLOCK,
        "batch": BATCH,
        "seed": 2,
        "first_token": "BOS",
        "loss": "predictions at T+1 … 2T-1",
        "attention": "eager",
        "second_seed": 3,
    }
    assert found.prompts["first_token"] == "<bos>"
    assert (found.samples, found.clusters) == (BATCH, BATCH)


def test_the_longer_default_block_fills_the_context(perfect):
    assert measures.induction_scores(perfect).convention["block"] == [8, 16]


def test_another_seed_is_another_convention_and_other_prompts(perfect):
    first, second = (
        measures.induction_scores(perfect, RepeatedTokens(block=BLOCK, seed=seed))
        for seed in (0, 1)
    )

    assert first.convention["seed"] != second.convention["seed"]
    assert first.prompts["tokens"] != second.prompts["tokens"]


def test_one_sequence_has_scores_and_no_errors(perfect):
    found = measures.induction_scores(perfect, RepeatedTokens(batch=1))

    assert found.values[1, 0] == pytest.approx(1, abs=1e-6)
    assert np.isnan(found.errors).all()
    assert not found.gone


def test_a_block_that_does_not_fit_the_context_is_refused(perfect):
    with pytest.raises(PromptError, match="needs 35 positions, and the model has 33"):
        measures.induction_scores(perfect, RepeatedTokens(block=17))


def test_a_finding_tells_what_it_was_measured_with(perfect):
    provenance = measures.repeat_loss(perfect, PROMPTS).provenance

    assert "hooked" not in provenance
    assert (provenance["device"], provenance["dtype"]) == ("cpu", "float32")
    assert provenance["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert list(provenance["versions"]) == [
        "pytest-circuits",
        "torch",
        "transformer-lens",
        "transformers",
    ]


def test_a_finding_tells_that_a_test_had_hooks_on_the_model(perfect):
    runs = Runs(perfect)

    with perfect.hooks(fwd_hooks=[("blocks.1.attn.hook_z", lambda z, **_: torch.zeros_like(z))]):
        inside = measures.repeat_loss(runs, PROMPTS).provenance
    after = measures.repeat_loss(runs, PROMPTS).provenance

    assert inside == {"hooked": "by the test", **after}
    assert "hooked" not in after


def test_a_tokenizer_without_bos_gets_an_ordinary_first_token_through_a_bridge_too(tmp_path):
    # transformer-lens makes EOS stand in for the missing BOS.
    tiny_checkpoint(tmp_path, "llama")
    core = Tokenizer(WordLevel({word: i for i, word in enumerate(["<eos>", *WORDS])}))
    core.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>").save_pretrained(tmp_path)
    bridge = load(parse_source(str(tmp_path))).bridge
    assert bridge.tokenizer.bos_token == "<eos>"

    scores = measures.induction_scores(bridge)

    assert scores.convention["first_token"] == "ordinary token"
    assert scores.prompts["first_token"] in WORDS


def test_a_perfect_head_has_nothing_on_the_control_and_the_least_p(perfect):
    found = measures.induction_scores(perfect)

    assert found.nulls == {"L1H0": Null(mean=0, p=2**-10)}


def looks_back(offset, layer, head):
    """A hook by which a head attends so many tokens back, whatever stands there."""

    def hook(pattern, **_):
        pattern = pattern.clone()
        positions = torch.arange(pattern.shape[-1])
        pattern[:, head] = 0
        pattern[:, head, positions, (positions - offset).clamp(min=0)] = 1
        return pattern

    return [(f"blocks.{layer}.attn.hook_pattern", hook)]


@pytest.mark.parametrize(
    ("measure", "offset", "of_role"),
    [
        (measures.induction_scores, BLOCK - 1, {Head(1, 0): 1}),
        (measures.duplicate_token_scores, BLOCK, {}),
    ],
)
def test_a_head_that_looks_back_so_far_by_position_is_not_in_the_role(
    perfect, measure, offset, of_role
):
    prompts = RepeatedTokens(block=BLOCK)

    with perfect.hooks(fwd_hooks=looks_back(offset, layer=0, head=1)):
        found = measure(perfect, prompts)

    assert found.values[0, 1] == 1
    assert found.nulls["L0H1"] == Null(mean=1, p=1)
    assert found.members() == pytest.approx(of_role)


def test_a_head_that_looks_back_by_position_and_by_content_is_in_the_role(perfect):
    prompts = RepeatedTokens(block=BLOCK)

    def half_and_half(pattern, **_):
        pattern = pattern.clone()
        (_, hook) = looks_back(BLOCK - 1, layer=1, head=0)[0]
        return (pattern + hook(pattern)) / 2

    with perfect.hooks(fwd_hooks=[("blocks.1.attn.hook_pattern", half_and_half)]):
        found = measures.induction_scores(perfect, prompts)

    assert found.nulls["L1H0"].mean == pytest.approx(0.5)
    assert list(found.members()) == [Head(1, 0)]


def test_nulls_are_scores_on_the_control(bridges):
    bridge = bridges["recall"]
    prompts = RepeatedTokens(batch=6, block=BLOCK)

    found = measures.induction_scores(bridge, prompts)

    control = prompts.draw(bridge.tokenizer, bridge.cfg.n_ctx, bridge.cfg.d_vocab).control
    _, cache = bridge.run_with_cache(torch.tensor(control))
    assert set(found.nulls) == set(found.profiles) == {"L1H0", "L1H1", "L1H2", "L1H3"}
    for label, null in found.nulls.items():
        layer, head = Head.parse(label)
        pattern = cache[f"blocks.{layer}.attn.hook_pattern"][:, head]
        queries = (BLOCK + 1, BLOCK + 2)  # of six, half of them less one
        by_hand = np.mean([float(pattern[:, q, q - (BLOCK - 1)].mean()) for q in queries])
        assert null.mean == pytest.approx(by_hand, abs=1e-6)
        assert null.p == 2**-6


def test_previous_token_scores_have_no_null(perfect):
    assert measures.previous_token_scores(perfect).nulls == {}


def test_four_sequences_are_too_few_for_a_null_and_the_threshold_decides(perfect):
    few, enough = (measures.induction_scores(perfect, RepeatedTokens(batch=n)) for n in (4, 5))

    assert few.nulls == {}
    assert list(few.members()) == [Head(1, 0)]
    assert enough.nulls["L1H0"].p == 2**-5
    assert list(enough.members()) == [Head(1, 0)]


def test_measures_without_a_control_say_nothing_of_one(perfect):
    assert "control" not in measures.previous_token_scores(perfect).convention
    assert "control" not in measures.repeat_loss(perfect).convention
    assert "control" in measures.duplicate_token_scores(perfect).convention


def test_a_block_of_three_has_one_query_to_compare(perfect):
    found = measures.induction_scores(perfect, RepeatedTokens(block=3))

    assert found.nulls == {"L1H0": Null(mean=0, p=2**-10)}


def test_the_least_vocabulary_has_a_null_all_the_same():
    small = perfect_induction_model(WORDS[:8])

    found = measures.induction_scores(small, RepeatedTokens(block=7))

    # What the head finds in the block's other tokens lies elsewhere.
    assert found.nulls == {"L1H0": Null(mean=0, p=2**-10)}


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (0, "induction_scores: the model gives numbers that are not finite (repeat_loss"),
        (1, "the model gives attention that is not finite on the control sequences"),
    ],
    ids=["everywhere", "on the control"],
)
def test_attention_that_is_not_finite_is_told_in_our_words(perfect, sound, message):
    passes = count()

    def broken(pattern, **_):
        pattern = pattern.clone()
        if next(passes) >= sound:
            pattern[:, 1] = float("nan")
        return pattern

    with (
        perfect.hooks(fwd_hooks=[("blocks.1.attn.hook_pattern", broken)]),
        pytest.raises(InvalidFindingError, match=re.escape(message)),
    ):
        measures.induction_scores(perfect)
