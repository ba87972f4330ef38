"""How much one run may put into its dashboard beside numbers."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from records.files import read_json, write_json

KEY = "media_bytes"


class MediaBudget:
    """Bytes of all tables and pictures of one run, counted over all its starts.

    Args:
        file: JSON file beside the run's id that the count stands in, so that no kill gives anything back; None to
            begin with nothing.
        max_mb: Most megabytes; once something does not fit, nothing more is taken in this start.
    """

    def __init__(self, file: Path | None = None, max_mb: float = 50.0) -> None:
        self.file, self.max_mb, self.full = file, max_mb, False
        self.used = int(self._known().get(KEY, 0))

    def fitting(self, media: Iterable[tuple[str, Any, int]]) -> dict[str, Any]:
        """Take media as long as they fit.

        Args:
            media: Name, value and bytes of each, made only while there is room.

        Returns:
            Name to value of what may be logged.
        """
        found: dict[str, Any] = {}
        if self.full:
            return found
        for name, value, size in media:
            if self.used + size > self.max_mb * 1e6:
                self.full = True
                told = f"tables and pictures have used up their {self.max_mb:g} MB (--wandb.media_mb)"
                print(f"W&B: {told}; from here on only numbers", file=sys.stderr, flush=True)
                break
            self.used += size
            found[name] = value
        if found and self.file is not None:
            write_json(self.file, self._known() | {KEY: self.used})
        return found

    def _known(self) -> dict[str, Any]:
        try:
            known = read_json(self.file) if self.file is not None else {}
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
