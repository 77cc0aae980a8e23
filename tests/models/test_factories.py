"""Functions of the user's own that make a model."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM

from pytest_circuits.forward import Runs
from pytest_circuits.models import ModelError, ModelPool, load, parse_source
from pytest_circuits.models.loading import open_checkpoint
from pytest_circuits.testing import tiny_checkpoint

TOKENS = torch.arange(1, 31).reshape(2, 15)

ZOO = """
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaAttention

from pytest_circuits.models import load, parse_source
from pytest_circuits.testing import perfect_induction_model, word_tokenizer

FOLDER = {folder!r}


class MyLlama(LlamaForCausalLM):
    pass


class MyConfig(LlamaConfig):
    model_type = "mine"


class MyOther(LlamaForCausalLM):
    config_class = MyConfig


class Louder(LlamaAttention):
    def forward(self, hidden_states, *args, **options):
        return super().forward(2 * hidden_states, *args, **options)


def parts(kind=AutoModelForCausalLM):
    return kind.from_pretrained(FOLDER), AutoTokenizer.from_pretrained(FOLDER)


def hooked():
    return load(parse_source(FOLDER)).bridge


def hooked_pair():
    model = hooked()
    tokenizer, model.tokenizer = model.tokenizer, None
    return [model, tokenizer]


def with_its_tokenizer():
    model, model.tokenizer = parts()
    return model


def in_its_folder():
    return parts()[0]


def own_class():
    return parts(MyLlama)


def own_class_of_own_type():
    model, tokenizer = parts(MyOther)
    model.config.architectures = ["MyOther"]
    return model, tokenizer


def training():
    model, tokenizer = parts()
    return model.train(), tokenizer


class Makers:
    class Tiny:
        @staticmethod
        def make():
            return parts()


def own_attention():
    model, tokenizer = parts()
    for number, layer in enumerate(model.model.layers):
        own = Louder(model.config, number)
        own.load_state_dict(layer.self_attn.state_dict())
        layer.self_attn = own
    return model, tokenizer


ASKED = []


def asks(*, dtype, device="elsewhere"):
    ASKED.append((device, dtype))
    return parts()


def silenced():
    model = hooked()
    model.add_hook("blocks.0.attn.hook_z", lambda z, hook: z * 0, is_permanent=True)
    return model


ONCE = parts()
HOOKED_ONCE = hooked()


def once():
    return ONCE


def hooked_once():
    return HOOKED_ONCE


def nothing():
    pass


def number():
    return 3


def triple():
    return 1, "two", 3.0


def without_tokenizer():
    model = parts()[0]
    model.config._name_or_path = model.name_or_path = ""
    return model


def with_no_tokenizer():
    return parts()[0], "tokenizer"


def raises():
    def deeper():
        return Path("/nowhere/at/all.txt").read_text()

    return deeper()


def needs(path, *rest, device):
    pass


class Thing:
    attribute = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoints") / "llama")


@pytest.fixture(scope="module")
def expected(folder):
    """The logits of plain transformers, a model for each dtype."""

    def logits(dtype):
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, attn_implementation="eager"
        )
        with torch.no_grad():
            return model(TOKENS).logits

    return logits


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a module that can be imported in this test alone."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = []

    def module(name, text):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        names.append(name.replace("/", ".").removesuffix(".__init__"))
        sys.modules.pop(names[-1], None)
        return path

    yield module
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def lab(write, folder):
    return write("lab", ZOO.format(folder=str(folder)))


def factory(name):
    return parse_source(f"lab:{name}")


def refusal(source, **choices):
    with pytest.raises(ModelError) as error:
        load(parse_source(source), **choices)
    lines = str(error.value).splitlines()
    assert len(lines) <= 6
    return lines


# What a factory may return


@pytest.mark.parametrize(
    "name",
    [
        "hooked",
        "hooked_pair",
        "parts",
        "with_its_tokenizer",
        "in_its_folder",
        "own_class",
        "own_class_of_own_type",
        "training",
        "Makers.Tiny.make",
    ],
)
def test_what_it_returns_is_hooked_and_computes_what_transformers_does(lab, expected, name):
    loaded = load(factory(name))

    assert (loaded.bridge(TOKENS) - expected(torch.float32)).abs().max() < 1e-5
    assert (loaded.device, loaded.dtype) == ("cpu", "float32")
    assert loaded.bridge.to_tokens("alpha beta").tolist() == [[0, 27, 28]]
    assert not any(module.training for module in loaded.bridge.modules())
    assert not any(weight.requires_grad for weight in loaded.bridge.parameters())


@pytest.mark.parametrize("name", ["hooked", "parts"])
def test_the_dtype_that_is_asked_for_is_that_of_a_checkpoint(lab, folder, name):
    loaded = load(factory(name), dtype="bfloat16")
    same = load(parse_source(str(folder)), dtype="bfloat16")

    assert loaded.dtype == "bfloat16"
    assert loaded.bridge.cfg.dtype == torch.bfloat16
    assert torch.equal(loaded.bridge(TOKENS), same.bridge(TOKENS))


@pytest.mark.parametrize("dtype", ["auto", "float64"])
def test_device_and_dtype_are_given_to_a_factory_that_takes_them(lab, dtype):
    load(factory("asks"), "cpu", dtype)

    assert [("cpu", dtype)] == sys.modules["lab"].ASKED


def test_a_factory_in_a_package_is_imported(write, tmp_path, folder):
    (tmp_path / "shop").mkdir()
    write("shop/__init__", "")
    write("shop/models", ZOO.format(folder=str(folder)))

    assert load(parse_source("shop.models:parts")).bridge.cfg.n_layers == 2


def test_a_plain_model_is_there_for_adapters(lab, expected):
    model, tokenizer = open_checkpoint(factory("own_class")).plain("auto")

    with torch.no_grad():
        assert (model(TOKENS).logits - expected(torch.float32)).abs().max() < 1e-5
    assert tokenizer("alpha").input_ids == [0, 27]


def test_a_hooked_model_is_no_base_for_an_adapter(lab):
    with pytest.raises(ModelError, match="gave a model that is hooked already, so no adapter"):
        open_checkpoint(factory("hooked")).plain("auto")


# What it makes anew, and what belongs to its model


def test_hooks_that_a_factory_put_on_its_model_belong_to_it(lab):
    model = load(factory("silenced")).bridge
    runs = Runs(model)
    before = model(TOKENS)
    assert not torch.equal(before, load(factory("hooked")).bridge(TOKENS))

    model.add_hook("blocks.1.attn.hook_z", lambda z, hook: z * 0)
    assert not torch.equal(model(TOKENS), before)
    runs.restore()

    assert torch.equal(model(TOKENS), before)


def test_a_changed_model_gets_what_the_factory_makes_afresh(lab, expected):
    pool = ModelPool()
    model = pool.get(factory("own_class")).bridge
    for weight in model.parameters():
        weight.data.zero_()

    pool.renew(factory("own_class"))

    assert (model(TOKENS) - expected(torch.float32)).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("name", "kind"), [("once", "LlamaForCausalLM"), ("hooked_once", "TransformerBridge")]
)
def test_a_factory_that_gives_the_same_model_again_is_told(lab, name, kind):
    pool = ModelPool()
    pool.get(factory(name))

    with pytest.raises(ModelError) as error:
        pool.renew(factory(name))

    assert str(error.value).splitlines() == [
        f"lab:{name}: the factory gave a {kind} that is in use already.",
        "Make a new model at every call: this one may be what a test has made of it.",
    ]


# Refusals

MAY_BE = [
    "It may be a hooked model (transformer-lens' TransformerBridge), a pair (model, tokenizer),",
    "or a Hugging Face model alone whose tokenizer is model.tokenizer or lies in its folder.",
]
CALLED = "It is called without arguments, or with device= and dtype= where it takes them."
PAIR = "Give both as a pair: (model, tokenizer)."


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("nothing", ["lab:nothing: the factory gave None, not a model.", *MAY_BE]),
        (
            "number",
            ["lab:number: the factory gave something of type int, not a model.", *MAY_BE],
        ),
        (
            "triple",
            [
                (
                    "lab:triple: the factory gave something of type tuple (int, str, float), "
                    "not a model."
                ),
                *MAY_BE,
            ],
        ),
        (
            "without_tokenizer",
            [
                (
                    "lab:without_tokenizer: the factory gave a LlamaForCausalLM without a "
                    "tokenizer, and none is known."
                ),
                PAIR,
            ],
        ),
        (
            "with_no_tokenizer",
            [
                (
                    "lab:with_no_tokenizer: the factory gave a LlamaForCausalLM with a str, "
                    "which is no Hugging Face tokenizer."
                ),
                PAIR,
            ],
        ),
        (
            "raises",
            [
                "lab:raises: the factory raised FileNotFoundError at lab.py:{deeper}:",
                "[Errno 2] No such file or directory: '/nowhere/at/all.txt'",
            ],
        ),
        (
            "needs",
            ["lab:needs: the factory needs 'path', which nobody gives.", CALLED],
        ),
        (
            "none_such",
            ["lab:none_such: the module lab has no 'none_such'."],
        ),
        (
            "Makers.Big.make",
            ["lab:Makers.Big.make: Makers in the module lab has no 'Big'."],
        ),
        (
            "Thing.attribute",
            [
                "lab:Thing.attribute: Thing.attribute can't be called: it is of type int.",
                "A factory is a function that makes a model.",
            ],
        ),
    ],
)
def test_what_makes_no_model_is_said_in_a_few_lines(lab, name, lines):
    deeper = next(
        number for number, line in enumerate(lab.read_text().splitlines(), 1) if "all.txt" in line
    )
    assert refusal(f"lab:{name}") == [line.format(deeper=deeper) for line in lines]


def test_a_class_whose_parts_compute_otherwise_than_transformers_has_them_is_refused(lab):
    lines = refusal("lab:own_attention")

    assert lines[0] == (
        "lab:own_attention: hooked by transformer-lens, the LlamaForCausalLM gives other logits "
        "than by itself"
    )
    assert lines[1].endswith("it isn't the LlamaForCausalLM that transformer-lens knows.")


def test_a_module_that_python_does_not_find_is_said_with_what_to_do(write):
    write("shop", "")

    for source, missing in (("zoo9.models:make", "zoo9"), ("shop.models:make", "shop.models")):
        assert refusal(source) == [
            f"{source}: Python finds no module {missing!r}.",
            (
                "Install the package that has it, or name its folder in pytest's settings, "
                "as in: pythonpath = ."
            ),
        ]


def test_a_module_that_cannot_be_imported_says_where(write):
    write("shop", "import zoo9\n")
    write("farm", "\n\n1 / 0\n")
    write("mill", "def make(:\n")

    assert refusal("shop:make") == [
        "shop:make: the module shop raised ModuleNotFoundError at shop.py:1:",
        "No module named 'zoo9'",
    ]
    assert refusal("farm:make") == [
        "farm:make: the module farm raised ZeroDivisionError at farm.py:3:",
        "division by zero",
    ]
    assert refusal("mill:make")[0] == "mill:make: the module mill raised SyntaxError at mill.py:1:"


def test_a_dtype_that_is_none_is_said(lab):
    assert refusal("lab:parts", dtype="int8")[0].endswith("dtype 'int8', which is no float type.")


# Fingerprints

FINGERPRINTED = """
import json
from pathlib import Path

from lab import parts as make, needs

PATH = Path(__file__).with_name("state.json")
make.fingerprint = lambda: json.loads(PATH.read_text())
needs.fingerprint = "words"
"""


def test_a_model_without_a_fingerprint_of_its_own_has_that_of_its_weights(lab):
    loaded, again = load(factory("parts")), load(factory("own_class"))

    assert open_checkpoint(factory("parts")).fingerprint() is None
    assert loaded.fingerprint == again.fingerprint
    assert loaded.fingerprint.startswith("live-sha256:")


def test_a_factory_may_bring_a_fingerprint(lab, write):
    write("shop", FINGERPRINTED)
    state = lab.with_name("state.json")

    def told(text, name="make"):
        state.write_text(json.dumps(text))
        return open_checkpoint(parse_source(f"shop:{name}")).fingerprint()

    assert told("one") == told("one") != told("two")
    assert told("one").startswith("factory-sha256:")
    assert told("one", "needs") == told("two", "needs") is not None
    with pytest.raises(ModelError, match=r"the factory's fingerprint is 3, and should be a text"):
        told(3)
    state.write_text("{")
    with pytest.raises(
        ModelError, match=r"the factory's fingerprint raised JSONDecodeError at .*py:"
    ):
        open_checkpoint(parse_source("shop:make")).fingerprint()


def test_its_files_are_its_modules_and_its_functions(lab, write):
    path = write("shop", FINGERPRINTED)
    checkpoint = open_checkpoint(parse_source("shop:make"))

    assert checkpoint.files() == [path, lab]
    before = checkpoint.rest()
    assert open_checkpoint(parse_source("shop:needs")).rest() != before
    lab.write_text(lab.read_text() + "\n")
    assert checkpoint.rest() != before
