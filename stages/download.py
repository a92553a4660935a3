"""Stage `download`: the corpus, a file for each split, and the text for pre-training."""

import os
from dataclasses import asdict
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.outs import write_record
from pipeline.params import DownloadParams, Settings
from pipeline.params.stated import with_digests
from pipeline.persona.corpus.source import Origin, fetch_corpus, fetch_pretrain_text
from stages.shell import console
from stages.shell.in_force import refuse_edited
from stages.shell.progress.shown import progress


TEXTS = tuple(artifacts.raw_text(split).name for split in artifacts.SPLITS)
CONVERSATIONS = tuple(artifacts.raw_conversations(split).name for split in artifacts.SPLITS)
PUBLISHED = artifacts.CHECKPOINTS / "download/pretrain.sha256"  # of the text that a run publishes
OWN = {*TEXTS, *CONVERSATIONS, artifacts.RAW_SOURCE.name, artifacts.RAW_ORACLE.name}


@artifacts.one_at_a_time(lambda: artifacts.RAW)
def download() -> None:
    """Get what `data.source` and `data.pretrain` name into data/raw and data/pretrain.txt."""
    params = Settings.load().view(DownloadParams)
    data = params.data
    _refuse_foreign()
    with (
        artifacts.atomic_path(artifacts.RAW) as raw,
        artifacts.atomic_path(artifacts.PRETRAIN_TEXT) as text,
    ):
        with progress("download", None, unit="dialogues") as advance:
            corpus = fetch_corpus(
                data,
                raw,
                environ=os.environ,
                downloads=artifacts.CHECKPOINTS / "download",
                advance=advance,
            )
        pretrain = fetch_pretrain_text(data, text)
        read = {"sha256": corpus.sha256, "pretrain_sha256": pretrain.sha256}
        source = _source(corpus, raw, pretrain, text) | {"params": with_digests(params, read)}
        refuse_edited(params, Settings.load().view(DownloadParams))
        write_record(raw, artifacts.RAW_SOURCE.name, source)
        artifacts.write_text(PUBLISHED, artifacts.sha256_of(text))
    PUBLISHED.unlink(missing_ok=True)
    what = f"{corpus.source}; {artifacts.PRETRAIN_TEXT}: {pretrain.source}"
    console.wrote(artifacts.RAW, what, "source.json in it says what was read")


def _source(corpus: Origin, raw: Path, pretrain: Origin, text: Path) -> dict[str, object]:
    """Return the content of source.json; every text must be there, or the stage ends here."""
    names = CONVERSATIONS if (raw / CONVERSATIONS[0]).is_file() else TEXTS
    files = {name: artifacts.sha256_of(raw / name) for name in names}
    return {
        "corpus": {**asdict(corpus), "files": files},
        "pretrain": {**asdict(pretrain), "text_sha256": artifacts.sha256_of(text)},
    }


def _refuse_foreign() -> None:
    """Refuse to replace a folder that holds texts of the user's, also under this stage's names."""
    artifacts.refuse_foreign(artifacts.RAW, artifacts.RAW_SOURCE.name, OWN)
    _refuse_foreign_text()
    if artifacts.RAW.is_symlink() or not artifacts.RAW_SOURCE.is_file():
        return
    # A damaged one is refused: nobody can tell then whether the texts are as download wrote them.
    corpus = artifacts.read_json(artifacts.RAW_SOURCE, made_by="download").get("corpus")
    digests = corpus.get("files") if isinstance(corpus, dict) else None
    for name in (*TEXTS, *CONVERSATIONS):
        path = artifacts.RAW / name
        known = digests.get(name) if isinstance(digests, dict) else None
        if path.is_file() and artifacts.sha256_of(path) != known:
            raise DataError(
                f"{path}: changed since stage download wrote it, which would replace it; "
                f"move it to another folder and name that in data.source, or delete {artifacts.RAW}"
            )


def _refuse_foreign_text() -> None:
    """Refuse to replace a text to pre-train on that this stage did not write.

    Between its two outs, where a run may be killed, the text is not as the record says.
    """
    text, own = artifacts.PRETRAIN_TEXT, set[object]()
    if not text.is_file():
        return
    if artifacts.RAW_SOURCE.is_file():
        source = artifacts.read_json(artifacts.RAW_SOURCE, made_by="download").get("pretrain")
        own.add(source.get("text_sha256") if isinstance(source, dict) else None)
    if PUBLISHED.is_file():
        own.add(PUBLISHED.read_text(encoding="utf-8"))
    if artifacts.sha256_of(text) not in own:
        raise DataError(
            f"{text}: not as stage download wrote it, which would replace it; move it elsewhere "
            "and name that in data.pretrain, or delete it"
        )


if __name__ == "__main__":
    console.run(download)
