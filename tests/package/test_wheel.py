"""What a user installs is what the repository holds."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder), "."]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_the_packages_files_and_no_others(wheel):
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        [*command, "pytest_circuits"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    ours = {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == ours
    assert "pytest_circuits/forward/__init__.py" in packed
    assert "pytest_circuits/py.typed" in packed


def test_the_wheel_has_its_entry_points(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    lines = wheel.read(name).decode().split("\n")
    assert "circuits = pytest_circuits.plugin" in lines[lines.index("[pytest11]") :]
    assert "pytest-circuits = pytest_circuits.cli:main" in lines
    assert "figures = pytest_circuits.report.figures:plot" in lines


def test_bundled_models_are_small_and_safe():
    for folder in (ROOT / "pytest_circuits/models/bundled").iterdir():
        files = {path.name: path.stat().st_size for path in folder.iterdir()}
        assert sum(files.values()) < 300_000
        assert {Path(name).suffix for name in files} == {".json", ".safetensors"}
