"""Models that have attention in some layers only, or in none."""

import json

import numpy as np
import pytest
import torch
import transformers

from pytest_circuits.testing import WORDS, draw_parameters, word_tokenizer

SIZES = {
    "vocab_size": 1 + len(WORDS),
    "hidden_size": 32,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
#: Short convolutions in the first and the last layer.
SOME = transformers.Lfm2Config(
    **SIZES,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    layer_types=["conv", "full_attention", "conv"],
)
NONE = transformers.MambaConfig(**SIZES, num_hidden_layers=2, state_size=8)

CLEAN = ("a b c d a", "e f g h e", "i j k l i", "b d f h b", "c e g i c", "d g j a d")
CORRUPTED = ("a k c d a", "e c g h e", "i a k l i", "b l f h b", "c h g i c", "d b j a d")

TESTS = """
from pytest_circuits import PromptPairs

PAIRS = PromptPairs(clean={clean}, corrupted={corrupted}, answers={right}, wrong_answers={wrong})


def test_behaviour(circuits, circuit_snapshot):
    assert circuits.logit_diff(PAIRS) == circuit_snapshot


def test_stream(circuits, circuit_snapshot):
    assert circuits.patch(PAIRS, site="resid_pre", positions=["END"]) == circuit_snapshot


def test_components(circuits, circuit_snapshot):
    assert circuits.component_attribution(PAIRS) == circuit_snapshot


def test_heads(circuits, circuit_snapshot):
    assert circuits.ablate(PAIRS, heads="each", value="zero") == circuit_snapshot
"""


@pytest.fixture
def suite_of(suite):
    """A suite with a test of each kind, over a model of either configuration."""

    def of(config, seed=0):
        model = transformers.AutoModelForCausalLM.from_config(config)
        draw_parameters(model, seed)
        model.eval().save_pretrained(suite.path / "model")
        tokenizer = word_tokenizer()
        tokenizer.save_pretrained(suite.path / "model")
        # Answers that the model prefers on the clean prompts, and not on the corrupted ones.
        clean, corrupted = (
            model(torch.tensor(tokenizer(list(texts)).input_ids)).logits[:, -1, 1:].detach()
            for texts in (CLEAN, CORRUPTED)
        )
        preferred = 2 * clean - corrupted
        right, wrong = (
            tokenizer.convert_ids_to_tokens((best + 1).tolist())
            for best in (preferred.argmax(1), preferred.argmin(1))
        )
        suite.ini("model = ./model")
        suite.write(
            "test_model.py",
            TESTS.format(clean=CLEAN, corrupted=CORRUPTED, right=right, wrong=wrong),
        )
        return suite

    return of


def test_heads_are_measured_in_the_layers_that_have_them(suite_of):
    suite = suite_of(SOME)
    files = suite.approve()

    stored = json.loads(files["model/test_model/test_heads.json"].read_text())
    (finding,) = stored["findings"]
    values = np.array(finding["values"], dtype=float)
    assert values.shape == (3, 4)
    assert np.isnan(values[[0, 2]]).all()
    assert np.isfinite(values[1]).all()
    text = files["model/test_model/test_components.json"].read_text()
    assert [f"L{n} {part}" in text for n in range(3) for part in ("attn", "mixer", "mlp")] == [
        *(False, True, True),
        *(True, False, True),
        *(False, True, True),
    ]

    again = suite.run("--circuits", "--circuits-fresh", "--circuits-report=out")
    again.assert_outcomes(passed=4)
    page = (suite.path / "out" / "report.html").read_text()
    assert "layer 0 has no heads" in page


def test_a_model_without_heads_has_behaviours_and_refuses_what_needs_heads(suite_of):
    suite = suite_of(NONE)
    result = suite.run("--circuits", "--snapshot-update")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines_random(
        "*ablate on model: MambaForCausalLM has no head_out: transformer-lens shows no "
        "attention heads in it."
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    suite.run("--circuits", "-k", "behaviour or stream or components").assert_outcomes(
        passed=3, deselected=1
    )
