"""An action's scripts, run as GitHub's runner does: a workspace, and files for what they tell."""

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTIONS = ROOT / ".github/actions"


class Runner:
    """A job's folders and files, in a place of its own."""

    def __init__(self, folder):
        self.workspace = folder / "work space"
        self.tools = folder / "tools"
        self.workspace.mkdir()
        self.tools.mkdir()
        self.files = {
            f"GITHUB_{name}": folder / name.lower()
            for name in ("ENV", "OUTPUT", "PATH", "STEP_SUMMARY")
        }
        for file in self.files.values():
            file.touch()
        self.environment = {
            "PATH": f"{self.tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_REPOSITORY": "us/models",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_RUN_ID": "17",
            "RUNNER_OS": "Linux",
            **{name: str(file) for name, file in self.files.items()},
        }

    def tool(self, name, code):
        """Put a program of that name before all others; ``code`` is Python."""
        file = self.tools / name
        file.write_text(f"#!{sys.executable} -IS\n{code}", encoding="utf-8")
        file.chmod(0o755)

    def copy(self, folder, name):
        """Copy an example into the workspace, under that name."""
        ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")
        shutil.copytree(ROOT / folder, self.workspace / name, ignore=ignored)

    def run(self, action, script, **inputs):
        """Run the step of a composite action that runs this script, with these inputs of it.

        The step's own line and environment are taken from action.yml, and so are the inputs'
        defaults, so that what isn't handed on is missing here too.
        """
        folder = ACTIONS / action
        loaded = _action(folder / "action.yml")
        values = {name: each.get("default", "") for name, each in loaded["inputs"].items()}
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert set(given) <= set(values)
        (step,) = [step for step in loaded["runs"]["steps"] if f"/{script}" in step.get("run", "")]
        line = self.workspace.parent / "step.sh"
        line.write_text(step["run"], encoding="utf-8")
        handed = {name: _filled(text, values | given) for name, text in step["env"].items()}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", line],
            cwd=self.workspace,
            env=self.environment | {"GITHUB_ACTION_PATH": str(folder)} | handed,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def outputs(self):
        """The outputs so far, read as GitHub does; a line that is neither form is an error."""
        lines = iter(self.files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines())
        outputs = {}
        for line in lines:
            name, long, end = line.partition("<<")
            if long:
                outputs[name] = "\n".join(iter(lines.__next__, end))
            else:
                name, short, value = line.partition("=")
                assert short, line
                outputs[name] = value
        return outputs

    @property
    def made(self):
        """Every file in the workspace."""
        return {
            path.relative_to(self.workspace).as_posix()
            for path in self.workspace.rglob("*")
            if path.is_file()
        }


@functools.cache
def _action(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _filled(text, inputs):
    """What an expression gives: an input, or what the input's default is an expression for."""
    event = {"github.token": "secret", "github.event.pull_request.number": "7"}
    what = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", text)
    value = inputs[what[1]]
    default = re.fullmatch(r"\$\{\{ (github\.[a-z._]+) \}\}", value)
    return event[default[1]] if default else value


@pytest.fixture
def runner(tmp_path):
    """A job that has just begun."""
    return Runner(tmp_path)
