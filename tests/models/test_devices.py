from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from pytest_circuits.models import DEVICE_PATTERN, ModelError
from pytest_circuits.models.devices import device_type, resolve_device, resolve_dtype
from pytest_circuits.models.sources.folders import dtype_name


@pytest.mark.parametrize(
    "asked",
    [
        "auto",
        "balanced",
        "cpu",
        "mps",
        "cuda",
        "cuda:0",
        "cuda:11",
        "cuda:0,cuda:1",
        "cuda:2,cuda:0,cuda:1",
    ],
)
def test_these_devices_may_be_asked_for(asked):
    assert DEVICE_PATTERN.fullmatch(asked)


@pytest.mark.parametrize(
    "asked",
    [
        *("", "gpu", "cuda:", "cuda:-1", "CPU", "cpu:0", "cuda:1x", "cuda,cuda", "cuda:0,"),
        *("cuda:0, cuda:1", "cuda:0,cpu", "cpu,mps", "balanced,cuda:1"),
    ],
)
def test_these_may_not(asked):
    assert not DEVICE_PATTERN.fullmatch(asked)


def test_the_cpu_is_always_there():
    assert resolve_device("cpu") == "cpu"


def test_auto_is_a_device_that_torch_can_use():
    assert torch.zeros(1, device=resolve_device("auto")).item() == 0


def test_a_device_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ModelError) as error:
        resolve_device("cuda:99")

    assert "there is no device 'cuda:99' here" in str(error.value)
    assert "cpu" in str(error.value)
    assert "--circuits-device" in str(error.value)


@pytest.fixture
def gpus(monkeypatch):
    """Have torch say that there are so many GPUs."""

    def there_are(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    return there_are


@pytest.mark.parametrize(("count", "devices"), [(3, "cuda:0,cuda:1,cuda:2"), (1, "cuda:0")])
def test_balanced_is_every_gpu_that_is_there(gpus, count, devices):
    gpus(count)

    assert resolve_device("balanced") == devices


def test_balanced_without_a_gpu_is_refused(gpus):
    gpus(0)

    with pytest.raises(ModelError) as error:
        resolve_device("balanced")

    assert str(error.value) == (
        f"balanced spreads a model over all CUDA devices, and there is none here: "
        f"torch {torch.__version__} sees cpu.\n"
        f"Choose one of these, or auto, with --circuits-device."
    )


def test_several_devices_that_are_there_may_be_named(gpus):
    gpus(3)

    assert resolve_device("cuda:2,cuda:0") == "cuda:2,cuda:0"


def test_of_several_devices_the_one_that_is_not_there_is_named(gpus):
    gpus(2)

    with pytest.raises(ModelError, match="there is no device 'cuda:2' here") as error:
        resolve_device("cuda:0,cuda:2")

    assert "sees cuda, cuda:0, cuda:1, cpu." in str(error.value)


def test_a_device_that_is_named_twice_is_refused(gpus):
    gpus(2)

    with pytest.raises(ModelError, match="'cuda:1,cuda:1' names a device twice"):
        resolve_device("cuda:1,cuda:1")


@pytest.mark.parametrize("asked", ["balanced", "cuda:0,cuda:1", "cuda:1"])
def test_the_type_of_several_devices_is_that_of_one(gpus, asked):
    gpus(2)

    assert device_type(asked) == "cuda"


def checkpoint(folder, tensors=None, **config):
    (folder / "config.json").write_text(json.dumps(config))
    if tensors:
        save_file(tensors, folder / "model.safetensors")
    return folder


def used_dtype(asked, folder):
    return resolve_dtype(dtype_name(asked, folder), "config.json asks for")


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
@pytest.mark.parametrize(
    ("name", "dtype"), [("bfloat16", torch.bfloat16), ("torch.float16", torch.float16)]
)
def test_auto_is_the_dtype_of_the_config(tmp_path, key, name, dtype):
    assert used_dtype("auto", checkpoint(tmp_path, **{key: name})) is dtype


def test_auto_is_the_dtype_of_most_tensors_where_the_config_has_none(tmp_path):
    tensors = {f"w{i}": torch.zeros(2, dtype=torch.bfloat16) for i in range(3)}
    tensors["norm"] = torch.zeros(2)

    assert used_dtype("auto", checkpoint(tmp_path, tensors)) is torch.bfloat16


def test_the_dtype_that_was_asked_for_wins(tmp_path):
    assert used_dtype("float64", checkpoint(tmp_path, dtype="bfloat16")) is torch.float64


@pytest.mark.parametrize("name", ["int8", "float33", "Tensor", "fp8"])
def test_a_dtype_to_which_no_model_can_be_loaded_is_refused(tmp_path, name):
    with pytest.raises(ModelError) as error:
        used_dtype("auto", checkpoint(tmp_path, dtype=name))

    assert f"dtype {name!r}, which is no float type" in str(error.value)
    assert "--circuits-dtype (float32, bfloat16, float16, float64)" in str(error.value)
