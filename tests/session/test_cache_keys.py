"""What a finding is remembered by: where only one of it changes, it is measured again."""

import json
import os
import shutil
import sys

import numpy as np
import pytest
from circuit_suites import copy_of_recall, few
from safetensors.numpy import load_file, save_file
from session.cache_suites import PAIRS, TEST, ask, remembered


@pytest.fixture
def asked(suite):
    """A suite with one test, whose models lie in folders and whose prompts lie in a file."""
    for name in ("checkpoint", "other"):
        copy_of_recall(suite.path / name)
    suite.ini("recall = ./checkpoint", "other = ./other")
    suite.write("test_asked.py", TEST)
    suite.write("conftest.py", "")
    suite.write("pairs.json", json.dumps(PAIRS))
    ask(suite)
    return suite


def test_what_did_not_change_is_remembered(asked):
    assert remembered(asked) == [False]
    assert remembered(asked) == [True]
    assert remembered(asked) == [True]


def _weights(suite, folder="checkpoint"):
    file = suite.path / folder / "model.safetensors"
    tensors = load_file(file)
    tensors["layers.1.attn.o.weight"][0, 0] += 0.5
    save_file(tensors, file)


def _append(suite, name, text="\n"):
    path = suite.path / name
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def _dtype_of_config(suite):
    path = suite.path / "checkpoint/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dtype": "bfloat16"}))


CHANGES = {
    "weights": _weights,
    "config": lambda suite: _append(suite, "checkpoint/config.json"),
    "dtype of the config": _dtype_of_config,
    "tokenizer": lambda suite: _append(suite, "checkpoint/tokenizer.json"),
    "tokenizer's config": lambda suite: _append(suite, "checkpoint/tokenizer_config.json"),
    "a new file": lambda suite: suite.write("checkpoint/special_tokens.json", "{}"),
    "prompts": lambda suite: suite.write("pairs.json", json.dumps(PAIRS[::-1])),
    "fewer prompts": lambda suite: suite.write("pairs.json", json.dumps(PAIRS[:1])),
    "clusters": lambda suite: suite.write(
        "pairs.json", json.dumps([pair | {"cluster": "a"} for pair in PAIRS])
    ),
    "measure": lambda suite: ask(suite, "accuracy"),
    "test": lambda suite: _append(suite, "test_asked.py", "\n# another\n"),
    "conftest": lambda suite: _append(suite, "conftest.py", "\n# another\n"),
}


@pytest.mark.parametrize("changed", few(CHANGES, 6))
def test_what_changed_is_measured_again(asked, changed):
    assert remembered(asked) == [False]
    CHANGES[changed](asked)
    assert remembered(asked) == [False]


OPTIONS = [
    ("ablate", {"heads": ["L1H0"]}, {"heads": ["L1H1"]}),
    ("ablate", {"heads": ["L1H0"], "value": "mean"}, {"heads": ["L1H0"], "value": "zero"}),
    ("ablate", {"heads": ["L1H0"], "metric": "kl"}, {"heads": ["L1H0"], "metric": "probability"}),
    ("ablate", {"heads": ["L1H0"], "seed": 0}, {"heads": ["L1H0"], "seed": 1}),
    ("patch", {"site": "head_out"}, {"site": "resid_pre"}),
    ("patch", {"direction": "noising"}, {"direction": "denoising"}),
    ("patch", {"positions": ["END"]}, {"positions": "each"}),
    ("top_k_accuracy", {"k": 5}, {"k": 4}),
    ("logit_lens", {"read": "logit"}, {"read": "rank"}),
    ("attention_between", {"key": 0}, {"key": 1}),
    ("kl_divergence", {"to": "recall"}, {"to": "other"}),
]


@pytest.mark.parametrize(("measure", "before", "after"), few(OPTIONS, 4))
def test_another_argument_is_measured(asked, measure, before, after):
    ask(asked, measure, **before)
    assert remembered(asked) == [False]
    ask(asked, measure, **after)
    # The two models of the last case are one to the last bit, and so is what they give.
    same = measure == "kl_divergence"
    assert remembered(asked) == [same]


def test_the_other_model_of_a_divergence_is_part_of_it(asked):
    ask(asked, "kl_divergence", to="other")
    assert remembered(asked) == [False]
    _weights(asked, "other")
    assert remembered(asked) == [False]
    assert remembered(asked) == [True]


def test_another_dtype_is_measured(asked):
    assert remembered(asked) == [False]
    assert remembered(asked, "--circuits-dtype=float64") == [False]
    assert remembered(asked, "--circuits-dtype=float32") == [True]


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("pytest_circuits.session.cache_keys.device_type", lambda asked: "cuda"),
        ("pytest_circuits.session.cache.own_code", lambda: "another"),
        ("pytest_circuits.session.cache_keys.platform.python_version", lambda: "3.99.0"),
    ],
    ids=["device", "our code", "Python"],
)
def test_another_machine_or_version_measures(asked, monkeypatch, what, value):
    assert remembered(asked) == [False]
    with monkeypatch.context() as patch:
        patch.setattr(what, value)
        assert remembered(asked) == [False]
        assert remembered(asked) == [True]
    assert remembered(asked) == [True]


LIBRARIES = [
    "torch", "transformers", "transformer_lens", "tokenizers", "sentencepiece", "tiktoken",
    "safetensors", "numpy", "accelerate", "peft", "gguf", "bitsandbytes", "compressed_tensors",
    "gptqmodel", "hqq", "kernels", "optimum", "torchao",
]  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_of_a_library_in_somebodys_folder_the_version_says_nothing(tmp_path, monkeypatch, library):
    from pytest_circuits.session.cache_keys import UncertainError, versions

    assert "python" in versions()
    (tmp_path / library).mkdir()
    (tmp_path / library / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, library, raising=False)
    with pytest.raises(UncertainError, match=f"{library} is not installed, but lies in {tmp_path}"):
        versions()


@pytest.mark.parametrize(
    "file",
    ["forward/new.py", "measures/patching.py", "findings/statistics.py", "models/loading.py",
     "prompts/ioi.py", "prompts/data.json", "models/bundled/recall/config.json",
     "session/circuits.py", "session/measuring.py", "session/cache.py", "session/cache_keys.py",
     "session/cache_code.py", "session/cache_environment.py", "session/remembering.py"],
)  # fmt: skip
def test_every_source_and_data_file_that_computes_counts(tmp_path, monkeypatch, file):
    from pytest_circuits.session import cache_keys as code

    monkeypatch.setattr(code, "_PACKAGE", tmp_path)
    for name in (
        "report/html.py",
        "measures/patching.py",
        "session/circuits.py",
        "forward/runs.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    before = code.own_code()
    (tmp_path / "report/html.py").write_text("2")
    (tmp_path / "forward/__pycache__").mkdir()
    (tmp_path / "forward/__pycache__/runs.pyc").write_text("2")
    assert code.own_code() == before
    (tmp_path / file).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / file).write_text("2")
    assert code.own_code() != before


# Weights whose files look untouched


def _old(suite):
    """Date weights long ago: of what changed just now no note is taken."""
    file = suite.path / "checkpoint/model.safetensors"
    os.utime(file, (1_600_000_000, 1_600_000_000))


@pytest.mark.parametrize(
    ("where", "trusted"), [("locally", True), ("in CI", False), ("a candidate", False)]
)
def test_only_the_references_listing_is_trusted_and_only_locally(
    asked, monkeypatch, where, trusted
):
    asked.ini("recall = ./checkpoint", circuits_unjudged="allow")
    if where == "in CI":
        monkeypatch.setenv("CI", "true")
    options = ["--circuits-model=c=./checkpoint"] if where == "a candidate" else []
    if where == "a candidate":
        asked.ini("recall = ./other")
    # Whatever changes, folders list the same. (A function of ours that is replaced is noticed.)
    monkeypatch.setattr("pytest_circuits.session.remembering._COMPUTING", ())
    for module in ("session.cache_keys", "models.loading"):
        monkeypatch.setattr(
            f"pytest_circuits.{module}.stamps_of",
            lambda files: tuple((str(path), 0, 0, 0, 0) for path in files),
        )
    assert remembered(asked, *options) == [False]
    _weights(asked)
    assert remembered(asked, *options) == [trusted]


def test_a_listing_that_changed_is_not_trusted(asked):
    _old(asked)
    assert remembered(asked) == [False]
    _weights(asked)
    assert remembered(asked) == [False]


def test_weights_that_are_not_read_again_are_those_of_the_note(asked, monkeypatch):
    from pytest_circuits.models.sources import folders

    _old(asked)
    assert remembered(asked) == [False]

    def read(folder):
        raise AssertionError(folder)

    monkeypatch.setattr("pytest_circuits.session.remembering._COMPUTING", ())
    monkeypatch.setattr(folders, "fingerprint", read)
    assert remembered(asked) == [True]


def test_weights_that_changed_while_they_were_measured_are_not_remembered(asked):
    asked.write(
        "conftest.py",
        "import pytest\n"
        "@pytest.hookimpl(wrapper=True)\n"
        "def pytest_runtest_call(item):\n"
        "    from pytest_circuits import measures\n"
        "    from pathlib import Path\n"
        "    make = measures.logit_diff\n"
        "    def changing(*args):\n"
        "        file = Path(item.path.parent, 'checkpoint/model.safetensors')\n"
        "        file.touch()\n"
        "        return make(*args)\n"
        "    measures.logit_diff = changing\n"
        "    try:\n"
        "        return (yield)\n"
        "    finally:\n"
        "        measures.logit_diff = make\n",
    )
    assert remembered(asked) == [False]
    assert remembered(asked) == [False]


def test_arguments_are_told_apart_by_content():
    from pytest_circuits import Circuit, PromptPairs, prompts
    from pytest_circuits.findings import Head
    from pytest_circuits.session.cache_keys import described

    def pairs(**more):
        texts = (["dog star dog"], ["dog cat dog"], ["star"], ["cat"])
        return PromptPairs(*texts, **more)

    different = [
        None, True, 1, 1.0, "1", ["1"], ("1",), [1], [1.0], [[1]], [], (), range(3), range(4),
        {"a": 1}, {"a": 2}, {"b": 1}, Head(1, 0), (1, 0), "L1H0",
        np.ones((2, 2)), np.ones((2, 2), bool), np.zeros((2, 2)), np.ones(4),
        pairs(), pairs(name="x"), pairs(clusters=["x"]), pairs(templates=["x"]),
        pairs(positions={"S": ["dog"]}), pairs(positions={"T": ["dog"]}),
        prompts.ioi(n=4), prompts.ioi(n=4, seed=1), prompts.ioi(n=4, corruption="third name"),
        prompts.ioi(n=2, order="ABBA"), prompts.greater_than(n=2), prompts.country_capital(n=2),
        prompts.subject_verb_agreement(n=2), prompts.repeated_phrases(n=2),
        prompts.repeated_tokens(), prompts.repeated_tokens(seed=1),
        prompts.repeated_tokens(batch=2),
        prompts.repeated_tokens(block=5),
        Circuit(["L1H0"]), Circuit(["L1H1"]), Circuit(["L1H0"], mlps=[0]),
        Circuit({"a": ["L1H0"]}), Circuit(["L1H0"], name="x"),
    ]  # fmt: skip
    texts = [json.dumps(described(value)) for value in different]
    assert len(set(texts)) == len(different)
    assert json.dumps(described(prompts.ioi(n=4))) in texts
    assert json.dumps(described(Circuit(["1.0"]))) in texts


def _metric(logits, right, wrong):
    return logits[:, 0]


class _Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [_metric, len, object(), _Text("x"), np.float64(1), {1, 2}, iter([1]), np.array([object()])],
    ids=lambda value: type(value).__name__,
)
def test_what_may_be_anything_is_not_told(value):
    from pytest_circuits.session.cache_keys import UnknownError, described

    for argument in (value, [value], {"a": (value,)}):
        with pytest.raises(UnknownError):
            described(argument)


def test_a_model_is_no_longer_that_of_its_folder_once_its_files_are_others(tmp_path):
    from pytest_circuits.models import load, parse_source
    from pytest_circuits.models.sources.folders import checkpoint_folder
    from pytest_circuits.session.cache_keys import identify

    folder = tmp_path / "checkpoint"
    copy_of_recall(folder)
    source = parse_source(str(folder))
    model = load(source, device="cpu")
    assert identify(source, "cpu", "auto").is_of(model)

    other = checkpoint_folder(parse_source("bundled:recall-regressed"))
    for path in other.glob("*.safetensors"):
        shutil.copy(path, folder)

    # Told of what lies there now, which is not what was loaded.
    assert not identify(source, "cpu", "auto").is_of(model)
