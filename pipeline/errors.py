"""Errors that the user can act on. A message says what is wrong, what is expected, what to do."""

import os
import re
import ssl
import unicodedata
from urllib.parse import urlsplit


LONGEST_SHOWN = 200  # characters of somebody else's text in a message
WRONG_PROXY = (
    "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or NO_PROXY of the environment cannot be used; give an "
    "http:// proxy, or unset it"
)
# A password may hold a quote or a blank, so what is before the host ends at the last @. A quote in
# a query ends the URL only where the text ends there, or goes on with a mark or a blank.
_URL = re.compile(
    r"[A-Za-z][\w+.-]{0,30}://"
    r"(?:[^\s/?#]*@|[^\s/?#:@]+:(?!\s|\d{1,5}[\s,;:)])[^/?#\n]*@)?"
    r"(?:\[[^\]\s]*\])?[^\s'\"\[\]?#]*"
    r"(?:[?#](?:[^\s'\"]|['\"](?=[^\s'\",;:.)\]}>]))*)?"
)
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # controls, bidi marks, line separators


def one_line(text: object, longest: int = LONGEST_SHOWN) -> str:
    r"""Return text that somebody else wrote as it may stand in a message: one line, cut, harmless.

    What a terminal obeys or does not show is written as Python does, e.g. \x1b for ESC. A blank
    stays the only white space.
    """
    whole = str(text)
    shown = visible(whole[:longest])
    return shown if len(whole) <= longest else f"{shown}… ({len(whole)} characters)"


def visible(text: str) -> str:
    r"""Return a text with what a terminal obeys, or does not show, as Python writes it."""
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if unicodedata.category(character) in _HIDDEN:
        return repr(character)[1:-1] if not character.isprintable() else character
    return character


def public(url: str) -> str:
    """Return a URL's scheme, host and path: user, password and query are nobody else's business."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        if not parts.scheme or "@" in parts.path:
            return "the URL"  # what stands where is not known
        return one_line(f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}")
    except ValueError:
        return "the URL"


def public_text(given: str) -> str:
    """Return a text that somebody gave, as it is; of what may be a URL only what is public."""
    return public(given) if "://" in given else given


def public_urls(text: str) -> str:
    """Return a message, of every URL in it only what is public.

    >>> public_urls("404 for url 'http://ann:secret@example.org/x?token=1'")
    "404 for url 'http://example.org/x'"
    """
    return _URL.sub(lambda found: public(found[0]), text)


def wrong_certificates() -> str | None:
    """Return what is wrong with the environment's file of certificates; null if nothing is.

    The system's own words name no file.
    """
    path = os.environ.get("SSL_CERT_FILE")
    try:
        ssl.create_default_context(cafile=path or None)
    except OSError as error:
        return (
            f"SSL_CERT_FILE of the environment, {one_line(path)}, holds no certificates that can "
            f"be read ({one_line(error.strerror)}); correct it, or unset it"
        )
    return None


class PipelineError(Exception):
    """Base class of errors that the user can mend. A stage prints such an error as one line."""

    exit_code = 1


class ParamsError(PipelineError):
    """A key or value of `params.yaml` or of a preset is not allowed."""


class CodeError(PipelineError):
    """Code of this project was edited while a stage ran it."""


class DataError(PipelineError):
    """A corpus, task or prediction file does not have the right format or content."""


class DownloadError(PipelineError):
    """A download could not be completed or verified, or an archive could not be unpacked."""


class ModelError(PipelineError):
    """A base model, a tokenizer or a trained variant cannot be used."""


class ContextError(ModelError):
    """A text is longer than the context."""


class TrainingError(PipelineError):
    """A training run cannot go on, e.g. because no task is left to sample."""


class DivergedError(TrainingError):
    """A loss or gradient is not finite. The learning rate is too high; all else is in order."""

    exit_code = 3  # `tune` tells a bad rate from a broken run by this code


class BusyError(PipelineError):
    """Another program writes the same file or folder at the moment."""

    def __init__(self, target: object) -> None:
        self._target = target
        super().__init__(
            f"another run is writing {target}; wait until it has ended, or end it, then run again"
        )

    def __reduce__(self) -> tuple[type["BusyError"], tuple[object]]:
        """Rebuild the error from its argument when a worker process sends it."""
        return type(self), (self._target,)


class StageError(PipelineError):
    """A stage that `make repro` started and that failed, or DVC's refusal to go on."""


class MissingFileError(PipelineError):
    """An input of a stage is missing. The message names the stage that writes it."""

    def __init__(self, path: object, stage: str) -> None:
        self._arguments = (path, stage)
        super().__init__(
            f"{path}: not found; run `python -m stages.{stage}` (or `dvc repro`) first"
        )

    def __reduce__(self) -> tuple[type["MissingFileError"], tuple[object, str]]:
        """Rebuild the error from both arguments when a worker process sends it.

        By default the message would be the only argument.
        """
        return type(self), self._arguments
