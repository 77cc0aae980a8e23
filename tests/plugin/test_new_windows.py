"""New prompts that are longer than a test's: windows of attention, and models that break there."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import Starcoder2Config, Starcoder2ForCausalLM

import pytest_circuits

RECALL = Path(pytest_circuits.__file__).parent / "models/bundled/recall"
TESTS = """
from pytest_circuits import prompts

TOKENS = prompts.repeated_tokens(block=8)
PAIRS = prompts.repeated_phrases(n=8, length=5)


def test_loss(circuits, circuit_snapshot):
    assert circuits.repeat_loss(TOKENS) == circuit_snapshot


def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores(TOKENS) == circuit_snapshot


def test_answer(circuits, circuit_snapshot):
    assert circuits.logit_diff(PAIRS) == circuit_snapshot
"""


def half_turned(weight):
    """Rotary pairs side by side, as recall has them, to first and second halves."""
    return weight.unflatten(0, (4, 8, 2)).transpose(1, 2).flatten(0, 2)


def save(folder, window, context):
    """The bundled model as a Starcoder2, which may have a window; without MLPs."""
    found = load_file(RECALL / "model.safetensors")
    torch.manual_seed(0)
    model = Starcoder2ForCausalLM(
        Starcoder2Config(
            vocab_size=65, hidden_size=64, intermediate_size=16, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=context,
            norm_epsilon=1e-5, sliding_window=window, tie_word_embeddings=False,
            bos_token_id=0, eos_token_id=0, residual_dropout=0.0, embedding_dropout=0.0,
        )
    )  # fmt: skip
    state = model.state_dict()
    state["model.embed_tokens.weight"] = found["tok_embed.weight"]
    state["lm_head.weight"] = found["head.weight"]
    for part in ("weight", "bias"):
        state[f"model.norm.{part}"] = found[f"ln_out.{part}"]
        for layer in (0, 1):
            ours, theirs = f"layers.{layer}", f"model.layers.{layer}"
            state[f"{theirs}.input_layernorm.{part}"] = found[f"{ours}.ln1.{part}"]
            state[f"{theirs}.mlp.c_proj.{part}"].zero_()
            for name in "qkvo":
                value = found[f"{ours}.attn.{name}.{part}"]
                state[f"{theirs}.self_attn.{name}_proj.{part}"] = (
                    half_turned(value) if name in "qk" else value
                )
    model.load_state_dict(state)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(RECALL / name, folder)


@pytest.fixture
def windowed(suite):
    """A suite on the model without a window, and a candidate that has one, with its weights."""
    return approved(suite, None, 12)


def approved(suite, before, after, context=129):
    """A suite on the model with a window, and a candidate that has another one."""
    save(suite.path / "whole", before, context)
    save(suite.path / "narrow", after, context)
    (suite.path / "pytest.ini").write_text("[pytest]\ncircuits_models =\n    whole = ./whole\n")
    suite.write("test_it.py", TESTS)
    suite.approve()
    return suite


def judged(suite):
    """The run, and what it said of each test."""
    report = suite.path / "report.json"
    result = suite.run("--circuits", "--circuits-model=cand=./narrow", f"--circuits-json={report}")
    tests = json.loads(report.read_text(encoding="utf-8"))["tests"]
    return result, {test["test"].rpartition("::")[2]: test["verdicts"]["cand"] for test in tests}


def test_between_a_shorter_window_and_the_references_own_new_prompts_look_too(suite):
    """Beyond 24 tokens the reference repeats nothing either; the harm is from 12 to 24."""
    result, found = judged(approved(suite, 24, 12))
    assert result.ret == 1
    assert found["test_heads"]["settlement"]["outcome"] == "fails"
    names = [each["name"] for each in found["test_heads"]["settlement"]["behaviours"]]
    assert "repeat_loss, block 13" in names


def test_nothing_holds_where_no_block_is_longer_than_the_window(suite):
    _, found = judged(approved(suite, None, 32, context=65))
    settlement = found["test_heads"]["settlement"]
    assert settlement["outcome"] == "not settled"
    assert settlement["why"] == "no new prompts are longer than the attention window of 32 tokens"


def test_the_same_weights_with_a_window_are_settled_beyond_it(windowed):
    result, found = judged(windowed)
    assert result.ret == 1
    for name in ("test_loss", "test_heads"):
        assert found[name]["settlement"]["outcome"] == "fails"
        # Just beyond the window, and farther: what still works at 13 tokens may fail at 24.
        blocks = {each["name"] for each in found[name]["settlement"]["behaviours"]}
        assert {"repeat_loss, block 13", "repeat_loss, block 24"} <= blocks
        assert found[name]["headline"].startswith("hidden damage, fails on new prompts: repeat")
    # On prompts that are shorter than the window nothing shows, and so nothing is settled.
    answer = found["test_answer"]
    assert answer["settlement"]["outcome"] == "not settled"
    assert "too short to reach beyond the window" in answer["headline"]
    result.stdout.no_fnmatch_line("*tolerance 0.00*")


#: A candidate with a stronger head that breaks where a block of 16 tokens is repeated: new prompts
#: have such blocks, and neither the suite nor the canary do.
BROKEN = """
from transformers import AutoTokenizer, Starcoder2ForCausalLM


class Broken(Starcoder2ForCausalLM):
    def forward(self, *args, **kwargs):
        found = super().forward(*args, **kwargs)
        ids = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
        if ids.shape[1] > 32 and (ids[:, 1:17] == ids[:, 17:33]).all():
            {what}
        return found


def make():
    return Broken.from_pretrained("louder"), AutoTokenizer.from_pretrained("louder")


make.fingerprint = "{what}"
"""


@pytest.fixture
def louder(suite):
    """A suite on the model without a window, and one of whose heads one writes more."""
    save(suite.path / "whole", None, 129)
    save(suite.path / "louder", None, 129)
    model = Starcoder2ForCausalLM.from_pretrained(suite.path / "louder")
    with torch.no_grad():
        model.model.layers[1].self_attn.o_proj.weight[:, 48:] *= 1.2
    model.save_pretrained(suite.path / "louder")
    suite.write("pytest.ini", "[pytest]\npythonpath = .\ncircuits_models =\n    whole = ./whole\n")
    suite.write(
        "test_it.py",
        "from pytest_circuits import prompts\n\n"
        "TOKENS = prompts.repeated_tokens(block=8)\n\n\n"
        "def test_ablation(circuits, circuit_snapshot):\n"
        '    assert circuits.ablate(TOKENS, heads="each") == circuit_snapshot\n',
    )
    suite.approve()
    return suite


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ('found.logits = found.logits * float("nan")', "not finite"),
        ('raise RuntimeError("index out of range")', "RuntimeError('index out of range')"),
    ],
)
def test_a_model_that_gives_no_numbers_on_longer_prompts_fails(louder, what, why):
    louder.write("makes.py", BROKEN.format(what=what.replace('"', "'")))
    report = louder.path / "report.json"
    result = louder.run(
        "--circuits", "--circuits-model=cand=makes:make", f"--circuits-json={report}"
    )
    (test,) = json.loads(report.read_text(encoding="utf-8"))["tests"]
    settlement = test["verdicts"]["cand"]["settlement"]
    assert (result.ret, settlement["outcome"]) == (1, "fails")
    assert why in settlement["why"]
    assert why in test["verdicts"]["cand"]["headline"]


def test_what_only_writes_more_holds(louder):
    report = louder.path / "report.json"
    result = louder.run("--circuits", "--circuits-model=cand=./louder", f"--circuits-json={report}")
    (test,) = json.loads(report.read_text(encoding="utf-8"))["tests"]
    assert (result.ret, test["verdicts"]["cand"]["settlement"]["outcome"]) == (0, "holds")
