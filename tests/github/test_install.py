"""Before the gate: what is installed, and what the caches are called."""

import json
from pathlib import Path

import pytest

from pytest_circuits import __name__ as package

ROOT = Path(__file__).parents[2]
#: A python whose pip writes down what it was asked.
PIP = """
import json, pathlib, sys
pathlib.Path("given.json").write_text(json.dumps(sys.argv[1:]))
"""


def installed(runner, extras):
    runner.tool("python", PIP)
    result = runner.run("circuits-gate", "install.sh", extras=extras)
    asked = runner.workspace / "given.json"
    return result, json.loads(asked.read_text()) if asked.exists() else None


@pytest.mark.parametrize(
    ("extras", "what"),
    [("", str(ROOT)), ("gguf", f"{ROOT}[gguf]"), (" gguf,\ntest ", f"{ROOT}[gguf,test]")],
    ids=["none", "one", "two"],
)
def test_this_very_version_is_installed_as_it_was_tested(runner, extras, what):
    result, asked = installed(runner, extras)
    assert result.returncode == 0
    assert asked[:3] == ["-m", "pip", "install"]
    assert asked[-3:] == ["-c", f"{ROOT}/constraints.txt", what]
    assert (ROOT / package).is_dir()


@pytest.mark.parametrize(
    "extras",
    [
        "$(touch made)",
        "a;b",
        "a]==1; x",
        "-e",
        "a,,b",
        ",a",
        "gguf] @ https://evil.example/x",
        "a%0A",
    ],
    ids=range(8),
)
def test_what_is_no_extra_is_refused(runner, extras):
    result, asked = installed(runner, extras)
    assert (result.returncode, asked, runner.made) == (2, None, set())
    assert result.stdout.startswith("::error title=circuits-gate::extras takes names")


def test_a_message_cannot_hold_a_second_command(runner):
    result, _ = installed(runner, "x\n::stop-commands::y\r100%")
    assert len(result.stdout.splitlines()) == 1
    assert "x%0A::stop-commands::y%0D100%25" in result.stdout


def caches(runner, **given):
    runner.files["GITHUB_OUTPUT"].write_text("")
    result = runner.run(
        "circuits-gate", "caches.sh", **({"suite": "suite", "install": "false"} | given)
    )
    assert (result.returncode, result.stderr) == (0, "")
    return runner.outputs


@pytest.fixture
def suite(runner):
    runner.copy("example_suites/quickstart", "suite")
    return runner


def test_the_caches_are_where_the_tools_keep_them(suite):
    suite.environment["PIP_CACHE_DIR"] = str(suite.workspace / "pip")
    found = caches(suite, install="true")
    assert found["pip-path"] == str(suite.workspace / "pip")
    assert found["hub-path"] == f"{suite.environment['HOME']}/.cache/huggingface/hub"
    assert Path(found["hub-path"]).is_dir()
    suite.environment["HF_HOME"] = str(suite.workspace / "hf")
    assert caches(suite)["hub-path"] == str(suite.workspace / "hf/hub")


def test_nothing_is_cached_for_pip_where_it_installs_nothing(suite):
    assert caches(suite, install="false")["pip-path"] == ""


def test_the_same_inputs_give_the_same_keys(suite):
    found = caches(suite)
    assert found == caches(suite)
    assert found["hub-key"].startswith(found["hub-prefix"])


@pytest.mark.parametrize("changed", ["source", "reference"])
def test_another_model_has_another_key_with_the_same_beginning(suite, changed):
    before, after = caches(suite), caches(suite, **{changed: "org/name@main"})
    assert before["hub-key"] != after["hub-key"]
    assert before["hub-prefix"] == after["hub-prefix"]


@pytest.mark.parametrize(
    "path", ["suite", "suite/test_recall.py", "suite/test_recall.py::test_a[x]"]
)
def test_other_models_in_the_ini_have_another_key(suite, path):
    before = caches(suite, suite=path)
    ini = suite.workspace / "suite/pytest.ini"
    ini.write_text(ini.read_text().replace("bundled:recall", "org/name"))
    assert before["hub-prefix"] != caches(suite, suite=path)["hub-prefix"]


def test_an_ini_above_the_suite_counts_and_one_above_the_workspace_does_not(suite):
    (suite.workspace.parent / "pytest.ini").write_text("[pytest]\n")
    before = caches(suite)
    (suite.workspace.parent / "pytest.ini").write_text("[pytest]\naddopts = -q\n")
    assert caches(suite) == before
    (suite.workspace / "pyproject.toml").write_text("[tool.pytest]\n")
    assert caches(suite)["hub-prefix"] != before["hub-prefix"]


def test_other_extras_have_another_pip_cache(suite):
    assert caches(suite)["pip-key"] != caches(suite, extras="gguf")["pip-key"]


@pytest.mark.parametrize("value", ["$(touch made)", "../..", "a\nhub-path=/", "-x", "~"])
def test_no_input_forges_a_key(suite, value):
    before = suite.made
    found = caches(suite, suite=value, source=value, reference=value, extras=value)
    assert set(found) == {"pip-path", "pip-key", "hub-path", "hub-key", "hub-prefix"}
    assert found["hub-path"] == caches(suite)["hub-path"]
    assert suite.made == before
