"""Every class of causal language models is measured, refused by name, or known not to be built."""

import pytest
from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from zoo.cases import load_alone
from zoo.others import UNBUILT, WITHOUT_ADAPTER, small_model
from zoo.specimens import SPECIMENS

from pytest_circuits.models import ModelError
from pytest_circuits.testing import word_tokenizer

MAPPED = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
MEASURED = {family.model for family in SPECIMENS.values()}
#: Of each kind of message one.
OFTEN = {
    "BartForCausalLM",
    "HeliumForCausalLM",
    "LongcatFlashForCausalLM",
    "MiniMaxForCausalLM",
    "PersimmonForCausalLM",
    "RobertaForCausalLM",
}


@pytest.mark.nightly
def test_every_class_that_transformers_maps_was_tried():
    tried = MEASURED | set(WITHOUT_ADAPTER) | set(UNBUILT)

    assert sorted(MAPPED - tried) == [], "architectures that are new in transformers"
    assert sorted(tried - MAPPED) == [], "architectures that are gone from transformers"


@pytest.mark.nightly
def test_every_adapter_for_such_a_class_is_measured():
    # Some are spelt otherwise there (PhiMoEForCausalLM).
    known = {name.lower() for name in SUPPORTED_ARCHITECTURES}
    adapted = {name for name in MAPPED if name.lower() in known}

    assert sorted(adapted & set(WITHOUT_ADAPTER)) == [], "adapters that are new in transformer-lens"
    assert sorted(adapted - MEASURED - set(UNBUILT)) == []
    assert sorted(MEASURED - adapted) == [], "adapters that are gone from transformer-lens"


def test_a_class_is_in_one_place():
    assert MEASURED & set(WITHOUT_ADAPTER) == set()
    assert set(UNBUILT) & (MEASURED | set(WITHOUT_ADAPTER)) == set()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in OFTEN else [pytest.mark.nightly])
        for name in WITHOUT_ADAPTER
    ],
)
@pytest.mark.filterwarnings("default")  # what transformers warns of when it builds them
def test_a_class_without_an_adapter_is_refused_by_name(tmp_path, name):
    small_model(name).save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)

    with pytest.raises(ModelError) as error:
        load_alone(tmp_path)

    message = str(error.value)
    assert name in message
    assert "transformer-lens" in message
    assert "object has no attribute" not in message
    assert len(message.splitlines()) <= 4
