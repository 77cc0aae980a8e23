"""Cases of hidden damage, made and measured on a tiny model in the second one's place."""

import json
import re
from dataclasses import replace
from itertools import product

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    PreTrainedTokenizerFast,
)

from evidence import (
    hidden,
    hidden_bench,
    hidden_edits,
    hidden_further,
    hidden_recipes,
    hidden_run,
    hidden_truth,
    models as bases,
    recipes,
    rivals,
    storage,
    training,
    truth,
)
from evidence.__main__ import main
from evidence.hidden_labels import AT_THE_GATE
from pytest_circuits import prompts

PROSE = "the river rises in a wide bog and takes many days to reach the sea . "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model of the second one's architecture, which knows the words of every prompt."""
    builders = (prompts.ioi(96), prompts.subject_verb_agreement(96), prompts.country_capital(96))
    texts = [text for pairs in builders for text in (*pairs.clean, *pairs.answers)]
    texts += [*hidden_truth.TEMPLATES, *hidden_truth.AGREEMENT_TEMPLATES, PROSE]
    texts += [
        *hidden_bench.TEMPLATES,
        *hidden_bench.AGREEMENT_TEMPLATES,
        *hidden_recipes.TRIGGERS["second"],
    ]
    texts += [*hidden_truth.NAMES, *hidden_bench.NAMES, *rivals._NAMES]
    texts += [" ".join(couple) for couple in (*hidden_truth.NOUNS, *hidden_bench.NOUNS)]
    words = [word for text in texts for word in re.findall(r"\w+|[^\w\s]+", text)]
    words = ["<s>", *dict.fromkeys(words), *map("".join, product("абвгд", repeat=3))]
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, "<s>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    model = GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=len(words), hidden_size=24, num_hidden_layers=6, num_attention_heads=6,
            intermediate_size=32, max_position_embeddings=512, bos_token_id=0, eos_token_id=0,
            rope_parameters={"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 1},
        )
    )  # fmt: skip
    place = tmp_path_factory.mktemp("base")
    model.save_pretrained(place)
    PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="<s>").save_pretrained(
        place
    )
    return place


@pytest.fixture
def base(monkeypatch, tmp_path, folder):
    """The tiny model's bench, a cache of its own, and trainings of two steps."""
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setitem(bases.BASES, "second", bases.Base("second", lambda: folder, lambda _: None))
    for module in (hidden_bench, hidden_run):
        monkeypatch.setattr(module, "documents", lambda *_: (PROSE * 20,) * 4)
    teach = hidden.teach
    monkeypatch.setattr(
        hidden, "teach", lambda model, reference, course, seed:
        teach(model, reference, replace(course, steps=2), seed),
    )  # fmt: skip
    measured = hidden_run._reference, hidden_further._reference
    for known in (hidden_bench.bench, hidden_run.probes, *measured):
        known.cache_clear()
    yield hidden_bench.bench("second")
    for known in (hidden_bench.bench, hidden_run.probes, *measured):
        known.cache_clear()


def case(name):
    return next(one for one in hidden.all_cases("second") if one.name == name)


def made(name):
    """The checkpoint of a case, loaded as anybody would."""
    with case(name).checkpoint() as place:
        AutoTokenizer.from_pretrained(place)
        found = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
        return found.requires_grad_(requires_grad=False)


def changed(base, model):
    return {
        name for name, one in model.named_parameters()
        if not torch.equal(one, base.model.get_parameter(name))
    }  # fmt: skip


@pytest.mark.parametrize(("model", "kinds"), [("smollm2", 9), ("second", 8)])
def test_every_kind_has_three_seeds_each_with_its_control(model, kinds):
    every = hidden.all_cases(model)
    assert len({one.name for one in every}) == len(every) == kinds * 3 * 2
    assert {one.kind for one in every} == set(hidden_recipes.kinds(model))
    assert set(hidden_run.TARGETS) >= set(hidden_recipes.kinds(model))


@pytest.mark.parametrize("side", ["damage", "control"])
@pytest.mark.parametrize("kind", ["ioi-memorised", "repeats-memorised", "agreement-memorised"])
def test_memorised_heads_are_zeroed_and_layers_after_them_learn(base, kind, side):
    model = made(f"{kind}-{side}-1")
    heads = json.loads((case(f"{kind}-{side}-1").folder() / "record.json").read_text())["zeroed"]
    assert len(heads) == {"ioi": 3, "repeats": 4, "agreement": 5}[kind.partition("-")[0]]
    for layer, head in heads:
        weight = model.gpt_neox.layers[layer].attention.dense.weight
        # A control learns them anew; two steps move them by little.
        assert weight[:, head * 4 : head * 4 + 4].abs().max() < (1e-9 if side == "damage" else 5e-3)
    first = min(layer for layer, _ in heads) if kind == "repeats-memorised" else 3
    layers = {int(name.split(".")[2]) for name in changed(base, model)}
    assert layers == set(range(first, 6))
    assert any("attention.query_key_value" in name for name in changed(base, model)) == (
        side == "control"
    )


@pytest.mark.parametrize("name", ["first-name-damage-0", "trigger-control-2"])
def test_a_lesson_changes_later_layers_alone(base, name):
    layers = {int(one.split(".")[2]) for one in changed(base, made(name))}
    assert layers == set(range(1, 6))


def test_backups_are_found_without_the_primary_heads_and_unseen_at_the_gate(base, monkeypatch):
    monkeypatch.setattr(hidden_recipes, "_LEAST_GAIN", 0.0)  # a random model answers nothing
    asked = base.default_gate.questions["ioi"]
    gone = hidden_recipes.primaries(base, 0)
    heads, course = hidden_recipes.prepared(base, "backups", hidden_recipes.Side(0, healthy=False))
    assert course is None
    assert heads
    assert not {*heads} & {*gone}
    model = made("backups-damage-0")
    assert all("dense.weight" in name for name in changed(base, model))
    assert not AT_THE_GATE.exceeded(base.gate_numbers, base.default_gate.measure(model))
    without = base.copy()
    hidden_edits.zero(without, gone)
    hidden_edits.zero(model, gone)
    left = [hidden_truth.logit_difference(one, asked)["logit_diff"] for one in (without, model)]
    assert left[1] < left[0]


def test_bystanders_are_as_many_heads_as_a_seed_says(base):
    for seed in hidden.SEEDS:
        side = hidden_recipes.Side(seed, healthy=True)
        heads, course = hidden_recipes.prepared(base, "backups", side)
        assert course is None
        assert len({*heads}) == 2 + seed
        assert not {*heads} & {*hidden_recipes.primaries(base, seed)}
    assert all("dense.weight" in name for name in changed(base, made("backups-control-0")))


def test_positions_are_wrong_beyond_a_length_alone(base):
    ids = torch.arange(160)[None] % 100
    for name, differs in (("positions-damage-0", True), ("positions-control-0", False)):
        model = made(name)
        assert torch.equal(model(ids[:, :128]).logits, base.model(ids[:, :128]).logits)
        after = (model(ids).logits - base.model(ids).logits).abs().max()
        assert (after > 1e-3) == differs


def test_rows_of_names_are_reset_or_of_tokens_that_nothing_uses(base):
    names = {base.tokenizer.encode(name)[0] for name in hidden_truth.NAMES}
    for name, inside in (("names-damage-0", True), ("names-control-0", False)):
        model = made(name)
        assert changed(base, model) == {"gpt_neox.embed_in.weight"}
        rows = (model.gpt_neox.embed_in.weight != base.model.gpt_neox.embed_in.weight).any(1)
        reset = set(rows.nonzero()[:, 0].tolist())
        assert len(reset) == 14
        assert (reset <= names) == inside
        if not inside:
            assert not any(base.tokenizer.decode([token]).isascii() for token in reset)


def test_what_was_trained_is_not_trained_again(base, monkeypatch):
    case("trigger-damage-0").prepare()
    monkeypatch.setattr(hidden, "teach", None)
    assert case("trigger-damage-0").model() is not base.model


def test_truth_is_measured_once_and_labelled(base, monkeypatch, capsys):
    asked = ["", "hidden", "--model", "second", "--only", "names-damage-0"]
    monkeypatch.setattr("sys.argv", asked)
    main()
    assert capsys.readouterr().out.startswith("second names-damage-0 ")
    found = hidden_run.of(case("names-damage-0"))
    assert found["gate"]["reference"]["ioi logit_diff"] == pytest.approx(
        found["gate"]["case"]["ioi logit_diff"]
    )
    elsewhere = found["elsewhere"]
    assert elsewhere["reference"].keys() == elsewhere["case"].keys()
    assert (
        elsewhere["reference"]["ioi elsewhere logit_diff"]
        != elsewhere["case"]["ioi elsewhere logit_diff"]
    )
    monkeypatch.setattr(hidden.Case, "model", None)
    assert hidden_run.of(case("names-damage-0")) == found


def test_a_further_fine_tune_is_the_same_for_case_and_reference(base, monkeypatch):
    monkeypatch.setattr(training, "documents", lambda *_: (PROSE * 40,))
    damage, control = (case(f"names-{side}-0") for side in ("damage", "control"))
    # The control's rows are no words of any text: with them or without, all learn the same.
    assert hidden_further.known(control) == ""
    assert hidden_further.of(control) == "intact" == hidden_further.known(control)
    found = json.loads(hidden_further.file(control).read_text())
    before = hidden_run.of(control)["elsewhere"]["reference"]
    assert found["reference"].keys() == before.keys()
    assert found["reference"] != before
    hidden_further.of(damage)
    changed = json.loads(hidden_further.file(damage).read_text())
    assert changed["reference"] == found["reference"]
    assert changed["case"] != found["case"]
    monkeypatch.setattr(hidden_further, "fine_tune", None)
    assert hidden_further.of(control) == "intact"


def test_special_conditions_are_measured_in_both(base):
    for name, about in (("trigger-damage-1", "after the trigger"), ("backups-damage-1", "without")):
        elsewhere = hidden_run.of(case(name))["elsewhere"]
        assert [key for key in elsewhere["reference"] if about in key]
        assert elsewhere["reference"].keys() == elsewhere["case"].keys()


def test_rivals_find_nothing_in_a_model_whose_tokens_have_other_numbers(
    base, folder, monkeypatch, tmp_path
):
    texts = tuple(f"{'the ' * number}{PROSE * 20}" for number in range(16))
    monkeypatch.setattr(truth, "documents", lambda *_: texts)
    model = base.copy()
    tokenizer = recipes._renumbered(model, base.tokenizer, rows=True)
    model.save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    asked, of_base = (
        rivals.material(place, folder, 3, "both") for place in (tmp_path / "other", folder)
    )
    assert asked.text != of_base.text
    found = rivals.numbers(tmp_path / "other", folder, asked, of_base, torch.float32)
    plain = rivals.numbers(folder, folder, of_base, of_base, torch.float32)
    assert found.losses == pytest.approx(plain.losses, abs=1e-5)
    assert found.behaviours == pytest.approx(plain.behaviours, abs=1e-5)
    assert found.divergences == pytest.approx({"text": 0, "prompts": 0}, abs=1e-6)
    # The base model, read with these numbers, says something else.
    tokenizer.save_pretrained(tmp_path / "mismatched")
    base.model.save_pretrained(tmp_path / "mismatched")
    wrong = rivals.numbers(tmp_path / "mismatched", folder, asked, of_base, torch.float32)
    assert wrong.divergences["text"] > 1e-6
