"""Folders of native transformer-lens models: their config as JSON, their weights as safetensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.models.devices import resolve_dtype
from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fit import check_fit, first_lines, shape_text
from pytest_circuits.models.folders import read_config
from pytest_circuits.models.huggingface import FolderCheckpoint

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

#: What such a folder's config.json names as its architecture.
ARCHITECTURE = "TransformerLensNative"


class NativeCheckpoint(FolderCheckpoint):
    """A folder of a native transformer-lens model.

    Its config.json holds the arguments of ``TransformerBridgeConfig``, and the names of its
    tensors are those of the native model's parameters.
    """

    def load(self, device: str, dtype: str) -> TransformerBridge:
        """The model, which is hooked from the start."""
        from safetensors.torch import load_file
        from transformer_lens.config import TransformerBridgeConfig
        from transformer_lens.model_bridge import TransformerBridge
        from transformers import PreTrainedTokenizerFast

        source, folder = self.source, self.folder
        kind = resolve_dtype(self.dtype(dtype), f"{folder.name}: config.json asks for")
        config = read_config(source, folder)
        for key in ("architectures", "model_type", "dtype"):
            config.pop(key, None)
        try:
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
            # Without this the bridge reads the tokenizer again, by a model type it doesn't know.
            tokenizer.init_kwargs["add_bos_token"] = True
            boot: Any = TransformerBridge
            bridge: TransformerBridge = boot.boot_native(
                TransformerBridgeConfig(**config, dtype=kind, init_weights=False),
                tokenizer=tokenizer,
                device=device,
                dtype=kind,
                model_name=folder.name,
            )
            stored = {
                name: tensor
                for path in self.weights()
                for name, tensor in load_file(path, device=device).items()
            }
        except Exception as error:
            raise ModelError(
                f"{source.text}: transformer-lens can't build it:\n{first_lines(error)}"
            ) from error
        # The bridge wraps modules in place, which shows in its parameters' names only.
        wanted = {
            name.replace("_original_component.", ""): parameter
            for name, parameter in bridge.original_model.named_parameters()
        }
        check_fit(
            source,
            missing=wanted.keys() - stored.keys(),
            unexpected=stored.keys() - wanted.keys(),
            wrong_shape=[
                f"{name} is {shape_text(stored[name].shape)}, "
                f"should be {shape_text(wanted[name].shape)}"
                for name in sorted(wanted.keys() & stored.keys())
                if stored[name].shape != wanted[name].shape
            ],
        )
        for name, parameter in wanted.items():
            parameter.data.copy_(stored[name])
        return bridge
