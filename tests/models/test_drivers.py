"""The device that torch would find, told without importing it."""

import ctypes
import sys
from pathlib import Path

import pytest
from circuit_suites import in_fresh_python

from pytest_circuits.models import devices as drivers


def test_it_is_torchs_own_choice_and_torch_is_not_imported():
    code = """
import sys
from pytest_circuits.models.devices import device_type
told = device_type("auto")
print("torch" in sys.modules)
import torch
print(told == ("cuda" if torch.cuda.is_available() else "cpu"))
"""
    without, right = in_fresh_python(code).split()
    assert right == "True"
    if drivers.first_device() is not None:
        assert without == "False"


class Driver:
    """A CUDA driver of a version, with devices or with an error."""

    def __init__(self, version=13000, devices=1, begins=0):
        self.version, self.devices, self.begins = version, devices, begins

    def cuInit(self, _):  # noqa: N802 — CUDA's names
        return self.begins

    def cuDeviceGetCount(self, count):  # noqa: N802
        count._obj.value = self.devices
        return 0

    def cuDriverGetVersion(self, version):  # noqa: N802
        version._obj.value = self.version
        return 0


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A Linux machine with a torch of that build, and a driver (None: there is none)."""

    def make(build, driver=None, platform="linux"):
        (tmp_path / "torch").mkdir()
        (tmp_path / "torch/__init__.py").touch()
        (tmp_path / "torch/version.py").write_text(build)

        def library(name):
            if driver is None:
                raise OSError(name)
            return driver

        class Spec:
            origin = str(Path(tmp_path, "torch/__init__.py"))

        monkeypatch.setattr(drivers.importlib.util, "find_spec", lambda name: Spec)
        monkeypatch.setattr(ctypes, "CDLL", library)
        monkeypatch.setattr(sys, "platform", platform)
        return drivers.first_device()

    return make


def build(cuda=None, hip=None):
    return (
        "from typing import Optional\n__all__ = ['cuda']\n__version__ = '2.13.0'\n"
        f"cuda: Optional[str] = {cuda!r}\nhip: Optional[str] = {hip!r}\nxpu = None\n"
    )


@pytest.mark.parametrize(
    ("torch", "driver", "device"),
    [
        pytest.param(build(), None, "cpu", id="a build for CPUs"),
        pytest.param(build(), Driver(), "cpu", id="a build for CPUs beside a driver"),
        pytest.param(build("12.8"), None, "cpu", id="no driver"),
        pytest.param(build("12.8"), Driver(begins=100), "cpu", id="no device"),
        pytest.param(build("12.8"), Driver(devices=0), "cpu", id="no visible device"),
        pytest.param(build("12.8"), Driver(), "cuda", id="a newer driver"),
        pytest.param(build("12.8"), Driver(12080), "cuda", id="a driver of the same version"),
        pytest.param(build("12.8"), Driver(12040), None, id="an older driver"),
        pytest.param(build("12.8"), Driver(begins=999), None, id="a driver that fails"),
        pytest.param(build(hip="6.2"), None, None, id="a build for ROCm"),
        pytest.param("cuda = unknown()", None, None, id="a build that says nothing"),
        pytest.param("(", None, None, id="no Python"),
    ],
)
def test_a_build_and_a_driver_say_which_device_there_is(machine, torch, driver, device):
    assert machine(torch, driver) == device


def test_on_a_mac_only_torch_can_tell(machine):
    assert machine(build(), platform="darwin") is None
