"""The counts of known corpora. If a count differs, a dialogue is lost or altered."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.persona.task.record import Split


@dataclass(frozen=True)
class CorpusCounts:
    """The counts of one split; null: not known."""

    dialogues: int
    replies: int
    variants: int | None  # distinct persona texts after normalisation
    personas: int  # by the canonical rule


# By the SHA-256 of the archive. Sources: for the upstream archive ParlAI's data tests (dialogues,
# replies) and the published persona split; for the part its own description.
KNOWN: Mapping[str, Mapping[Split, CorpusCounts]] = {
    # Persona-chat's upstream archive.
    "507cf8641d333240654798870ea584d854ab5261071c5e3521c20d8fa41d5622": {
        "train": CorpusCounts(8939, 65719, None, 955),
        "valid": CorpusCounts(1000, 7801, None, 100),
        "test": CorpusCounts(968, 7512, None, 100),
    },
    # A part of it: 2,072 training dialogues from both sides, the ConvAI2 validation set in halves.
    "7fa3b37f5e332f1507086aadc9f02c569e90aedd14a5745a2daf4e8e0bd99230": {
        "train": CorpusCounts(4144, 29462, 2619, 948),
        "valid": CorpusCounts(504, 3920, 208, 50),
        "test": CorpusCounts(496, 3881, 206, 50),
    },
}


def archive_sha256(source: Mapping[str, object]) -> str | None:
    """Return the corpus's checksum, from the content of `data/raw/source.json`; null: none.

    Raises:
        DataError: the content does not say where the corpus came from.
    """
    corpus = source.get("corpus")
    if not isinstance(corpus, dict) or "sha256" not in corpus:
        raise DataError(
            f"{artifacts.RAW_SOURCE}: no corpus.sha256 in it; delete {artifacts.RAW} and run stage "
            "download"
        )
    return None if corpus["sha256"] is None else str(corpus["sha256"])


def check_counts(sha256: str | None, actual: Mapping[Split, CorpusCounts]) -> bool:
    """Compare a corpus's counts with the known ones; return whether the corpus is known.

    Args:
        sha256: of the archive; null: none.
        actual: the counts of each split.

    Raises:
        DataError: a count differs; the message names the split and both numbers.
    """
    known = KNOWN.get(sha256 or "", {})
    for split, counts in known.items():
        for name, expected in asdict(counts).items():
            number = getattr(actual[split], name)
            if expected not in (None, number):
                raise DataError(
                    f"{split}: {number} {name}, this archive has {expected}; "
                    "run stage download again, then report it if it stays"
                )
    return bool(known)
