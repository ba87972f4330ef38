"""The list of files that could not be read: each once, whichever worker or rank met it first."""

import csv
import io
import logging
import os
import time
from pathlib import Path
from typing import Any

from records.files import append_line, read_rows, write_text

COLUMNS = ("id", "reason", "split", "first_seen")
_log = logging.getLogger(__name__)


class Quarantine:
    """Notes unreadable files in ``quarantine.csv``.

    Every process appends to a file of its own and then rewrites the table from all of them, so no process waits for
    another, a kill loses nothing, and the table lists each id once.

    Args:
        path: The table; None keeps the list in this process only.
        rank: This rank.
    """

    def __init__(self, path: Path | None, rank: int = 0) -> None:
        self.path, self.rank = path, rank
        # Files that an earlier run of this folder could not read may have been mended since.
        self.since = time.time()
        self._own: dict[str, dict[str, Any]] = {}

    def add(self, id: str, reason: str, split: str) -> int:
        """Note a file, with a message when it is met for the first time.

        Args:
            id: The file's id.
            reason: Why it cannot be read, one line.
            split: Split it was read for.

        Returns:
            How many files of the split are known to be unreadable since this object was made.
        """
        if id not in self._own:
            known = self._rows()
            self._own[id] = {"id": id, "reason": reason, "split": split, "time": time.time()}
            if self.path is not None:
                append_line(self._folder / f"{self.rank}-{os.getpid()}.jsonl", self._own[id])
            if id not in known:
                place = f"; listed in {self.path}" if self.path else ""
                _log.warning("%s: %s%s", id, reason, place)
            self.write()
        return len(self.ids(split))

    def ids(self, split: str) -> set[str]:
        """Ids of a split that could not be read since this object was made, whichever process met them."""
        return {id for id, row in self._rows().items() if row["split"] == split and row["time"] >= self.since}

    def write(self) -> int:
        """Rewrite the table from what all processes noted; return how many rows it has."""
        rows = self._rows().values()
        if self.path is not None and rows:
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in sorted(rows, key=lambda row: (row["first"], row["id"])):
                seen = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row["first"]))
                writer.writerow((row["id"], row["reason"], row["split"], seen))
            write_text(self.path, text.getvalue())
        return len(rows)

    @property
    def _folder(self) -> Path:
        assert self.path is not None
        return self.path.parent / f".{self.path.stem}"

    def _rows(self) -> dict[str, dict[str, Any]]:
        """What is known of each id: its newest line, and when it was first seen."""
        lines = [*self._own.values()]
        if self.path is not None:
            lines = [row for part in sorted(self._folder.glob("*.jsonl")) for row in read_rows(part) if _is_sound(row)]
        rows: dict[str, dict[str, Any]] = {}
        for line in sorted(lines, key=lambda line: line["time"]):
            first = rows.get(line["id"], line).get("first", line["time"])
            rows[line["id"]] = {**line, "first": first}
        return rows


def _is_sound(row: dict[str, Any]) -> bool:
    seen = row.get("time")
    return isinstance(seen, float) and 0 <= seen < 1e11 and all(isinstance(row.get(name), str) for name in COLUMNS[:3])
