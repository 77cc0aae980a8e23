"""Small tokenizers of the kinds that real models have, trained on a few sentences."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

SENTENCES = [
    "The capital of France is the city of Paris",
    "The capital of Italy is the city of Rome",
    'He said "I am here" and she said "I see", as I said',
    "When John and Mary went to the store, John gave a drink to Mary",
    "user assistant system What is your name? It is",
] * 20

#: Messages one after the other, each between two marks, after what BOS there is.
CHATML = (
    "{{ bos_token if with_bos else '' }}"
    "{% for message in messages %}"
    "<|start|>{{ message['role'] }}\n{{ message['content'] | trim }}<|end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n"
    "{% if thinking is defined and not thinking %}<think></think>{% endif %}{% endif %}"
)
SPECIAL = ["<s>", "</s>", "<unk>", "<|start|>", "<|end|>"]


def byte_level(*, bos="<s>", eos="</s>", adds_bos=False, adds_eos=False, **options):
    """As GPT-2's: a space belongs to the word after it, and makes another token of it."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _trained(core, alphabet, bos, eos, adds_bos=adds_bos, adds_eos=adds_eos, **options)


def sentencepiece(*, bos="<s>", eos="</s>", **options):
    """As Llama 2's: a text begins with a space anyway, so that a word with one and one without it
    are the same token by themselves."""
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("▁", "merged_with_next"), pre_tokenizers.Split('"', "isolated")]
    )
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return _trained(core, [], bos, eos, **options)


def word_pieces():
    """As BERT's: what goes on a word is another token than what begins one."""
    known = ["[UNK]", "the", "play", '"', "##ing", "ing", "##er", "er"]
    core = Tokenizer(models.WordPiece({word: i for i, word in enumerate(known)}))
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="[UNK]")


def _trained(core, alphabet, bos, eos, *, adds_bos=False, adds_eos=False, **options):
    trainer = BpeTrainer(
        vocab_size=600, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(SENTENCES, trainer)
    ends = [token for token, there in ((bos, adds_bos), (eos, adds_eos)) if there]
    if ends:
        template = f"{bos + ' ' if adds_bos else ''}$A{' ' + eos if adds_eos else ''}"
        core.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[(one, core.token_to_id(one)) for one in ends]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=bos, eos_token=eos, unk_token="<unk>", **options
    )
