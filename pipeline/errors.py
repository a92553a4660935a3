"""Errors a user can act on: each message says what was found, what was expected, what to do."""


class PipelineError(Exception):
    """Base of every error that is the user's to mend; stages print it as one line and exit."""

    exit_code = 1


class ParamsError(PipelineError):
    """A key or value of `params.yaml` (or of a preset) that is not allowed."""


class DataError(PipelineError):
    """A corpus, task or prediction file that does not hold what its format says."""


class DownloadError(PipelineError):
    """A transfer or an archive that could not be completed, verified or unpacked."""


class ModelError(PipelineError):
    """A base model, tokenizer or trained variant that cannot be used."""


class TrainingError(PipelineError):
    """A run that cannot go on: a loss that is not finite, no task left to sample."""


class DivergedError(TrainingError):
    """A loss or gradient that is not finite: the rate is too high, everything else is in order."""

    exit_code = 3  # so that `tune` can tell a bad rate from a broken run


class StageError(PipelineError):
    """A stage that `make repro` started and that failed, or DVC's refusal to go on."""


class MissingFileError(PipelineError):
    """An input that an earlier stage should have written."""

    def __init__(self, path: object, stage: str) -> None:
        self._arguments = (path, stage)
        super().__init__(
            f"{path}: not found; run `python -m stages.{stage}` (or `dvc repro`) first"
        )

    def __reduce__(self) -> tuple[type["MissingFileError"], tuple[object, str]]:
        """Come back from a worker process: by default the message would be the only argument."""
        return type(self), self._arguments
