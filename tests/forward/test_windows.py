"""What configurations say of attention windows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_circuits.forward import attention_windows, largest_window, longest_affordable


class Config(SimpleNamespace):
    """A configuration, perhaps of text and images."""

    def get_text_config(self):
        return getattr(self, "text", self)


def model(config=None, **of_transformer_lens):
    lens = SimpleNamespace(**{"d_vocab": 1000, "n_heads": 2} | of_transformer_lens)
    return SimpleNamespace(cfg=lens, original_model=SimpleNamespace(config=config))


@pytest.mark.parametrize(
    ("config", "window"),
    [
        (None, 0),
        (Config(sliding_window=None), 0),
        (Config(sliding_window=64), 64),
        (Config(sliding_window=64, use_sliding_window=False), 0),
        (Config(sliding_window=64, layer_types=["full_attention"] * 2), 0),
        (Config(sliding_window=64, layer_types=["full_attention", "sliding_attention"]), 64),
        (Config(attention_chunk_size=96, layer_types=["chunked_attention"]), 96),
        (Config(window_size=256, attention_layers=["global", "local"]), 256),
        (Config(window_size=256, attention_layers=["global", "global"]), 0),
        (Config(attention_window=[32, 48]), 48),
        (Config(sliding_window=True), 0),
        (Config(text=Config(sliding_window=512)), 512),
    ],
)
def test_the_largest_window_is_that_of_any_layer_that_has_one(config, window):
    assert largest_window(model(config)) == window


@pytest.mark.parametrize(
    ("config", "windows"),
    [
        (None, [0]),
        (Config(sliding_window=64), [64]),
        (Config(sliding_window=64, layer_types=["sliding_attention"] * 3), [64]),
        (Config(sliding_window=64, layer_types=["full_attention", "sliding_attention"]), [0, 64]),
        (Config(attention_window=[32, 48]), [32, 48]),
        (Config(attention_window=[32, 0]), [32, 0]),
        (Config(sliding_window=64, layer_types=["full_attention"] * 2), [0]),
    ],
)
def test_each_layer_has_its_window_and_one_number_is_all_of_them(config, windows):
    assert attention_windows(model(config)) == windows


def test_a_models_own_configuration_comes_before_transformer_lens_word():
    own = Config(sliding_window=64, layer_types=["full_attention", "sliding_attention"])
    assert attention_windows(model(own, sliding_window=64)) == [0, 64]


def test_transformer_lens_own_word_for_it_counts():
    assert largest_window(model(window_size=40)) == 40
    assert largest_window(model(Config(sliding_window=64), sliding_window=64)) == 64


def test_a_model_without_a_configuration_has_no_window():
    assert largest_window(SimpleNamespace(cfg=SimpleNamespace(), original_model=object())) == 0


@pytest.mark.parametrize(
    ("vocabulary", "heads", "positions"),
    [
        (262144, 4, 2048),  # 2 GiB of logits
        (1000, 32, 4096),  # 2 GiB of attention
    ],
)
def test_what_fits_is_two_gibibytes_of_logits_or_attention(vocabulary, heads, positions):
    assert longest_affordable(model(d_vocab=vocabulary, n_heads=heads)) == positions
