"""How much memory models take, and how much they may."""

import pytest
import torch

from pytest_circuits.models import load, parse_size, parse_source, pool as budgets
from pytest_circuits.models.loading import open_checkpoint
from pytest_circuits.models.pool import expected_size, memory_budget, size_of
from pytest_circuits.testing import tiny_checkpoint


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1500", 1500),
        ("1500B", 1500),
        ("800MB", 800 * 10**6),
        ("8GB", 8 * 10**9),
        ("8 gb", 8 * 10**9),
        ("1.5 TB", 1.5 * 10**12),
        ("3kB", 3000),
        ("12GiB", 12 * 2**30),
        ("2KiB", 2048),
        ("0.5MiB", 2**19),
        ("1TiB", 2**40),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "auto", "GB", "-1GB", "1e9", "8G b", "50%", "8Gb/s", "1,5GB"])
def test_what_is_no_size_is_none(text):
    assert parse_size(text) is None


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.parametrize("dtype", ["auto", "float64", "bfloat16"])
def test_a_checkpoints_size_is_known_before_it_is_loaded(tmp_path, architecture, dtype):
    source = parse_source(str(tiny_checkpoint(tmp_path, architecture)))
    expected = expected_size(open_checkpoint(source), dtype)
    # The file has a header besides.
    assert expected == pytest.approx(size_of(load(source, "cpu", dtype).bridge), abs=5000)


def test_a_gguf_file_counts_as_it_is(tmp_path):
    file = tmp_path / "small.gguf"
    file.write_bytes(b"GGUF" + bytes(1000))
    assert expected_size(open_checkpoint(parse_source(str(file))), "auto") == 1004


def test_a_models_size_counts_what_is_tied_once():
    one, other = torch.nn.Linear(4, 8, bias=False), torch.nn.Linear(4, 8, bias=False)
    other.weight = one.weight
    model = torch.nn.Sequential(one, other)
    model.register_buffer("mask", torch.zeros(3, dtype=torch.int8))
    assert size_of(model) == 4 * 8 * 4 + 3


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of so much memory, of which a container may use so much."""

    def make(total, *limits):
        monkeypatch.setattr("psutil.virtual_memory", lambda: type("", (), {"total": total}))
        files = [tmp_path / str(number) for number in range(3)]  # the last one isn't there
        for file, limit in zip(files, limits, strict=False):
            file.write_text(f"{limit}\n")
        monkeypatch.setattr(budgets, "_LIMITS", files)

    return make


@pytest.mark.parametrize(
    ("total", "limits", "budget"),
    [
        (1000, [], 500),
        (1000, ["max"], 500),
        (1000, [600], 300),
        (1000, ["max", 9223372036854771712], 500),
        (1000, [600, 400], 200),
    ],
)
def test_models_may_take_half_of_what_the_machine_or_its_container_has(
    machine, total, limits, budget
):
    machine(total, *limits)
    assert memory_budget("auto", "cpu") == budget
    assert memory_budget("auto", "cpu", processes=2) == budget // 2


def test_a_size_is_that_of_each_process(machine):
    machine(1000)
    assert memory_budget("8GB", "cpu", processes=2) == 8 * 10**9


@pytest.mark.parametrize(
    ("device", "budget"), [("cuda", 350), ("cuda:1", 350), ("cuda:0,cuda:1", 700)]
)
def test_on_gpus_half_of_their_own_memory_counts(monkeypatch, device, budget):
    properties = type("", (), {"total_memory": 700})
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: properties)
    assert memory_budget("auto", device) == budget
