"""The files of a tokenizer: what they hold, which tokens they name, the chat template."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from pipeline.errors import ModelError, one_line
from pipeline.model.base.configuration import CONFIG, is_token_number, read_json
from pipeline.model.files.tokenizer_growth import refuse_growth


END_OF_TEXT = "<|endoftext|>"

NAMED = ("bos_token", "eos_token", "unk_token", "pad_token")

_GPT2 = (None, "GPT2Tokenizer", "GPT2TokenizerFast")  # tokenizer_class of vocab.json, merges.txt


def read_backend(folder: Path) -> Tokenizer:
    """Read tokenizer.json, else GPT-2's vocab.json and merges.txt.

    Raises:
        ModelError: there are no such files, or they are another tokenizer's slow form.
    """
    complete, vocab, merges = (folder / n for n in ("tokenizer.json", "vocab.json", "merges.txt"))
    if complete.is_file():
        return _read_complete(complete)
    if vocab.is_file() and merges.is_file():
        _require_gpt2s(folder)
        backend = byte_level(models.BPE.from_file(str(vocab), str(merges)))
        if END_OF_TEXT in backend.get_vocab():
            backend.add_special_tokens([END_OF_TEXT])
        return backend
    if (folder / "tokenizer.model").is_file():
        raise _slow(folder, "tokenizer.model")
    raise ModelError(f"{folder}: it needs tokenizer.json, or vocab.json with merges.txt")


def _read_complete(path: Path) -> Tokenizer:
    """Read tokenizer.json, and look at what its parts can do before it is built.

    Raises:
        ModelError: it is no JSON, or its parts can make a text longer without measure.
        Exception: `tokenizers`' own, for anything else that is wrong.
    """
    refuse_growth(read_json(path), str(path))
    return Tokenizer.from_file(str(path))


def _require_gpt2s(folder: Path) -> None:
    """Refuse the two files of another tokenizer: it cuts texts before the merges in its own way."""
    kind = optional_json(folder / "tokenizer_config.json").get("tokenizer_class")
    if kind not in _GPT2:
        raise _slow(folder, f"vocab.json and merges.txt of {one_line(repr(kind))}")


def _slow(folder: Path, found: str) -> ModelError:
    return ModelError(
        f"{folder}: only {found}, the slow form; it needs tokenizer.json, which "
        "`AutoTokenizer.from_pretrained(...).save_pretrained(...)` of transformers writes"
    )


def write_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write a tokenizer's files into a folder that is there, whatever its name.

    `tokenizers` writes to no path that is not UTF-8, so they are written elsewhere first.

    Raises:
        ModelError: they cannot be written there.
        OSError: they cannot be written into `folder`; it names the file.
    """
    with TemporaryDirectory() as plain:
        try:
            tokenizer.save_pretrained(plain)
        except Exception as error:  # compiled code has no other for a disk that is full
            raise ModelError(f"{plain}: no tokenizer can be written: {one_line(error)}") from error
        for file in filter(Path.is_file, Path(plain).rglob("*")):
            target = folder / file.relative_to(plain)
            target.parent.mkdir(exist_ok=True)
            try:
                target.write_bytes(file.read_bytes())
            except OSError as error:  # which names no file where a disk is full
                raise OSError(error.errno, error.strerror, str(target)) from error


def optional_json(path: Path) -> dict[str, Any]:
    """Return a file's values; none if there is no such file."""
    return read_json(path) if path.is_file() else {}


def named_tokens(backend: Tokenizer, folder: Path, config: dict[str, Any]) -> dict[str, str]:
    """Return the named special tokens that the files name, else GPT-2's."""
    names = {}
    for values in (optional_json(folder / "special_tokens_map.json"), config):
        for key in NAMED:
            value = values.get(key)
            name = value.get("content") if isinstance(value, dict) else value
            if isinstance(name, str) and name:
                names[key] = name
    if "eos_token" in names:
        return names
    vocabulary = backend.get_vocab()
    if END_OF_TEXT in vocabulary:
        return dict.fromkeys(("bos_token", "eos_token", "unk_token"), END_OF_TEXT) | names
    end = optional_json(folder / CONFIG).get("eos_token_id")
    first = end[0] if isinstance(end, list) and end else end
    name = backend.id_to_token(first) if is_token_number(first) else None
    return names | ({"eos_token": name} if name else {})


def chat_template(folder: Path, config: dict[str, Any]) -> str | None:
    """Return the chat template: of its own file, else of tokenizer_config.json."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"{path}: not UTF-8 text ({error.reason}); get it again") from error
    template = config.get("chat_template")
    if isinstance(template, list):  # several with names
        named = [t for t in template if isinstance(t, dict) and t.get("name") == "default"]
        template = named[-1].get("template") if named else None
    return template if isinstance(template, str) else None


def byte_level(model: models.Model) -> Tokenizer:
    """Return a tokenizer that takes bytes as GPT-2's does."""
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend
