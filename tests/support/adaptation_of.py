"""What a details file says of adaptation."""

from pipeline.evaluation.scoring.adaptation import NOT_ADAPTED, adaptation_by_epoch


def adaptation(records, headline, bootstrap):
    """What `metrics/details/VARIANT.json` holds of it."""
    by_epoch = adaptation_by_epoch(records, bootstrap)
    epochs = {str(epoch): adapted.content() for epoch, adapted in by_epoch.items()}
    return by_epoch.get(headline, NOT_ADAPTED).content() | {"epochs": epochs}
