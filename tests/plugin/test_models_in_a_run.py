"""Models in a run: what can't be loaded is said in a few lines, the rest is loaded once."""

import json

import numpy as np
import pytest
import torch
from circuit_suites import CHANGES, ONE_TEST, OTHER, RECALL, copy_of_recall, counts

SOURCES = [
    (
        "A source is bundled:NAME (recall, recall-finetuned, recall-regressed), the folder of a "
        "checkpoint or"
    ),
    "of an adapter, a .gguf file, a hub id with or without a revision (org/name@revision),",
    "or package.module:factory.",
]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


# Names that are no models: known before anything is collected


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        pytest.param(
            "./nowhere",
            ["ERROR: './nowhere' is no model source: there is no such file or folder.", *SOURCES],
            id="no folder",
        ),
        pytest.param(
            "./pytest.ini",
            ["ERROR: './pytest.ini' is no model source: is a file.", *SOURCES],
            id="a file",
        ),
        pytest.param(
            "org/name@",
            ["ERROR: 'org/name@' is no model source: there is no such file or folder.", *SOURCES],
            id="no revision after @",
        ),
        pytest.param(
            "bundled:recal",
            [
                "ERROR: no bundled model is called 'recal': did you mean 'recall'?",
                "There are: recall, recall-finetuned, recall-regressed.",
            ],
            id="bundled",
        ),
    ],
)
def test_a_source_that_names_no_model_is_a_usage_error(one_test, source, lines):
    result = one_test.run("--circuits", "--circuits-model", f"candidate={source}")
    assert result.ret == 4
    assert [line for line in result.stderr.lines if line] == lines
    assert len(lines) <= 6
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_a_source_of_the_ini_starts_from_the_inis_folder(suite):
    copy_of_recall(suite.path / "checkpoint")
    suite.ini("recall = ./checkpoint")
    suite.write("deep/test_heads.py", ONE_TEST)
    suite.pytester.chdir()
    result = suite.run("--circuits", "deep")
    assert result.ret == 0


def test_a_source_of_the_command_line_starts_from_the_working_directory(one_test, monkeypatch):
    copy_of_recall(one_test.path / "deep" / "checkpoint")
    monkeypatch.chdir(one_test.path / "deep")
    result = one_test.run("--circuits", "--circuits-model", "c=./checkpoint", "..")
    assert (result.ret, counts(result)) == (0, {"passed": 1})


# Models that can't be loaded: the tests that need them fail


def pickled(folder):
    copy_of_recall(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def without_weights(folder):
    copy_of_recall(folder)
    (folder / "model.safetensors").unlink()


def without_config(folder):
    copy_of_recall(folder)
    (folder / "config.json").unlink()


def with_config(folder, **changes):
    copy_of_recall(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def wider(folder):
    with_config(folder, d_vocab=66)


def deeper(folder):
    with_config(folder, n_layers=3)


def shallower(folder):
    with_config(folder, n_layers=1)


def of_integers(folder):
    with_config(folder, dtype="int32")


def broken_config(folder):
    copy_of_recall(folder)
    (folder / "config.json").write_text("{")


def not_finite(folder):
    def spoil(tensors):
        tensors["layers.1.attn.q.weight"][0, 0] = np.nan

    copy_of_recall(folder, spoil)


USE_THE_CONFIG = "Use the config.json that was saved with these weights."


@pytest.mark.parametrize(
    ("make", "lines"),
    [
        (
            pickled,
            [
                (
                    "./checkpoint: the weights are pickled (pytorch_model.bin), which could run "
                    "any code; they are not loaded."
                ),
                "Save them as safetensors, as model.save_pretrained(folder) does today.",
            ],
        ),
        (
            without_weights,
            [
                "./checkpoint: there are no weights (*.safetensors).",
                "Pickled weights are not loaded; save the model with `save_pretrained`.",
            ],
        ),
        (
            without_config,
            [
                "./checkpoint: there is no config.json, so this is no checkpoint.",
                "Name the folder that `save_pretrained` wrote.",
            ],
        ),
        (
            wider,
            [
                "./checkpoint: the tensors don't fit config.json.",
                "wrong shape: head.weight is 65 × 64, should be 66 × 64 and 1 more",
                USE_THE_CONFIG,
            ],
        ),
        (
            deeper,
            [
                "./checkpoint: the tensors don't fit config.json.",
                "missing: layers.2.attn.k.bias and 9 more",
                USE_THE_CONFIG,
            ],
        ),
        (
            shallower,
            [
                "./checkpoint: the tensors don't fit config.json.",
                "not in the config's model: layers.1.attn.k.bias and 9 more",
                USE_THE_CONFIG,
            ],
        ),
        (
            of_integers,
            [
                "checkpoint: config.json asks for dtype 'int32', which is no float type.",
                "Choose one with --circuits-dtype (float32, bfloat16, float16, float64).",
            ],
        ),
        (
            broken_config,
            [
                (
                    "./checkpoint: config.json is not JSON (Expecting property name enclosed in "
                    "double quotes), in line 1."
                ),
            ],
        ),
        (
            not_finite,
            [
                (
                    "induction_scores on candidate: the model gives numbers that are not finite "
                    "(logits on drawn tokens). Look for NaN or overflow in its weights, or try "
                    "another dtype."
                ),
            ],
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_measured_fails_the_test_in_a_few_lines(one_test, make, lines):
    make(one_test.path / "checkpoint")
    before = one_test.age()
    result = one_test.run("--circuits", "--circuits-model", "candidate=./checkpoint")
    text = result.stdout.str()
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    assert failure(text) == lines
    assert len(lines) <= 6
    assert "Traceback" not in text
    assert one_test.stamps() == before


def failure(text):
    """What stands under the only failed test's title."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("____"))
    end = next(n for n in range(start, len(lines)) if lines[n].startswith("===="))
    return [line.removeprefix("E").strip() for line in lines[start + 1 : end] if line.strip()]


def test_a_device_that_is_not_there_is_said_with_those_that_are(one_test, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    result = one_test.run("--circuits", "--circuits-device", "cuda")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    assert failure(result.stdout.str()) == [
        f"there is no device 'cuda' here: torch {torch.__version__} sees cpu.",
        "Choose one of these, or auto, with --circuits-device.",
    ]


def test_every_test_of_a_model_that_cannot_be_loaded_says_so_and_it_is_tried_once(suite):
    pickled(suite.path / "checkpoint")
    suite.ini("recall = ./checkpoint")
    suite.write(
        "test_heads.py",
        f"{ONE_TEST}\n\ndef test_model(circuit_model):\n    pass\n"
        "\ndef test_loss(circuits):\n    circuits.repeat_loss()",
    )
    suite.write("conftest.py", COUNT_LOADS)
    result = suite.run("--circuits")
    assert result.ret == 1
    assert counts(result) == {"failed": 2, "errors": 1}
    assert result.stdout.str().count("which could run any code; they are not loaded") >= 3
    result.stdout.fnmatch_lines(["loads: 1"])


# Hub ids


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A local hub cache with one revision of one model, and no network."""
    import huggingface_hub.constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    home = cache / "models--org--tiny"
    copy_of_recall(home / "snapshots" / COMMIT)
    (home / "refs").mkdir()
    (home / "refs" / "v1").write_text(COMMIT)
    return cache


@pytest.mark.parametrize("revision", ["v1", COMMIT])
def test_a_hub_id_with_a_revision_is_loaded_from_the_local_cache(one_test, hub, revision):
    result = one_test.run("--circuits", "--circuits-model", f"candidate=org/tiny@{revision}")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    result.stdout.fnmatch_lines(["preserved test_heads candidate *"])


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("org/tiny@v2", "org/tiny: revision 'v2'"),
        ("org/tiny", "org/tiny: the default revision"),
        ("org/none@v1", "org/none: revision 'v1'"),
    ],
)
def test_a_revision_that_is_not_there_fails_with_what_to_do(one_test, hub, source, wanted):
    result = one_test.run("--circuits", "--circuits-model", f"candidate={source}")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    assert failure(result.stdout.str()) == [
        f"{wanted} is not in the local hub cache, and the hub can't be reached.",
        "Check the id and the revision, fetch it once with network, or name a local folder.",
    ]
    assert "Traceback" not in result.stdout.str()


def test_a_baseline_of_a_hub_model_names_its_revision(suite, hub):
    suite.ini("tiny = org/tiny@v1")
    suite.write("test_heads.py", ONE_TEST)
    (path,) = suite.approve().values()
    recorded = json.loads(path.read_text())["findings"][0]["recorded_with"]
    assert recorded["source"] == "org/tiny@v1"


# Prompts


@pytest.mark.parametrize(
    ("pairs", "lines"),
    [
        pytest.param(
            'PromptPairs(["dog unicorn"], ["dog star"], ["star"], ["cat"])',
            [
                (
                    "logit_diff on recall: 'dog unicorn' has words that this model's tokenizer "
                    "doesn't know:"
                ),
                "WordLevel error: Missing [UNK] token from the vocabulary",
                "Write the prompt with words of its vocabulary.",
            ],
            id="unknown words",
        ),
        pytest.param(
            'PromptPairs(["dog star dog"], ["dog star"], ["star"], ["cat"])',
            [
                (
                    "logit_diff on recall: pair 0: 3 tokens in the clean prompt, "
                    "2 in the corrupted one:"
                ),
                "clean     dog|star|dog",
                "corrupted dog|star",
                "Patching puts a position of one into the same position of the other.",
            ],
            id="lengths",
        ),
        pytest.param(
            'PromptPairs(["dog star dog"], ["dog cat dog"], ["star cat"], ["cat"])',
            [
                "logit_diff on recall: pair 0: answer 'star cat' is 2 tokens, not one:",
                "star|cat",
                "Choose a word that is a single token here (mind the leading space).",
            ],
            id="answer",
        ),
    ],
)
def test_prompts_that_do_not_fit_the_tokenizer_fail_in_a_few_lines(suite, pairs, lines):
    suite.write(
        "test_heads.py",
        f"""
from pytest_circuits import PromptPairs


def test_pairs(circuits):
    circuits.logit_diff({pairs})
""",
    )
    result = suite.run("--circuits")
    text = result.stdout.str()
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    assert failure(text) == lines
    assert len(lines) <= 6
    assert "Traceback" not in text


# Loaded once, and clean for every test

COUNT_LOADS = """
from pytest_circuits.session.session import circuits_session


def pytest_terminal_summary(terminalreporter, config):
    terminalreporter.write_line(f"loads: {circuits_session(config).models.pool.loads}")
"""


IN_TURNS = """


def pytest_collection_finish(session):
    session.items.sort(key=lambda item: item.originalname)
"""


@pytest.mark.parametrize("order", ["", IN_TURNS], ids=["model by model", "in turns"])
def test_two_models_of_three_tests_are_loaded_exactly_twice(suite, order):
    suite.ini(RECALL, OTHER)
    suite.write("conftest.py", COUNT_LOADS + order)
    suite.write(
        "test_heads.py",
        """
def test_one(circuits):
    circuits.induction_scores()


def test_two(circuits, circuit_model):
    circuits.repeat_loss()


def test_three(circuit_model):
    pass
""",
    )
    result = suite.run("--circuits", "--circuits-model", "recall", "--circuits-model", "tuned")
    assert (result.ret, counts(result)) == (0, {"passed": 6})
    result.stdout.fnmatch_lines(["loads: 2"])


@pytest.mark.parametrize("approval", [(), ("--snapshot-update",)])
def test_comparing_and_approving_load_no_further_model(suite, approval):
    suite.write("conftest.py", COUNT_LOADS)
    suite.write("test_heads.py", ONE_TEST)
    result = suite.run("--circuits", *approval)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["loads: 1"])


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(
            'circuit_model.add_hook("blocks.1.attn.hook_z", lambda z, hook: z * 0)', id="add_hook"
        ),
        pytest.param(
            'circuit_model.add_perma_hook("blocks.1.attn.hook_z", lambda z, hook: z * 0)',
            id="add_perma_hook",
        ),
        pytest.param(
            "circuit_model.blocks[1].attn.register_forward_hook(\n"
            "        lambda module, args, output: tuple(o * 0 for o in output)\n"
            "        if isinstance(output, tuple) else output * 0)",
            id="register_forward_hook",
        ),
        pytest.param(
            "circuit_model.unembed.register_forward_pre_hook(lambda module, args: (args[0] * 0,))",
            id="register_forward_pre_hook",
        ),
        pytest.param("circuit_model.train()", id="train"),
        pytest.param("circuit_model.requires_grad_(True)", id="requires_grad_"),
    ],
)
def test_what_a_test_leaves_on_the_model_is_gone_in_the_next_one(suite, leave):
    suite.write(
        "test_heads.py",
        f"""
import numpy as np

SEEN = []


def test_first(circuits):
    SEEN.append(float(circuits.repeat_loss()))


def test_leaves_something(circuits, circuit_model):
    {leave}
    if "hook" in {leave.partition("(")[0]!r}:
        assert abs(float(circuits.repeat_loss()) - SEEN[0]) > 1


def test_next(circuits, circuit_model):
    assert float(circuits.repeat_loss()) == SEEN[0]
    assert not any(module.training for module in circuit_model.modules())
    assert not any(weight.requires_grad for weight in circuit_model.parameters())
    assert not any(point.fwd_hooks for point in circuit_model.hook_dict.values())
""",
    )
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 3}), result.stdout.str()


def test_weights_that_a_test_changed_are_the_checkpoints_in_the_next_one(suite):
    suite.write(
        "test_heads.py",
        """
SEEN = []


def test_first(circuits):
    SEEN.append(float(circuits.repeat_loss()))


def test_changes_a_weight(circuits, circuit_model):
    for weight in circuit_model.parameters():
        weight.data.zero_()
    assert float(circuits.repeat_loss()) > 3


def test_next(circuits):
    assert float(circuits.repeat_loss()) == SEEN[0]


def test_next_with_the_model(circuits, circuit_model):
    assert float(circuits.repeat_loss()) == SEEN[0]
""",
    )
    result = suite.run("--circuits", *CHANGES)
    assert (result.ret, counts(result)) == (0, {"passed": 4})


def test_hooks_of_a_failing_test_are_gone_too(suite):
    suite.write(
        "test_heads.py",
        """
def test_fails(circuit_model):
    circuit_model.add_perma_hook("blocks.1.attn.hook_z", lambda z, hook: z * 0)
    assert 0


def test_next(circuits, circuit_model):
    assert not any(point.fwd_hooks for point in circuit_model.hook_dict.values())
    assert circuits.induction_scores().members()
""",
    )
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (1, {"failed": 1, "passed": 1})


def test_measuring_twice_gives_the_same_numbers(suite):
    suite.write(
        "test_heads.py",
        """
import numpy as np
import pytest

SEEN = []


@pytest.mark.parametrize("time", [1, 2])
def test_measures(circuits, circuit_model, time):
    for weight in circuit_model.parameters():
        assert weight.grad is None and not weight.requires_grad
    scores = circuits.induction_scores()
    SEEN.append((scores.values, scores.errors))
    for one, other in zip(SEEN[0], SEEN[-1], strict=True):
        assert np.array_equal(one, other)


def test_measured_afresh_they_are_the_same_too(circuit_model):
    from pytest_circuits import measures

    scores = measures.induction_scores(circuit_model)
    assert np.array_equal(scores.values, SEEN[0][0])
""",
    )
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 3})


def test_a_conftest_may_put_a_model_of_its_own_in_place(suite):
    suite.write(
        "conftest.py",
        """
import pytest


@pytest.fixture
def circuit_model(circuit_model):
    circuit_model.add_hook("blocks.1.attn.hook_z", lambda z, hook: z * 0)
    return circuit_model
""",
    )
    suite.write(
        "test_heads.py", "def test_it(circuits):\n    assert circuits.repeat_loss().values > 3"
    )
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 1})


def test_a_folder_that_went_away_is_said_as_such(one_test):
    folder = copy_of_recall(one_test.path / "checkpoint")
    one_test.write(
        "conftest.py",
        f"import shutil\n\ndef pytest_collection_finish():\n    shutil.rmtree({str(folder)!r})",
    )
    result = one_test.run("--circuits", "--circuits-model", "candidate=./checkpoint")
    assert result.ret == 1
    assert failure(result.stdout.str())[0].startswith("./checkpoint: there is no config.json")
