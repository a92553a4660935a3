"""Whether `AutoTokenizer` reads an export's tokenizer as it is written.

For some kinds of models, as `qwen2`, `transformers` takes a class of its own, whose word pattern
and normaliser stand in the place of those of tokenizer.json. So a model of that kind with another
tokenizer would read other tokens than in training.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from pipeline.model.base.lossless import SAMPLES


_READ = ("config.json", "tokenizer.json", "tokenizer_config.json")


def is_read_otherwise(folder: Path) -> bool:
    """Tell whether `AutoTokenizer` makes other ids of some text than tokenizer.json says, or fails.

    The texts have digits, contractions, scripts and blanks of many kinds. They are read in a copy:
    `tokenizers` opens no path that is not UTF-8.
    """
    with TemporaryDirectory() as copy:
        for name in _READ:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, Path(copy) / name)
        return _reads_otherwise(copy)


def _reads_otherwise(folder: str) -> bool:
    plain = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    try:
        auto = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        made = (
            tuple(one.encode(text, add_special_tokens=False) for one in (auto, plain))
            for text in SAMPLES
        )
        return any(theirs != ours for theirs, ours in made)
    except (ValueError, OSError, LookupError, TypeError, AttributeError, ImportError):
        return True
