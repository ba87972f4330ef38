"""Columns of a Parquet file, read a bounded number of rows at a time: a small file can claim to be terabytes."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from records.errors import UserError
from records.limits import limit, raised

if TYPE_CHECKING:
    import numpy as np

# Rows decoded at a time.
GROUP = 65536
# Bytes of a text in memory beside its letters.
TEXT = 64


class ParquetColumns:
    """A Parquet file whose columns hold texts and numbers.

    Args:
        path: The file.
        mend: What the user can do about one that cannot be read.

    Attributes:
        names: All its columns.
        facts: Its own metadata.

    Raises:
        UserError: There is no such file, or it is no readable table.
    """

    def __init__(self, path: str | Path, mend: str) -> None:
        import pyarrow.parquet as pq

        self.path, self.mend = Path(path), mend
        if not self.path.is_file():
            self._refuse("no such file")
        try:
            with pq.ParquetFile(self.path) as file:
                schema, rows = file.schema_arrow, file.metadata.num_rows
            self.names: list[str] = list(schema.names)
            self.facts: dict[bytes, bytes] = dict(schema.metadata or {})
            self._types = {name: schema.field(place).type for place, name in enumerate(self.names)}
        except Exception as error:  # the decoder raises many kinds on damaged bytes
            self._unreadable(error)
        if len(self._types) < len(self.names):
            self._refuse("has two columns of one name")
        if rows > limit("TABLE_ROWS"):
            self._refuse(f"{rows} rows are over the limit of {limit('TABLE_ROWS')}", raised("TABLE_ROWS"))

    def read(self, texts: Collection[str], numbers: Collection[str]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
        """Read columns.

        Args:
            texts: Columns of texts.
            numbers: Columns of numbers.

        Returns:
            Texts by column, None where there is none; and float64 (rows,) by column, nan where there is none.

        Raises:
            UserError: A column is missing or of another kind, or the table is damaged or larger than allowed.
        """
        for name in (*texts, *numbers):
            if name not in self._types:
                self._refuse(f"has no column {name}; it has {', '.join(self.names)}")
            if not (self.holds_texts(name) if name in texts else self.holds_numbers(name)):
                wanted = "texts" if name in texts else "numbers"
                self._refuse(f"its column {name} is of {self._types[name]}, not of {wanted}")
        import numpy as np

        words: dict[str, list[Any]] = {name: [] for name in texts}
        figures: dict[str, list[np.ndarray]] = {name: [np.zeros(0)] for name in numbers}
        try:
            for batch in self._batches([*texts, *numbers]):
                for name in texts:
                    words[name] += _words(batch.column(name))
                for name in numbers:
                    figures[name].append(_figures(batch.column(name)))
            return words, {name: np.concatenate(parts) for name, parts in figures.items()}
        except UserError:
            raise
        except Exception as error:
            self._unreadable(error)

    def holds_texts(self, name: str) -> bool:
        """Whether a column holds texts, or nothing."""
        from pyarrow import types

        kind = self._types[name]
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind)

    def holds_numbers(self, name: str) -> bool:
        """Whether a column holds whole or floating numbers, or nothing."""
        from pyarrow import types

        kind = self._types[name]
        return types.is_floating(kind) or types.is_integer(kind) or types.is_null(kind)

    def _batches(self, names: list[str]) -> Iterator[Any]:
        """Batches of rows, each counted before its texts are written out."""
        import pyarrow.parquet as pq
        from pyarrow import compute, types

        # As dictionaries: a long text that stands in a million rows is held once.
        texts = [name for name in names if self.holds_texts(name) and not types.is_null(self._types[name])]
        rows = size = 0
        with pq.ParquetFile(self.path, read_dictionary=texts) as file:
            for batch in file.iter_batches(GROUP, columns=names, use_threads=False):
                rows += batch.num_rows
                for column in batch.columns:
                    size += TEXT * batch.num_rows
                    if types.is_dictionary(column.type):
                        lengths = compute.binary_length(column.dictionary).take(column.indices)
                        size += int(compute.sum(lengths).as_py() or 0)
                if rows > limit("TABLE_ROWS"):
                    self._refuse(f"its rows are over the limit of {limit('TABLE_ROWS')}", raised("TABLE_ROWS"))
                if size > limit("TABLE_BYTES"):
                    self._refuse(f"its rows are over {limit('TABLE_BYTES')} bytes", raised("TABLE_BYTES"))
                yield batch

    def _unreadable(self, error: Exception) -> NoReturn:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        self._refuse(f"is not a readable Parquet table ({reason})")

    def _refuse(self, what: str, mend: str = "") -> NoReturn:
        raise UserError(what, where=str(self.path), mend=mend or self.mend) from None


def _words(column: Any) -> list[Any]:
    from pyarrow import types

    if not types.is_dictionary(column.type):
        return column.to_pylist()
    held = column.dictionary.to_pylist()
    return [None if place is None else held[place] for place in column.indices.to_pylist()]


def _figures(column: Any) -> "np.ndarray":
    import numpy as np
    import pyarrow as pa

    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
