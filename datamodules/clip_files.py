"""Video files, each read as its views or as the reason why it cannot be."""

import time
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from datamodules.video.draw import Draw
from datamodules.video.reader import BackendName
from datamodules.video.views.assemble import read_views
from datamodules.video.views.base import View


class ClipFiles(Dataset):
    """Views of files for scoring; a damaged file is an item with an error, never an exception.

    Args:
        files: Id to path.
        views: Name to view.
        reader: Decoder backend.
    """

    def __init__(self, files: dict[str, Path], views: dict[str, View], reader: BackendName) -> None:
        self.items = list(files.items())
        self.views, self.reader = views, reader

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Item ``index``.

        Returns:
            ``id``, ``views`` (name to uint8 tensor (time, 3, height, width); empty on error), ``seconds`` spent
            decoding, and ``error`` (empty when read).
        """
        id, path = self.items[index]
        began = time.perf_counter()
        views, error = {}, ""
        try:
            draw = Draw(seed=0, epoch=0, id=id, train=False)
            views = read_views(path, self.views, draw, backend=self.reader)
        except Exception as failure:  # one file of thousands; whatever is wrong with it goes into its row
            error = " ".join(str(failure).split()) or type(failure).__name__
        return {"id": id, "views": views, "seconds": time.perf_counter() - began, "error": error}
