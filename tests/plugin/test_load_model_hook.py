"""Kinds of source that plugins and conftests know: ``pytest_circuits_load_model``, factories."""

import json

import pytest
from circuit_suites import ONE_TEST, counts
from models.small_adapters import edit_adapter_config, small_adapter
from session.cache_suites import remembered

from pytest_circuits.testing import tiny_checkpoint

#: Knows ``registry:NAME`` (the bundled model of this name) and ``org/…``, and notes what it loads.
REGISTRY = """
from pathlib import Path

from pytest_circuits.models import load, parse_source


def pytest_circuits_load_model(source, device, dtype):
    with open(Path(__file__).with_name("asked.txt"), "a") as file:
        print(source, device, dtype, file=file)
    if source.startswith("registry:"):
        return load(parse_source(source.replace("registry:", "bundled:")), device, dtype).bridge
"""
LOSS = "def test_loss(circuits):\n    circuits.repeat_loss()"


def asked(suite):
    return (suite.path / "asked.txt").read_text().splitlines()


def failure(result):
    """What stands under the only failed test's title."""
    lines = result.stdout.lines
    start = next(n for n, line in enumerate(lines) if line.startswith("____"))
    end = next(n for n in range(start, len(lines)) if lines[n].startswith("===="))
    return [line.removeprefix("E").strip() for line in lines[start + 1 : end] if line.strip()]


def recorded(suite):
    (path,) = suite.baseline_files().values()
    return json.loads(path.read_text())["findings"][0]["recorded_with"]


# The hook


def test_a_conftest_may_know_a_source(suite):
    suite.ini("tiny = registry:recall")
    suite.write("conftest.py", REGISTRY)
    suite.write("test_heads.py", ONE_TEST)
    suite.approve()
    assert recorded(suite)["source"] == "registry:recall"
    assert recorded(suite)["weights"].startswith("live-sha256:")
    assert asked(suite) == ["registry:recall cpu auto"]
    result = suite.run("--circuits", "--circuits-dtype", "float64")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    assert asked(suite)[1:] == ["registry:recall cpu float64"]


@pytest.mark.nightly
def test_a_plugin_may_know_a_source_also_under_xdist(suite):
    suite.ini("tiny = registry:recall", "tuned = registry:recall-finetuned < tiny")
    suite.write("registry_plugin.py", REGISTRY)
    suite.write("test_heads.py", ONE_TEST)
    models = ("--circuits-model", "tiny", "--circuits-model", "tuned")
    # xdist's workers have the path that this process began with.
    result = suite.run_apart("-p", "registry_plugin", "--circuits", *models, "-n", "2")
    assert (result.ret, counts(result)) == (0, {"passed": 2})
    assert sorted(asked(suite)) == [
        "registry:recall cpu auto",
        "registry:recall-finetuned cpu auto",
    ]


def test_of_two_plugins_the_first_that_knows_the_source_gives_it(suite):
    suite.ini("tiny = registry:recall")
    # The later is asked first, and knows other sources.
    for name, text in {
        "one": "raise AssertionError",
        "two": "return load(parse_source('bundled:recall-regressed'), device, dtype).bridge",
        "three": "return None",
    }.items():
        suite.write(
            f"{name}.py",
            "from pytest_circuits.models import load, parse_source\n"
            "def pytest_circuits_load_model(source, device, dtype):\n"
            f"    {text}\n",
        )
    suite.pytester.syspathinsert()
    suite.write(
        "test_loss.py", "def test_loss(circuits):\n    assert circuits.repeat_loss().values > 1"
    )
    result = suite.run("-p", "one", "-p", "two", "-p", "three", "--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 1})


def test_what_no_plugin_knows_is_loaded_as_without_them(suite):
    suite.ini("tiny = pytest_circuits.testing:perfect_induction_model")
    suite.write("conftest.py", REGISTRY)
    suite.write("test_heads.py", ONE_TEST)
    suite.approve()
    assert asked(suite) == ["pytest_circuits.testing:perfect_induction_model cpu auto"]
    assert recorded(suite)["source"] == "pytest_circuits.testing:perfect_induction_model"


def test_a_source_that_no_plugin_knows_is_said(suite):
    suite.ini("tiny = s3://bucket/model")
    suite.write("test_loss.py", LOSS)
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    assert failure(result)[0] == "s3://bucket/model: no plugin here knows such a source."


@pytest.mark.parametrize("name", ["conftest.py", "registry_plugin.py"])
def test_what_a_plugin_raises_is_said_with_its_name_and_place(suite, name):
    suite.ini("tiny = registry:recall")
    suite.write(
        name,
        "def look_up(name):\n    return {}[name]\n\n\n"
        "def pytest_circuits_load_model(source):\n    return look_up(source)",
    )
    suite.pytester.syspathinsert()
    suite.write("test_loss.py", LOSS)
    plugin = [] if name == "conftest.py" else ["-p", "registry_plugin"]
    result = suite.run(*plugin, "--circuits")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    who = name if name == "conftest.py" else "registry_plugin"
    assert failure(result) == [
        f"registry:recall: the plugin {who} raised KeyError at {name}:2:",
        "'registry:recall'",
    ]


# Factories

ZOO = """
from pathlib import Path

from pytest_circuits.models import load, parse_source


def make(device):
    with open(Path(__file__).with_name("made.txt"), "a") as file:
        file.write(".")
    return load(parse_source("bundled:recall"), device).bridge
"""
FINGERPRINTED = ZOO + "\n\nmake.fingerprint = lambda: Path('version.txt').read_text()\n"
#: What lies beside a conftest can be imported.
CONFTEST = "# a folder of tests"


def test_a_factory_beside_a_conftest_makes_the_model(suite):
    suite.ini("tiny = lab:make")
    suite.write("conftest.py", CONFTEST)
    suite.write("lab.py", ZOO)
    suite.write("test_heads.py", ONE_TEST)
    suite.approve()
    assert recorded(suite)["source"] == "lab:make"
    assert recorded(suite)["weights"].startswith("live-sha256:")


def test_a_folder_of_the_ini_key_pythonpath_is_searched_for_factories(suite):
    suite.ini("tiny = lab:make", pythonpath="lib")
    suite.write("lib/lab.py", ZOO)
    suite.write("deep/test_loss.py", LOSS)
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 1})


def test_a_factory_that_is_not_found_is_said_with_what_to_do(suite):
    suite.ini("tiny = lab:make")
    suite.write("lib/lab.py", ZOO)
    suite.write("test_loss.py", LOSS)
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    assert failure(result) == [
        "lab:make: Python finds no module 'lab'.",
        (
            "Install the package that has it, or name its folder in pytest's settings, "
            "as in: pythonpath = ."
        ),
    ]


def test_hooks_of_a_factory_stay_from_test_to_test(suite):
    suite.ini("tiny = lab:make")
    suite.write("conftest.py", CONFTEST)
    suite.write(
        "lab.py",
        ZOO.replace("    return load", "    model = load")
        + "    model.add_hook('blocks.1.attn.hook_z', lambda z, hook: z * 0)\n    return model\n",
    )
    suite.write(
        "test_loss.py",
        "import pytest\n"
        "@pytest.mark.parametrize('again', range(2))\n"
        "def test_loss(circuits, circuit_model, again):\n"
        "    assert float(circuits.repeat_loss()) > 3\n"
        "    circuit_model.add_hook('blocks.0.attn.hook_z', lambda z, hook: z * 0)\n",
    )
    assert counts(suite.run("--circuits")) == {"passed": 2}


# Remembered


def on_a_factory(suite, code):
    suite.ini("tiny = lab:make")
    suite.write("conftest.py", CONFTEST)
    suite.write("lab.py", code)
    suite.write("version.txt", "1")
    suite.write("test_loss.py", LOSS)


def test_what_was_measured_on_a_factorys_model_is_never_remembered(suite):
    on_a_factory(suite, ZOO)
    assert [remembered(suite), remembered(suite)] == [[False], [False]]


def test_with_a_fingerprint_of_its_own_it_is_until_that_changes(suite):
    on_a_factory(suite, FINGERPRINTED)
    assert [remembered(suite), remembered(suite)] == [[False], [True]]
    suite.write("version.txt", "2")
    assert [remembered(suite), remembered(suite)] == [[False], [True]]
    suite.write("lab.py", FINGERPRINTED + "# another module\n")
    assert remembered(suite) == [False]
    assert (suite.path / "made.txt").read_text() == "..."


def test_what_was_measured_on_a_plugins_model_is_never_remembered(suite):
    suite.ini("tiny = registry:recall")
    suite.write("conftest.py", REGISTRY)
    suite.write("test_loss.py", LOSS)
    assert [remembered(suite), remembered(suite)] == [[False], [False]]


def test_what_a_plugin_may_have_is_not_remembered_either(suite):
    on_a_factory(suite, FINGERPRINTED)
    assert [remembered(suite), remembered(suite)] == [[False], [True]]
    suite.write("conftest.py", REGISTRY)
    assert [remembered(suite), remembered(suite)] == [[False], [False]]


def test_a_changed_model_that_cannot_be_made_anew_is_given_to_nobody(suite):
    suite.ini("made = lab:make")
    suite.write(
        "conftest.py",
        "import sys; from pathlib import Path; sys.path.insert(0, str(Path(__file__).parent))",
    )
    suite.write(
        "lab.py",
        "from pytest_circuits.models import load, parse_source\n"
        'KEPT = load(parse_source("bundled:recall"), "cpu").bridge\n'
        "def make():\n    return KEPT",
    )
    suite.write(
        "test_heads.py",
        f"def test_change(circuit_model):\n    circuit_model.unembed.weight.data.zero_()\n{LOSS}",
    )
    result = suite.run("--circuits")
    assert counts(result) == {"passed": 1, "errors": 1, "failed": 1}
    result.stdout.fnmatch_lines(
        [
            "*the test changed its model (weights).",
            "*lab:make: the factory gave a TransformerBridge that is in use already.",
            "*_ test_loss[[]made[]] _*",
            "*lab:make: the factory gave a TransformerBridge that is in use already.",
        ]
    )


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_an_adapters_base_may_be_what_a_plugin_knows(suite):
    base = tiny_checkpoint(suite.path / "base")
    adapter = small_adapter(suite.path / "adapter", base)
    edit_adapter_config(adapter, base_model_name_or_path="registry:base")
    suite.ini("tuned = ./adapter")
    suite.write(
        "conftest.py",
        f"""
from transformers import AutoModelForCausalLM, AutoTokenizer


def pytest_circuits_load_model(source, device, dtype):
    assert source == "registry:base"
    folder = {str(base)!r}
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
""",
    )
    suite.write("test_heads.py", LOSS)
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
