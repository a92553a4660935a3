"""Stage `download`: the corpus as Persona-chat's text files, and the text for pre-training."""

import os
from dataclasses import asdict

from pipeline import artifacts
from pipeline.params import DownloadParams, Settings
from pipeline.persona.corpus.source import fetch_corpus, fetch_pretrain_text
from stages.shell import console


def download() -> None:
    """Get what `data.source` and `data.pretrain` name into data/raw and data/pretrain.txt."""
    data = Settings.load().view(DownloadParams).data
    with (
        artifacts.atomic_path(artifacts.PRETRAIN_TEXT) as text,
        artifacts.atomic_path(artifacts.RAW) as raw,
    ):
        with console.progress("download", total=100) as advance:

            def on_progress(done: int, total: int | None) -> None:
                size = f" of {total / 1e6:.0f}" if total else ""
                advance(100 * done // total if total else 0, f"{done / 1e6:.0f}{size} MB")

            corpus = fetch_corpus(
                data,
                raw,
                environ=os.environ,
                downloads=artifacts.CHECKPOINTS / "download",
                on_progress=on_progress,
            )
            advance(100, "")
        pretrain = fetch_pretrain_text(data, text)
        files = {file.name: artifacts.sha256_of(file) for file in sorted(raw.glob("*.txt"))}
        source = {
            "corpus": {**asdict(corpus), "files": files},
            "pretrain": {**asdict(pretrain), "text_sha256": artifacts.sha256_of(text)},
        }
        artifacts.write_json(raw / artifacts.RAW_SOURCE.name, source)
    line = f"{artifacts.RAW}: {corpus.source}; {artifacts.PRETRAIN_TEXT}: {pretrain.source}"
    console.out.print(line, markup=False)


if __name__ == "__main__":
    console.run(download)
