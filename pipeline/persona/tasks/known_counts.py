"""What known corpora must hold: a count that differs means a lost or altered dialogue."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.persona.task import Split


@dataclass(frozen=True)
class Counts:
    """One split's facts; null where nothing is known."""

    dialogues: int
    replies: int
    variants: int | None  # distinct persona texts after normalisation
    personas: int  # by the canonical rule


# By the SHA-256 of the archive. Sources: ParlAI's data tests (dialogues and replies of the upstream
# archive) and the published persona split; the description that comes with the part.
KNOWN: Mapping[str, Mapping[Split, Counts]] = {
    # Persona-chat's upstream archive.
    "507cf8641d333240654798870ea584d854ab5261071c5e3521c20d8fa41d5622": {
        "train": Counts(8939, 65719, None, 955),
        "valid": Counts(1000, 7801, None, 100),
        "test": Counts(968, 7512, None, 100),
    },
    # A part of it: 2,072 training dialogues from both sides, the ConvAI2 validation set in halves.
    "7fa3b37f5e332f1507086aadc9f02c569e90aedd14a5745a2daf4e8e0bd99230": {
        "train": Counts(4144, 29462, 2619, 948),
        "valid": Counts(504, 3920, 208, 50),
        "test": Counts(496, 3881, 206, 50),
    },
}


def archive_sha256(source: Mapping[str, object]) -> str | None:
    """Return the checksum in `data/raw/source.json`; null for what has none.

    Raises:
        DataError: it does not say where the corpus came from.
    """
    corpus = source.get("corpus")
    if not isinstance(corpus, dict) or "sha256" not in corpus:
        raise DataError(
            f"{artifacts.RAW_SOURCE}: no corpus.sha256 in it; delete it and run stage download"
        )
    return None if corpus["sha256"] is None else str(corpus["sha256"])


def check_counts(sha256: str | None, found: Mapping[Split, Counts]) -> bool:
    """Compare a known corpus with its facts; return whether there was anything to compare.

    Raises:
        DataError: names split, what was found and what was expected.
    """
    expected = KNOWN.get(sha256 or "", {})
    for split, counts in expected.items():
        for name, wanted in asdict(counts).items():
            there = getattr(found[split], name)
            if wanted not in (None, there):
                raise DataError(
                    f"{split}: {there} {name}, this archive has {wanted}; "
                    "run stage download again, then report it if it stays"
                )
    return bool(expected)
