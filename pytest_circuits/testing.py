"""What people need to test their own measures and models: models whose circuits are known.

Importing this imports no torch.

Example:
    >>> from pytest_circuits.measures import induction_scores
    >>> from pytest_circuits.testing import perfect_induction_model
    >>> induction_scores(perfect_induction_model()).members()  # doctest: +SKIP
    {Head(layer=1, head_index=0): 1.0}
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

BOS = "<bos>"

#: The words of the models here. "a" is one of them because transformer-lens encodes that string
#: to find out whether a tokenizer puts BOS first.
WORDS = (
    *"abcdefghijklmnopqrstuvwxyz",
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu",
)  # fmt: skip

#: Logit of the copied token on the perfect induction model, where every other token has 0.
COPIED_LOGIT = 20.0

# Attention scores of a match, and of resting on BOS: exp(-200) is 0 in float32, so that the
# right key gets exactly 1.
_MATCH = 400.0
_REST = 200.0

# Parts of the names of embeddings' parameters.
_EMBEDS = ("embed", "wte", "wpe")


def word_tokenizer(words: Sequence[str] = WORDS) -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are ``<bos>`` (id 0) and the words (ids 1, 2, …), split at spaces.

    BOS comes first unless special tokens are off; it is the end and padding token too. There is
    no unknown token: a word that is not in the list makes the tokenizer raise.

    Args:
        words: distinct words without spaces, ``"a"`` among them.

    Raises:
        ValueError: if ``"a"`` is missing, or a word occurs twice.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    if "a" not in words or len(set(words)) < len(words):
        raise ValueError('the words must be distinct, and "a" must be one of them')
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate([BOS, *words])}))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, 0)]
    )
    # Without an end and a padding token of its own, transformer-lens would give the tokenizer
    # one whose id lies outside the model's vocabulary.
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=BOS,
        pad_token=BOS,
        clean_up_tokenization_spaces=False,
        name_or_path="words",
    )
    return tokenizer


def perfect_induction_model(words: Sequence[str] = WORDS, context: int = 33) -> TransformerBridge:
    """A two-layer model with hand-set weights that holds one exact induction circuit.

    It has no norms and no MLPs. With V tokens and C positions, its residual stream is four
    one-hot subspaces side by side, d_model = 3 V + C: the current token (set by the embedding),
    the position (set by the positional embedding), the previous token, and the copied token
    (read by the unembedding, times :data:`COPIED_LOGIT`).

    ====== ================================= ======================== ========================
    head   attends from a query at q to      with                     and writes
    ====== ================================= ======================== ========================
    L0H0   q − 1 (from 0 to itself)          position of q = that of  that token into
                                             the key + 1              "previous token"
    L1H0   the token after the latest        token at q = previous    that token into
           occurrence of q's token, or else  token at the key         "copied token" (nothing
           to ``<bos>``                                               for ``<bos>``)
    others every position alike                                       nothing
    ====== ================================= ======================== ========================

    The right key gets attention 1 exactly. (If a token has occurred several times before, L1H0
    attends to all the tokens that followed it alike.) Logits ``[batch, position, V]`` are
    :data:`COPIED_LOGIT` at the copied token and 0 elsewhere, or 0 throughout where nothing was
    copied.

    Args:
        words: the vocabulary, as for :func:`word_tokenizer`; ``<bos>`` is token 0.
        context: C, the longest sequence.

    Returns:
        a hooked model on the CPU in float32, in eval mode and without gradients.
    """
    import torch
    import transformer_lens.model_bridge.sources.native  # noqa: F401 — brings boot_native
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    tokenizer = word_tokenizer(words)
    # Without this the bridge would look for the tokenizer's files, and there are none.
    tokenizer.init_kwargs["add_bos_token"] = True
    vocabulary = len(tokenizer)
    d_head = max(vocabulary, context)
    config = TransformerBridgeConfig(
        attn_only=True,
        d_head=d_head,
        d_model=3 * vocabulary + context,
        d_vocab=vocabulary,
        init_weights=False,
        n_ctx=context,
        n_heads=2,
        n_layers=2,
        normalization_type=None,
        positional_embedding_type="standard",
    )
    with torch.random.fork_rng(devices=[]):  # weights are initialised only to be replaced
        bridge: TransformerBridge = cast("Any", TransformerBridge).boot_native(
            config,
            tokenizer=tokenizer,
            device="cpu",
            dtype=torch.float32,
            model_name="perfect-induction",
        )
    bridge.eval()
    bridge.requires_grad_(requires_grad=False)
    # The bridge wraps modules in place, which shows in its parameters' names only.
    weights = {
        name.replace("_original_component.", ""): parameter
        for name, parameter in bridge.original_model.named_parameters()
    }
    for parameter in weights.values():
        parameter.zero_()

    token = torch.arange(vocabulary)
    position = torch.arange(context)
    at_token, at_position = 0, vocabulary
    at_previous, at_copied = vocabulary + context, 2 * vocabulary + context
    # Linear layers hold [out, in]; head 0 is the first d_head rows of q, k, v and columns of o.
    weights["tok_embed.weight"][token, at_token + token] = 1
    weights["pos.weight"][position, at_position + position] = 1
    weights["head.weight"][token, at_copied + token] = COPIED_LOGIT
    scale = d_head**0.5  # by which attention divides its scores

    previous = "layers.0.attn."
    weights[f"{previous}q.weight"][position, at_position + position] = _MATCH * scale
    weights[f"{previous}k.weight"][position[1:], at_position + position[:-1]] = 1
    weights[f"{previous}v.weight"][token, at_token + token] = 1
    weights[f"{previous}o.weight"][at_previous + token, token] = 1

    induction = "layers.1.attn."
    weights[f"{induction}q.weight"][token, at_token + token] = _MATCH * scale
    weights[f"{induction}k.weight"][token, at_previous + token] = 1
    weights[f"{induction}k.weight"][token, at_token] = _REST / _MATCH  # every query suits BOS
    weights[f"{induction}v.weight"][token[1:], at_token + token[1:]] = 1
    weights[f"{induction}o.weight"][at_copied + token, token] = 1
    return bridge


def tiny_checkpoint(
    folder: str | Path,
    architecture: Literal["llama", "gpt2"] = "llama",
    seed: int = 0,
    *,
    dtype: str = "float32",
    words: Sequence[str] = WORDS,
) -> Path:
    """Save a small Hugging Face checkpoint with random weights, for tests of loading.

    Two layers of four heads, d_model 32, 64 positions; ``llama`` has RMS norms, rotary positions
    and two key-value heads, ``gpt2`` LayerNorms, biases, learned positions and tied embeddings.
    Every parameter is drawn by :func:`draw_parameters`.

    Args:
        folder: where to write; made if need be.
        architecture: ``llama`` or ``gpt2``.
        seed: seed of the weights.
        dtype: the dtype they are stored in, for example ``bfloat16``.
        words: the vocabulary, as for :func:`word_tokenizer`.

    Returns:
        the folder, with safetensors weights, config and tokenizer.

    Raises:
        ValueError: for another architecture.
    """
    import torch

    with torch.random.fork_rng(devices=[]):  # weights are initialised only to be replaced
        model = _tiny_model(architecture, 1 + len(words))
    draw_parameters(model, seed)
    folder = Path(folder)
    cast("torch.nn.Module", model).to(dtype=getattr(torch, dtype))
    model.save_pretrained(folder)
    word_tokenizer(words).save_pretrained(folder)
    return folder


def draw_parameters(model: PreTrainedModel, seed: int = 0, *, variance: float = 1.5) -> None:
    """Draw every parameter of a model anew, so that none holds a value that hides a mistake.

    Matrices are N(0, variance / fan-in), embeddings N(0, 0.5²), norm weights 1 + N(0, 0.3²), biases
    N(0, 0.3²). Tied weights are tied again.

    Args:
        model: a Hugging Face model; it is changed in place.
        seed: seed of the weights.
        variance: of what a matrix makes of inputs of variance 1. The larger, the sharper is
            attention.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    # GPT-2 stores its matrices [in, out], all others [out, in].
    transposed = {
        f"{name}.weight" for name, module in model.named_modules() if isinstance(module, Conv1D)
    }
    draw = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=draw)
        if parameter.ndim == 1:
            is_norm_weight = name.endswith("weight")
            parameter.data = 0.3 * noise + float(is_norm_weight)
        elif any(part in name for part in _EMBEDS):
            parameter.data = 0.5 * noise
        else:
            fan_in = parameter.shape[0 if name in transposed else -1]
            parameter.data = noise * (variance / fan_in) ** 0.5
    model.tie_weights()


def _tiny_model(architecture: str, vocabulary: int) -> PreTrainedModel:
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    ends: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
    if architecture == "llama":
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocabulary,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=64,
                tie_word_embeddings=False,
                **ends,
            )
        )
    if architecture == "gpt2":
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=vocabulary, n_positions=64, n_embd=32, n_layer=2, n_head=4, **ends
            )
        )
    raise ValueError(f"{architecture!r} is no architecture here: choose llama or gpt2")
