"""Archives in the layout of Persona-chat's."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path


def packed(texts: Mapping[str, bytes], path: Path) -> Path:
    """Write the texts, by file name, as `personachat/NAME` into a .tgz, and return its path."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in texts.items():
            info = tarfile.TarInfo(f"personachat/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path
