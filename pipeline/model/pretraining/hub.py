"""Fetch a causal language model from the Hugging Face hub, by revision: only the files needed."""

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from hashlib import file_digest, sha1, sha256
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors, file_download, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from pipeline.errors import (
    WRONG_PROXY,
    DownloadError,
    ModelError,
    one_line,
    public_urls,
    wrong_certificates,
)


FILES = (
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-?????-of-?????.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.model",  # never read; names what is missing
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "adapter_config.json",  # never applied; refused
)

# The hub's client brings its own HTTP library. This is the base class of that library's errors.
_HTTPError: type[Exception] = HfHubHTTPError.__bases__[0]
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)
# Its own warnings show URLs with user and password; what is wrong is in its errors.
logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
# What the client makes of a page that asks for a login, or of JSON of another shape.
_MISREAD = (ValueError, LookupError, TypeError, AttributeError)
_LONG = 64  # hexadecimal digits of a SHA-256
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def is_hub_id(source: str) -> bool:
    """Tell whether `source` is written like a hub id and no folder has that name.

    >>> is_hub_id("openai-community/gpt2"), is_hub_id("./gpt2"), is_hub_id("/data/gpt2")
    (True, False, False)
    """
    return _HUB_ID.fullmatch(source) is not None and not Path(source).is_dir()


def fetch(repository: str, revision: str | None) -> tuple[Path, str]:
    """Fetch a repository's configuration, safetensors and tokenizer into the hub's cache.

    Returns:
        The folder with the files, and the commit that `revision` stands for.

    Raises:
        ModelError: no revision is given, or the repository or revision does not exist, or access to
            it is refused.
        DownloadError: the hub, a proxy or the environment's certificates cannot be used, and the
            files are not in the cache; or a file is not what the hub says it is.
    """
    if revision is None:
        raise ModelError(
            f"base.source {repository!r} is no folder, so it is a hub id; set base.revision to a "
            "commit, so that the same parameters always mean the same model"
        )
    where = f"hub model {repository!r}"
    try:
        snapshot = _snapshot(repository, revision)
    except RevisionNotFoundError as error:
        raise ModelError(f"{where} has no revision {revision!r}; correct base.revision") from error
    except GatedRepoError as error:
        raise ModelError(f"{where} is gated; ask for access there, or give a folder") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f"{where} does not exist or is private; correct base.source, or give a folder"
        ) from error
    except (_HTTPError, OSError, RuntimeError) as error:  # RuntimeError: from the transfer protocol
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        if why := wrong_certificates():
            raise DownloadError(f"{where}: not asked: {why}") from error
        why = public_urls((str(error).splitlines() or [""])[0])
        raise DownloadError(
            f"{where}, revision {revision!r}: not in the cache, and the hub did not send it "
            f"({type(error).__name__}: {why}); try again, or give a folder as base.source"
        ) from error
    folder = Path(snapshot)
    _verify(folder, where)
    return folder, folder.name


def has_listing(repository: str, commit: str) -> bool:
    """Tell whether the cache knows which files the hub has at a commit.

    A cache that was filled file by file and is used offline does not: what it lacks, as a chat
    template or a tokenizer's settings, is not missed. Clients before version 2 keep no listing;
    of them nothing is told.
    """
    listing = getattr(huggingface_hub, "get_cached_repo_tree", None)
    if listing is None:
        return True
    try:
        return bool(listing(repository, revision=commit))
    except errors.CachedRepoTreeNotFoundError:
        return False


def _verify(folder: Path, where: str) -> None:
    """Compare each file that is read with its digest, whether it came now or was in the cache.

    The cache names a blob by the digest that the hub gave, and a file is a link to its blob. The
    client itself looks at a file's length alone.
    """
    for path in sorted(folder.iterdir()):
        if not any(fnmatch(path.name, pattern) for pattern in FILES):
            continue
        expected = path.readlink().name if path.is_symlink() else ""
        if not _DIGEST.fullmatch(expected):
            raise DownloadError(
                f"{where}: {path} cannot be checked: it is no link to a blob named by its digest; "
                "set HF_HOME to a disk that has links, or give a folder as base.source"
            )
        found = _digest(path, expected)
        if found != expected:
            raise DownloadError(
                f"{where}: {path.name} is another file than the hub says (its digest is {found}, "
                f"expected {expected}); delete {path.resolve()} and run again"
            )


def _digest(path: Path, like: str) -> str:
    """Return a file's SHA-256, or git's SHA-1 where `like` is one: of large files the first."""
    size = path.stat().st_size
    begun = sha256() if len(like) == _LONG else sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        return file_digest(file, lambda: begun).hexdigest()


@contextmanager
def _digests_alone(repository: str) -> Iterator[None]:
    """Let the client take digests alone as ETags, of which it makes the names of blobs.

    A path there would be written to, wherever it leads. Only the client's own function sees every
    answer, so that one is wrapped; a client without it is not used.
    """
    own = getattr(file_download, "_normalize_etag", None)
    if own is None:
        raise DownloadError(
            f"hub model {repository!r}: not asked: this version of huggingface_hub does not show "
            "its answers' digests; install the version of the lock, or give a folder"
        )

    def checked(etag: str | None) -> str | None:
        found: str | None = own(etag)
        if found is not None and not _DIGEST.fullmatch(found):
            raise DownloadError(
                f"hub model {repository!r}: a file's ETag is {one_line(found, 80)}, a digest was "
                "expected; nothing was written; use another mirror, or give a folder"
            )
        return found

    file_download._normalize_etag = checked
    try:
        yield
    finally:
        file_download._normalize_etag = own


def _snapshot(repository: str, revision: str) -> str:
    try:
        with _digests_alone(repository):
            return snapshot_download(repository, revision=revision, allow_patterns=list(FILES))
    except DownloadError:
        raise
    except HFValidationError:
        raise
    except Exception as error:
        no_url = type(error).__name__ == "InvalidURL"  # of httpx, of Python, of the client's own
        proxy = isinstance(error, ImportError | ValueError) and "proxy" in str(error).lower()
        if isinstance(error, _MISREAD) and not (no_url or proxy):
            raise DownloadError(
                f"hub model {repository!r}: what was answered is no hub's answer "
                f"({type(error).__name__}); does the network ask for a login? Check HF_ENDPOINT, "
                "or give a folder as base.source"
            ) from error
        if not (no_url or proxy):
            raise
        why = WRONG_PROXY if proxy else "HF_ENDPOINT of the environment, or a redirect, is no URL"
        raise DownloadError(  # the error's own words may hold a password
            f"hub model {repository!r}: not asked: {why}"
        ) from None
