"""Sums of nats and tokens by person and seed, and which of them cannot be. No torch."""

Cells = list[list[list[float]]]  # [person][seed] -> [nats, tokens], closing tokens counted

# Of a token. Below 0 by rounding alone; more are of a model that diverged.
LEAST_NATS, MOST_NATS = -1e-3, 1e6


def _shape(cells: Cells) -> tuple[int, ...] | None:
    """Return the lengths; null where they vary."""
    widths = {len(person) for person in cells}
    sums = {len(one) for person in cells for one in person}
    return (len(cells), *widths, *sums) if len(widths) == len(sums) == 1 else None


def check_cells(cells: Cells, shape: tuple[int, ...], place: str, least: int = 1) -> None:
    """Refuse sums that cannot be.

    Args:
        cells: the sums.
        shape: people, seeds, 2.
        place: what they are, for errors.
        least: tokens of a person and seed.

    Raises:
        ValueError: they have another shape, too few tokens, or more nats than a model gives.
    """
    if _shape(cells) != shape:
        raise ValueError(
            f"{place}: nats and tokens of {shape[0]} people and {shape[1]} seeds were expected"
        )
    for nats, tokens in (sums for person in cells for sums in person):
        if tokens < least:
            raise ValueError(f"{place}: fewer than {least} tokens or words")
        if not LEAST_NATS <= nats / max(tokens, 1) <= MOST_NATS:
            raise ValueError(f"{place}: {nats:g} nats of {tokens:g} tokens are none")
