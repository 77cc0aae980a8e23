"""What heads write for the next token, beside where they look."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pytest_circuits import measures
from pytest_circuits.forward import as_runs, run_repeated
from pytest_circuits.prompts import RepeatedTokens
from pytest_circuits.testing import COPIED_LOGIT

PROMPTS = RepeatedTokens(batch=4, block=6, seed=2)


def test_a_perfect_head_writes_the_copied_logit_and_no_other_does(perfect):
    found = measures.induction_scores(perfect)

    # The copied token has logit 20, the other 39 have 0, so that the mean is half a logit.
    assert set(found.outputs) == {"L1H0"}
    assert found.outputs["L1H0"].mean == pytest.approx(COPIED_LOGIT * 39 / 40, abs=1e-5)
    assert found.outputs["L1H0"].error == pytest.approx(0, abs=1e-5)


def test_what_a_zeroed_head_writes_is_nothing(perfect):
    with perfect.hooks(fwd_hooks=[("blocks.1.attn.hook_z", lambda z, **_: 0 * z)]):
        found = measures.induction_scores(perfect)

    assert found.values[1, 0] == pytest.approx(1, abs=1e-6)
    assert found.outputs["L1H0"].mean == 0


def test_only_scores_with_a_control_come_with_outputs(perfect):
    assert measures.previous_token_scores(perfect).outputs == {}
    assert measures.repeat_loss(perfect).outputs == {}


@pytest.mark.parametrize("name", ["recall", "llama", "gpt2"])
def test_outputs_are_what_the_heads_add_to_the_logits(bridges, name):
    bridge = bridges[name]
    drawn = PROMPTS.draw(bridge.tokenizer, bridge.cfg.n_ctx, bridge.cfg.d_vocab)

    found = run_repeated(as_runs(bridge), drawn).outputs

    tokens = torch.tensor(drawn.sequences)
    _, cache = bridge.run_with_cache(tokens)
    scale = cache["ln_final.hook_scale"].double()
    for layer, head in np.ndindex(bridge.cfg.n_layers, bridge.cfg.n_heads):
        z = cache[f"blocks.{layer}.attn.hook_z"].double().reshape(4, 13, bridge.cfg.n_heads, -1)
        written = z[:, :, head] @ bridge.blocks[layer].attn.W_O[head].double()
        if not bridge.ln_final.uses_rms_norm:
            written = written - written.mean(-1, keepdim=True)
        logits = (written / scale * bridge.ln_final.weight.double()) @ bridge.W_U.double()
        by_query = [
            logits[:, q].gather(1, tokens[:, q + 1, None])[:, 0] - logits[:, q].mean(-1)
            for q in range(7, 12)
        ]
        np.testing.assert_allclose(found[:, layer, head], torch.stack(by_query).mean(0), atol=1e-5)


def test_outputs_have_an_error_over_sequences_in_which_each_length_counts_half(bridges):
    recall = bridges["recall"]
    prompts = RepeatedTokens(batch=6, block=(8, 20))
    drawn = prompts.draw(recall.tokenizer, recall.cfg.n_ctx, recall.cfg.d_vocab)

    found = measures.induction_scores(recall, prompts).outputs["L1H0"]

    of_head = run_repeated(as_runs(recall), drawn).outputs[:, 1, 0]
    short, long = np.split(of_head, [6])
    assert found.mean == pytest.approx((short.mean() + long.mean()) / 2)
    error = math.sqrt(short.var(ddof=1) / 6 + long.var(ddof=1) / 3) / 2
    assert found.error == pytest.approx(error)


def test_heads_that_nearly_have_the_role_have_outputs_too(bridges):
    found = measures.induction_scores(bridges["recall"])

    half = {str(head) for head, value in found.heads().items() if value >= 0.2}
    assert set(found.outputs) == set(found.profiles) == half


def test_where_logits_cannot_be_attributed_to_heads_scores_have_no_outputs(bridges):
    recall = bridges["recall"]

    sound = measures.induction_scores(recall)
    with recall.hooks(fwd_hooks=[("unembed.hook_in", lambda normalised, **_: 2 * normalised)]):
        unexplained = measures.induction_scores(recall)

    assert sound.outputs
    assert unexplained.values.tolist() == sound.values.tolist()
    assert unexplained.outputs == {}
