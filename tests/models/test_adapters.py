from __future__ import annotations

import json
import os
import shutil
import warnings

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from models.folders import load_folder, refusal
from models.small_adapters import edit_adapter_config, small_adapter
from peft import IA3Config, LoHaConfig, LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from pytest_circuits.measures import induction_scores
from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.models.loading import open_checkpoint
from pytest_circuits.session.cache_keys import identify
from pytest_circuits.testing import WORDS, tiny_checkpoint, word_tokenizer

TOKENS = torch.arange(1, 31).reshape(2, 15)
ATTENTION = ["q_proj", "v_proj"]

# peft asks transformers for what that calls deprecated, when it makes an adapter.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A checkpoint ``base`` and an ``adapter`` on it."""
    folder = tmp_path_factory.mktemp("made")
    tiny_checkpoint(folder / "base")
    with pytest.warns(FutureWarning, match="is_gradient_checkpointing"):
        small_adapter(folder / "adapter", folder / "base")
    return folder


@pytest.fixture
def adapter(made, tmp_path):
    return shutil.copytree(made / "adapter", tmp_path / "adapter")


def opened(folder):
    return open_checkpoint(parse_source(str(folder)))


def logits(model):
    with torch.no_grad():
        return model.bridge(TOKENS, return_type="logits")


def plain_logits(base, *adapters, vocabulary=None):
    """The logits that users of peft get."""
    model = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager")
    if vocabulary:
        model.resize_token_embeddings(vocabulary, mean_resizing=False)
    for number, folder in enumerate(adapters):
        model = PeftModel.from_pretrained(model, folder).merge_and_unload()
        if number < len(adapters) - 1:
            vars(model).pop("peft_config", None)
    with torch.no_grad():
        return model.eval()(TOKENS).logits


def edit_tensors(folder, edit):
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path, {"format": "pt"})


KINDS = {
    "LoRA": LoraConfig(r=4, target_modules=ATTENTION),
    "rank-stabilised": LoraConfig(
        r=4,
        lora_alpha=3,
        use_rslora=True,
        target_modules=["up_proj"],
        rank_pattern={"0.mlp.up_proj": 2},
    ),
    "DoRA": LoraConfig(r=4, use_dora=True, target_modules=ATTENTION),
    "LoHa": LoHaConfig(r=4, target_modules=ATTENTION),
    "IA3": IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "whole modules": LoraConfig(r=4, target_modules=ATTENTION, modules_to_save=["lm_head"]),
    "single tokens": LoraConfig(r=4, target_modules=ATTENTION, trainable_token_indices=[1, 2]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_peft(made, tmp_path, kind):
    folder = small_adapter(tmp_path, made / "base", KINDS[kind])

    model = load_folder(folder)

    assert (logits(model) - plain_logits(made / "base")).abs().max() > 0.1
    torch.testing.assert_close(logits(model), plain_logits(made / "base", folder), atol=0, rtol=0)


@pytest.mark.parametrize("targets", [["wte", "c_attn"], ["lm_head", "c_attn"]])
def test_a_tied_end_that_is_adapted_leaves_the_other_alone(tmp_path, targets):
    base = tiny_checkpoint(tmp_path / "base", "gpt2")
    config = LoraConfig(r=4, lora_alpha=16, target_modules=targets, fan_in_fan_out=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # peft says that the ends are tied
        adapter = small_adapter(tmp_path / "adapter", base, config)
        on_top = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
        model = load_folder(adapter)
        merged = plain_logits(base, adapter)

    with torch.no_grad():
        expected = on_top.eval()(TOKENS).logits
    assert (merged - expected).abs().max() > 0.05  # what peft's own merging makes of it
    torch.testing.assert_close(logits(model), expected, atol=1e-4, rtol=0)


def test_what_cannot_be_merged_exactly_is_refused(made, tmp_path):
    config = LoraConfig(r=4, target_modules=ATTENTION, layer_replication=[(0, 2), (1, 2)])
    adapter = small_adapter(tmp_path, made / "base", config)

    assert "gives other logits than on top of it" in refusal(adapter)


def test_a_field_that_this_peft_does_not_know_is_refused(adapter):
    edit_adapter_config(adapter, brand_new_field=2)

    assert "brand_new_field" in refusal(adapter)


def test_weights_that_are_cut_short_are_named(adapter):
    path = adapter / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:50])

    assert refusal(adapter).startswith(f"{adapter}: adapter_model.safetensors can't be read:\n")


def test_an_adapter_is_ready_to_measure(made):
    model = load_folder(made / "adapter")

    assert not any(module.training for module in model.bridge.modules())
    assert not any(parameter.requires_grad for parameter in model.bridge.parameters())
    assert not any("lora" in name for name, _ in model.bridge.named_modules())
    assert model.bridge.tokenizer.encode("a b") == [0, 1, 2]
    assert np.isfinite(induction_scores(model.bridge).values).all()


def test_it_draws_no_random_numbers_of_the_tests(made):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)

    load_folder(made / "adapter")

    assert torch.rand(1) == expected


def test_adapters_go_on_adapters(made, tmp_path):
    second = small_adapter(tmp_path / "second", made / "base", KINDS["DoRA"], seed=2)
    edit_adapter_config(second, base_model_name_or_path=str(made / "adapter"))

    model = load_folder(second)

    torch.testing.assert_close(
        logits(model), plain_logits(made / "base", made / "adapter", second), atol=0, rtol=0
    )
    names = [path.parent.name for path in model.checkpoint.weights()]
    assert names == ["second", "adapter", "base"]


@pytest.mark.parametrize("beside", [True, False])
def test_a_relative_base_is_looked_for_beside_the_adapter_and_then_here(
    made, tmp_path, monkeypatch, beside
):
    where = tmp_path / "models" if beside else tmp_path
    shutil.copytree(made / "adapter", tmp_path / "models/adapter")
    shutil.copytree(made / "base", where / "base")
    edit_adapter_config(
        tmp_path / "models/adapter", base_model_name_or_path="../base" if beside else "base"
    )
    monkeypatch.chdir(tmp_path)

    weights = load(parse_source("models/adapter")).checkpoint.weights()

    assert weights[1].resolve() == where / "base/model.safetensors"


def test_an_adapter_and_its_base_come_from_the_hub(made, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name, folder, commit in (("base", "base", "b" * 40), ("lora", "adapter", "a" * 40)):
        model = tmp_path / f"models--org--{name}"
        shutil.copytree(made / folder, model / "snapshots" / commit)
        (model / "refs").mkdir()
        (model / "refs" / ("v2" if name == "base" else "main")).write_text(commit)
    cached = tmp_path / "models--org--lora/snapshots" / ("a" * 40)
    edit_adapter_config(cached, base_model_name_or_path="org/base", revision="v2")

    model = load(parse_source("org/lora"))

    assert torch.equal(logits(model), plain_logits(made / "base", made / "adapter"))

    edit_adapter_config(cached, revision="v3")
    with pytest.raises(ModelError, match="org/base: revision 'v3' is not in the local hub cache"):
        load(parse_source("org/lora"))

    edit_adapter_config(cached, base_model_name_or_path="os:getcwd", revision=None)
    with pytest.raises(ModelError) as error:
        load(parse_source("org/lora"))
    assert "os:getcwd: an adapter from the hub can't say which code to run." in str(error.value)


def test_weights_have_the_dtype_of_the_base(tmp_path):
    base = tiny_checkpoint(tmp_path / "base", dtype="bfloat16")
    adapter = small_adapter(tmp_path / "adapter", base)

    own, asked = load_folder(adapter), load_folder(adapter, dtype="float32")

    assert (own.dtype, own.checkpoint.dtype("auto")) == ("bfloat16", "bfloat16")
    assert {parameter.dtype for parameter in own.bridge.parameters()} == {torch.bfloat16}
    assert {parameter.dtype for parameter in asked.bridge.parameters()} == {torch.float32}
    torch.testing.assert_close(logits(own), plain_logits(base, adapter), atol=0, rtol=0)


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
@pytest.mark.parametrize("trained", [None, ["embed_tokens", "lm_head"]])
def test_added_tokens_come_with_their_embeddings_and_tokenizer(made, tmp_path, trained):
    vocabulary = 1 + len(WORDS) + 2
    adapter = small_adapter(
        tmp_path,
        made / "base",
        LoraConfig(r=4, target_modules=ATTENTION, modules_to_save=trained),
        edit=lambda model: model.resize_token_embeddings(vocabulary, mean_resizing=False),
    )
    word_tokenizer([*WORDS, "omega", "psi"]).save_pretrained(adapter)

    model = load_folder(adapter)

    assert model.bridge.cfg.d_vocab == vocabulary
    assert model.bridge.tokenizer.encode("omega") == [0, vocabulary - 2]
    expected = plain_logits(made / "base", adapter, vocabulary=vocabulary)
    torch.testing.assert_close(logits(model), expected, atol=0, rtol=0)


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
def test_new_rows_that_were_not_saved_are_refused(made, tmp_path):
    adapter = small_adapter(
        tmp_path, made / "base", edit=lambda model: model.resize_token_embeddings(45)
    )
    edit_tensors(adapter, lambda tensors: tensors.pop("base_model.model.lm_head.weight"))

    assert refusal(adapter) == (
        f"{adapter}: the adapter resizes model.embed_tokens to 45 tokens, but does not bring the "
        "new rows of lm_head.\n"
        "Save it again with model.save_pretrained(folder, save_embedding_layers=True)."
    )


def identity(folder):
    checkpoint = opened(folder)
    return checkpoint.fingerprint(), checkpoint.rest()


def test_saved_again_it_is_the_same_wherever_its_base_is(made, adapter, tmp_path):
    before = identity(made / "adapter")
    moved = shutil.copytree(made / "base", tmp_path / "elsewhere")
    listed = json.loads((adapter / "adapter_config.json").read_text())["target_modules"]

    edit_adapter_config(
        adapter, base_model_name_or_path=str(moved), target_modules=list(reversed(listed))
    )
    (adapter / "README.md").write_text(f"base_model: {moved}")

    assert identity(adapter) == before
    assert load_folder(adapter).fingerprint == before[0]


def test_other_tensors_another_base_and_another_scale_tell_it_apart(made, adapter, tmp_path):
    prints = [identity(adapter)]
    edit_adapter_config(adapter, lora_alpha=17)
    prints.append(identity(adapter))
    other = tiny_checkpoint(tmp_path / "other", seed=1)
    edit_adapter_config(adapter, lora_alpha=16, base_model_name_or_path=str(other))
    prints.append(identity(adapter))
    edit_adapter_config(adapter, base_model_name_or_path=str(made / "base"))
    assert identity(adapter) == prints[0]
    edit_tensors(adapter, lambda tensors: next(iter(tensors.values())).mul_(2))
    prints.append(identity(adapter))

    assert len(set(prints)) == 4
    (first, rest), (scaled, scaled_rest), *others = prints
    assert scaled == first
    assert scaled_rest != rest
    assert first not in {weights for weights, _ in others}


def test_its_files_are_its_own_and_the_bases(adapter, made):
    (adapter / "training_args.bin").write_bytes(b"")

    checkpoint = opened(adapter)

    names = {(path.parent.name, path.name) for path in checkpoint.files()}
    assert {
        ("adapter", "adapter_config.json"),
        ("adapter", "adapter_model.safetensors"),
        ("base", "config.json"),
        ("base", "model.safetensors"),
    } < names
    assert not any(name.endswith((".md", ".bin")) for _, name in names)


def assert_base_is_refused(adapter, named, said):
    edit_adapter_config(adapter, base_model_name_or_path=named)
    assert refusal(adapter) == (
        f"{adapter}: the base of this adapter can't be used.\n{said}\n"
        f"Name its base as base_model_name_or_path in {adapter / 'adapter_config.json'}."
    )


def test_a_base_that_is_not_there_is_named(adapter):
    assert_base_is_refused(
        adapter,
        "./gone",
        "'./gone' is no model source: there is no such file or folder.\n"
        "A source is bundled:NAME (recall, recall-finetuned, recall-regressed), the folder of a "
        "checkpoint or\nof an adapter, a .gguf file, a hub id with or without a revision "
        "(org/name@revision),\nor package.module:factory.",
    )


@pytest.mark.parametrize("named", [None, "", 7])
def test_an_adapter_without_a_base_is_refused(adapter, named):
    assert_base_is_refused(adapter, named, "There is none: base_model_name_or_path is empty.")


def test_a_native_base_is_refused(adapter):
    assert_base_is_refused(
        adapter,
        "bundled:recall",
        "bundled:recall: this is no Hugging Face model, so no adapter can be put on it.",
    )


def test_a_base_of_itself_is_refused(adapter, made, tmp_path):
    assert_base_is_refused(adapter, str(adapter), f"{adapter}: this adapter is a base of itself.")

    other = shutil.copytree(made / "adapter", tmp_path / "other")
    edit_adapter_config(other, base_model_name_or_path=str(adapter))
    edit_adapter_config(adapter, base_model_name_or_path=str(other))

    assert f"{adapter}: this adapter is a base of itself." in refusal(adapter)


def test_pickled_adapters_are_not_loaded(adapter):
    (adapter / "adapter_model.safetensors").unlink()
    torch.save({}, adapter / "adapter_model.bin")
    # Else peft would read the other one.
    save_file({}, adapter / "model.safetensors")

    assert refusal(adapter) == (
        f"{adapter}: the weights are pickled (adapter_model.bin), which could run any code; "
        "they are not loaded.\n"
        "Save them as safetensors, as model.save_pretrained(folder) does today."
    )


def test_an_adapter_without_weights_is_refused(adapter):
    (adapter / "adapter_model.safetensors").unlink()

    assert refusal(adapter).startswith(
        f"{adapter}: there are no weights (adapter_model.safetensors).\n"
    )


def test_prompts_that_were_tuned_are_refused(made, tmp_path):
    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(made / "base"), config)
    model.save_pretrained(tmp_path)

    assert refusal(tmp_path) == (
        f"{tmp_path}: an adapter of kind PROMPT_TUNING can't be merged into its base's weights.\n"
        "Those that can are loaded: LoRA, DoRA, LoHa, LoKr, IA3 and others of peft's."
    )


def test_no_module_that_an_adapter_names_is_imported(adapter, tmp_path, monkeypatch):
    (tmp_path / "named_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    edit_adapter_config(adapter, megatron_config={"tp_size": 1}, megatron_core="named_module")

    assert refusal(adapter) == (
        f"{adapter}: adapter_config.json has a megatron_config, for which peft would import the "
        f"module that it names (named_module).\n"
        f"No code that an adapter names is run. Merge it yourself, and save the whole model."
    )
    assert not (tmp_path / "ran").exists()


def assert_misfit(adapter, base, said):
    assert refusal(adapter) == (
        f"{adapter}: the adapter doesn't fit its base, {base}.\n{said}\n"
        f"Name the model that it was trained on as base_model_name_or_path in "
        f"{adapter / 'adapter_config.json'}."
    )


def test_tensors_that_are_missing_are_named(adapter, made):
    edit_tensors(
        adapter, lambda tensors: [tensors.pop(name) for name in sorted(tensors) if "1.self" in name]
    )

    assert_misfit(
        adapter,
        made / "base",
        "missing: base_model.model.model.layers.1.self_attn.q_proj.lora_A.default.weight "
        "and 3 more",
    )


def test_whole_modules_that_are_missing_are_named(made, tmp_path):
    adapter = small_adapter(tmp_path, made / "base", KINDS["whole modules"])
    edit_tensors(adapter, lambda tensors: tensors.pop("base_model.model.lm_head.weight"))

    assert_misfit(adapter, made / "base", "missing: base_model.model.lm_head.weight")


def test_tensors_that_the_base_has_no_place_for_are_named(adapter, made):
    name = "base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight"
    edit_tensors(adapter, lambda tensors: tensors.update({name: torch.ones(4, 32)}))

    assert_misfit(adapter, made / "base", f"not in the base: {name}")


def test_tensors_of_another_shape_are_named(adapter, made):
    edit_adapter_config(adapter, r=2)

    message = refusal(adapter)
    assert message.startswith(f"{adapter}: the adapter doesn't fit its base, {made / 'base'}.\n")
    assert "size mismatch for base_model.model.model.layers.0.self_attn.q_proj.lora_A" in message


def test_a_base_of_another_architecture_is_refused(adapter, tmp_path):
    base = tiny_checkpoint(tmp_path / "gpt2", "gpt2")
    edit_adapter_config(adapter, base_model_name_or_path=str(base))

    message = refusal(adapter)
    assert message.startswith(f"{adapter}: the adapter doesn't fit its base, {base}.\n")
    assert "q_proj" in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "adapter_config.json is not JSON ("),
        ("[]", "adapter_config.json holds no JSON object."),
        (
            '{"peft_type": "MAGIC", "base_model_name_or_path": "BASE"}',
            "peft can't read adapter_config.json:\n",
        ),
    ],
)
def test_a_config_that_says_nothing_is_refused(made, adapter, content, said):
    (adapter / "adapter_config.json").write_text(content.replace("BASE", str(made / "base")))

    assert said in refusal(adapter)


def test_a_missing_peft_is_told(adapter, monkeypatch):
    monkeypatch.setattr("pytest_circuits.models.errors.find_spec", lambda name: None)

    assert refusal(adapter) == (
        f"{adapter}: an adapter needs peft, which is not installed.\n"
        'pip install "pytest-circuits[peft]"'
    )


def test_an_adapter_is_another_when_the_function_that_makes_its_base_says_so(
    adapter, tmp_path, monkeypatch
):
    said = tmp_path / "said.txt"
    (tmp_path / "base_maker.py").write_text(
        f"from pathlib import Path\n"
        f"def make():\n    raise AssertionError\n"
        f"make.fingerprint = Path({str(said)!r}).read_text\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    edit_adapter_config(adapter, base_model_name_or_path="base_maker:make")
    for path in (*adapter.iterdir(), tmp_path / "base_maker.py"):
        os.utime(path, (1, 1))  # long enough ago to be noted
    found = []
    for text in ("first", "second"):
        said.write_text(text)
        identity = identify(parse_source(str(adapter)), "cpu", "float32", notes=tmp_path / "notes")
        found.append(identity.weights)

    assert found[0] != found[1]
    assert all(each.startswith("factory-sha256:") for each in found)
