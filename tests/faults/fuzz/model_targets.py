"""What a stranger's model may hold."""

import atexit
import shutil
import struct
from collections.abc import Callable, Sequence
from contextlib import chdir
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
from safetensors.torch import save

from pipeline.model.base.tokenizer import add_special_tokens, load_tokenizer, train_tokenizer
from pipeline.model.files.tensors import read_tensors
from pipeline.model.pretraining.build import build_base
from pipeline.model.sequences.chat import chat_format
from tests.conftest import LINES
from tests.faults.fuzz.target import Target
from tests.support.bases import base_params, ignore
from tests.support.families import tiny_model


KINDS = ("gpt2", "llama", "qwen2", "gemma2", "gpt_neox", "phi3", "cohere", "starcoder2")
WORDS = (
    b"1000000000",
    b"-1",
    b"0",
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"1e400",
    b"true",
    b"0.5",
    b"1.5",
)


@cache
def home() -> Path:
    """A folder of this process, for what the targets begin with."""
    place = Path(mkdtemp(prefix="fuzzed-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


@cache
def folder_of(kind: str) -> Path:
    """A tiny model of a kind, as `transformers` writes it, with a tokenizer."""
    folder = home() / kind
    tokenizer = train_tokenizer(LINES * 4, 300)
    tiny_model(kind, len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _copied(kind: str, place: Path, *, without: str) -> Path:
    """Return a folder that shares the files of `folder_of`, but one, which is to be written."""
    folder = place / "given"
    folder.mkdir()
    for path in folder_of(kind).iterdir():
        if path.name != without:
            (folder / path.name).symlink_to(path)
    return folder


def _build(given: Path, place: Path) -> None:
    """Do as stage `base` does with a stranger's folder."""
    with chdir(place):
        build_base(base_params(str(given)), place / "none", place / "base", advance=ignore)


def _with_file(name: str, kinds: Sequence[str]) -> Callable[[bytes, Path], None]:
    """Put the input in the place of one file of a folder; the first byte says of which kind."""

    def read(content: bytes, place: Path) -> None:
        kind = kinds[content[0] % len(kinds)] if content else kinds[0]
        given = _copied(kind, place, without=name)
        (given / name).write_bytes(content[1:])
        _build(given, place)

    return read


def _files(name: str, kinds: Sequence[str]) -> Callable[[], Sequence[bytes]]:
    return lambda: [
        bytes([number]) + (folder_of(kind) / name).read_bytes() for number, kind in enumerate(kinds)
    ]


def _tokenizers() -> Sequence[bytes]:
    """Tokenizers of other kinds, too: what is read of them are their parts."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    own = (folder_of("gpt2") / "tokenizer.json").read_bytes()
    letters = sorted({letter for line in LINES for letter in line} | {"▁"})
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(letters)}, merges=[]))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.NFC()])
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Sequence([decoders.Metaspace(), decoders.Strip(" ", 1, 0)])
    backend.enable_truncation(5)
    backend.enable_padding()
    return [b"\0" + own, b"\0" + backend.to_str().encode()]


TEMPLATE = b"{% for m in messages %}<|{{ m.role }}|> {{ m.content }}{{ eos_token }}{% endfor %}"


def _tokenizer_config(content: bytes, place: Path) -> None:
    given = _copied("gpt2", place, without="tokenizer_config.json")
    (given / "tokenizer_config.json").write_bytes(content)
    tokenizer = load_tokenizer(given)
    add_special_tokens(tokenizer)
    _build(given, place)


def _template(content: bytes, place: Path) -> None:
    given = _copied("gpt2", place, without="chat_template.jinja")
    (given / "chat_template.jinja").write_bytes(content)
    tokenizer = load_tokenizer(given)
    add_special_tokens(tokenizer)
    chat_format(tokenizer)


def _headers() -> Sequence[bytes]:
    """Headers alone: the data behind them are zeros."""
    theta = save({"w": torch.ones(3), "b": torch.zeros(2, 2, dtype=torch.bfloat16)})
    whole = (folder_of("gpt2") / "model.safetensors").read_bytes()
    return [b"\0" + theta, b"\1" + whole[: 8 + struct.unpack("<Q", whole[:8])[0]]]


def _safetensors(content: bytes, place: Path) -> None:
    if content[:1] == b"\0":
        path = place / "theta.safetensors"
        path.write_bytes(content[1:])
        read_tensors(path, remedy="make it again")
        return
    given = _copied("gpt2", place, without="model.safetensors")
    data = (folder_of("gpt2") / "model.safetensors").stat().st_size
    (given / "model.safetensors").write_bytes(content[1:] + b"\0" * max(0, data + 1 - len(content)))
    _build(given, place)


def _ggufs() -> Sequence[bytes]:
    from tests.support.gguf_llama import tiny_llama, write_gguf

    tokenizer = train_tokenizer(LINES * 4, 300)
    path = home() / "tiny.gguf"
    write_gguf(path, tiny_llama(len(tokenizer)), tokenizer)
    return [path.read_bytes()]


def _gguf(content: bytes, place: Path) -> None:
    (place / "a.gguf").write_bytes(content)
    _build(place / "a.gguf", place)


_NAMES = (b'"num_hidden_layers": ', b'"max_position_embeddings": ', b'"head_dim": ')
_NAMES += (b'"layer_types": ', b'"rope_parameters": ', b'"sliding_window": ', b'"n_ctx": ')
_JINJA = (b"{% for m in messages %}", b"{{ ", b" }}", b"{% endfor %}", b"range(", b"* 999999")

NAMED = b'{"eos_token": "<|endoftext|>", "add_bos_token": true}'

TARGETS = (
    Target(
        "config", _files("config.json", KINDS), _with_file("config.json", KINDS), WORDS + _NAMES
    ),
    Target("tokenizer", _tokenizers, _with_file("tokenizer.json", ("gpt2",)), WORDS),
    Target("tokenizer_config", lambda: [NAMED], _tokenizer_config, WORDS),
    Target("safetensors", _headers, _safetensors, (*WORDS, b"F64", b"I64", b"F8_E4M3")),
    Target("gguf", _ggufs, _gguf, (b"llama.", b"\xff" * 8, b"rope.scaling.type")),
    Target("template", lambda: [TEMPLATE], _template, _JINJA),
)
