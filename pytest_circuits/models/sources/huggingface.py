"""Checkpoints that transformers saved: a folder with a config, safetensors and a tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.models.architectures import auto_class
from pytest_circuits.models.claims import check_claims, no_larger_than
from pytest_circuits.models.devices import resolve_dtype
from pytest_circuits.models.errors import ModelError, first_lines
from pytest_circuits.models.hooking import read_model, read_tokenizer, unreadable
from pytest_circuits.models.sources.folders import FolderCheckpoint, check_fit, read_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.source import Source

#: Schemes whose weights are made floats when they are loaded. Their own modules run on some
#: machines only (fp8), can't be hooked (compressed-tensors), or are fetched from the hub (mxfp4).
_MADE_FLOATS = ("compressed-tensors", "fp8", "mxfp4")


class HuggingFaceCheckpoint(FolderCheckpoint):
    """A folder that ``save_pretrained`` wrote, or the hub has."""

    def plain(self, dtype: str) -> tuple[PreTrainedModel, Any]:
        """The model and its tokenizer, as transformers loads them."""
        from transformers import AutoConfig

        fields = read_config(self.source, self.folder)
        scheme = _scheme_of(fields)
        _check_dtype(self.source, scheme, dtype, self.dtype("auto"))
        wanted = resolve_dtype(self.dtype(dtype), f"{self.folder.name}: config.json asks for")
        try:
            stored = self.stored(packed=scheme is not None)
            check_claims(self.source, fields, stored)
            config = AutoConfig.from_pretrained(
                self.folder, local_files_only=True, trust_remote_code=False
            )
            if _become_floats(scheme):
                config.quantization_config["dequantize"] = True
            loader = auto_class(self.source, config)
            with no_larger_than(self.source, stored):
                model, report = read_model(self.source, self.folder, wanted, loader, config=config)
        except ModelError:
            raise
        except Exception as error:
            if scheme is not None and isinstance(error, ImportError):
                raise _lacks_library(self.source, scheme, error) from error
            raise unreadable(self.source, error) from error
        if dtype != "auto" and _become_floats(scheme):
            # transformers leaves as it is stored what wasn't quantised.
            mover: Any = model  # transformers' own annotation of .to() is not to be relied on
            model = mover.to(wanted)
        check_fit(
            self.source,
            missing=report["missing_keys"],
            unexpected=report["unexpected_keys"],
            shapes=report["mismatched_keys"],
        )
        return model, read_tokenizer(self.source, self.folder)


def _scheme_of(config: Mapping[str, Any]) -> str | None:
    """How a checkpoint's weights are quantised, by its config; None if they aren't."""
    quantised = config.get("quantization_config")
    return str(quantised.get("quant_method", "unknown")) if isinstance(quantised, dict) else None


def _become_floats(scheme: str | None) -> bool:
    """Whether weights quantised so are made floats when they are loaded."""
    return scheme in _MADE_FLOATS


def _check_dtype(source: Source, scheme: str | None, asked: str, own: str) -> None:
    """Refuse another dtype than a quantised checkpoint's own, unless its weights are made floats.

    Raises:
        ModelError: if that is asked for.
    """
    if scheme is not None and not _become_floats(scheme) and asked not in ("auto", own):
        raise ModelError(
            f"{source.text}: its weights are quantised ({scheme}) and can't be made {asked}.\n"
            f"Load it in its own dtype ({own}): --circuits-dtype=auto."
        )


def _lacks_library(source: Source, scheme: str, error: ImportError) -> ModelError:
    """The error of a scheme whose library isn't installed."""
    said = first_lines(error)
    if error.name:  # where transformers itself imported it, and so doesn't say what to install
        said += f"\npip install {error.name.partition('.')[0]}"
    return ModelError(
        f"{source.text}: its weights are quantised ({scheme}), and what reads them is not "
        f"installed:\n{said}"
    )
