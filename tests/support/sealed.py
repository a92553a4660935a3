"""A sealed file changed as somebody does who knows how: its seal fits afterwards."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.strict_json import SEAL


Content = dict[str, Any]


def edit_sealed(path: Path, change: Callable[[Content], Content | None]) -> None:
    """Write what `change` returns of a file's content, or the content that it changed."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content.pop(SEAL, None)
    changed = change(content)
    artifacts.write_sealed(path, content if changed is None else changed)
