"""Tiny data sets and views for the tests of the data modules."""

from pathlib import Path

import pytest
import torch

from datamodules.kvq import KVQDataModule
from datamodules.video.samplers import Uniform
from datamodules.video.views.key_frames import KeyFrames
from tests.tiny_kvq import make_tiny_kvq


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training, one validation and one test content; nothing broken. Not to be written to."""
    return make_tiny_kvq(tmp_path_factory.mktemp("tiny"), 4, val=1, test=1, portrait=True)


@pytest.fixture(scope="session")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training contents with a cut and an empty file, one validation content. Not to be written to."""
    return make_tiny_kvq(tmp_path_factory.mktemp("damaged"), 4, val=1, broken=True, zero_byte=True)


@pytest.fixture
def module():
    """Make a data module with a view of 2 frames of 32 pixels."""
    torch.set_num_threads(1)

    def make(root: Path, **arguments: object) -> KVQDataModule:
        views = {"frames": KeyFrames(Uniform(2), 32)}
        return KVQDataModule(str(root), views, **{"batch_size": 7, "num_workers": 0, **arguments})

    return make
