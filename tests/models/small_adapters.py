"""Small adapters for tests, as peft saves them."""

import json

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def small_adapter(folder, base, config=None, seed=1, edit=None, **saving):
    """Save an adapter with random weights on the checkpoint in ``base``; by default a LoRA of r=4.

    ``edit`` may change the base's model before the adapter is put on it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(base)
        if edit:
            edit(model)
        config = config or LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"])
        model = get_peft_model(model, config)
        for parameter in model.parameters():
            if parameter.requires_grad:
                # Fresh adapters change nothing: one of their factors is zero.
                parameter.data += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder, **saving)
    return folder


def edit_adapter_config(folder, **changes):
    """Change entries of an adapter's config."""
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
