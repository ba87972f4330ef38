"""The readers of everything that comes from outside, each with sound files to break."""

import io
import random
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from records.errors import UserError
from tests.fuzz import many_runs, seeds
from tests.fuzz.mutations import mutate

Broken = Callable[[Sequence[bytes], random.Random], bytes]


def _mutated(sound: Sequence[bytes], chance: random.Random) -> bytes:
    return mutate(chance.choice(sound), sound, chance)


def _repacked(sound: Sequence[bytes], chance: random.Random) -> bytes:
    """An archive of which one file inside is broken and the rest whole, so that the damage gets past the unpacking."""
    data = chance.choice(sound)
    if chance.random() < 0.3 or not zipfile.is_zipfile(io.BytesIO(data)):
        return _mutated(sound, chance)
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        files = [(info.filename, old.read(info), info.compress_type) for info in old.infolist()]
    victim = chance.randrange(len(files))
    with zipfile.ZipFile(packed, "w") as new:
        for place, (name, content, kind) in enumerate(files):
            if place == victim:
                content = mutate(content, [each for _, each, _ in files], chance)
            new.writestr(name, content, kind)
    return packed.getvalue()


VALUES = [
    None, True, 0, -1, 2**63, 10**400, 1.5, float("nan"), float("-inf"), "", " ", "x", "1e3", "${oc.env:HOME}",
    "${paths.x}", "${", "${data.init_args.root}", "${oc.env:NO_SUCH}", [], [None], {}, {"a": 1}, [[[[]]]], "../..",
    "/dev/zero", "a" * 9999, "\U0001f600", "torch.nn.Linear", "os.system", {"class_path": "x"}, {"class_path": 3},
    {"class_path": "os.system", "init_args": {"command": "false"}}, {"init_args": {}}, {1: 2},
    {"class_path": "torch.nn.Linear", "init_args": {"in_features": "x"}},
]  # fmt: skip


def _revalued(sound: Sequence[bytes], chance: random.Random) -> bytes:
    """YAML that can be read and says something else somewhere, so that the damage gets past the reading."""
    whole = yaml.safe_load(chance.choice(sound))
    for _ in range(chance.choice((1, 1, 2, 3))):
        place, key = whole, chance.choice(list(whole))
        while isinstance(place[key], dict) and place[key] and chance.random() < 0.8:
            place = place[key]
            key = chance.choice(list(place))
        if chance.random() < 0.15:
            del place[key]
        elif chance.random() < 0.15:
            place[f"{key}{chance.choice(('x', '+', '.a', ' ', '-'))}"] = place.pop(key)
        else:
            place[key] = chance.choice(VALUES)
        if not whole:
            break
    return yaml.safe_dump(whole, allow_unicode=True).encode()


def _either(sound: Sequence[bytes], chance: random.Random) -> bytes:
    """Broken text, or text that can be read and says something else."""
    return (_revalued if chance.random() < 0.6 else _mutated)(sound, chance)


@dataclass(frozen=True)
class Target:
    """A reader.

    Args:
        make: Writes sound files into a folder.
        run: Reads bytes, put into a folder under names as they have them in life.
        broken: Makes a broken version of one of the sound files.
    """

    make: Callable[[Path], None]
    run: Callable[[Path, bytes], None]
    broken: Broken = field(default=_mutated)

    def seeds(self, folder: Path) -> list[bytes]:
        """Sound files; made once for a folder."""
        if not folder.is_dir():
            making = folder.with_name(f"{folder.name}.making")
            making.mkdir(parents=True, exist_ok=True)
            self.make(making)
            making.rename(folder)
        return [path.read_bytes() for path in sorted(folder.iterdir())]


def _put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _image(folder: Path, data: bytes) -> None:
    from records.images import image_size, read_alpha, read_image

    path = _put(folder, "picture.png", data)
    height, width = image_size(path)
    picture = read_image(path)
    assert picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype.name == "uint8"
    assert picture.shape[:2] == (height, width), (picture.shape, height, width)
    alpha = read_alpha(path)
    assert alpha is None or alpha.shape == (height, width)


def _video(folder: Path, data: bytes, backend: str = "pyav") -> None:
    import numpy as np

    from datamodules.video.draw import Draw
    from datamodules.video.reader import VideoReader
    from datamodules.video.samplers import Clip, OnePerSecond, OnePerSecondFull, Uniform

    path = _put(folder, "clip.mp4", data)
    with VideoReader(path, backend) as reader:  # type: ignore[arg-type]
        timeline = reader.timeline
        assert len(timeline) and timeline.times[0] == 0 and np.isfinite(timeline.times).all()
        assert (np.diff(timeline.times) > 0).all() and 0 < timeline.duration < float("inf"), timeline
        assert timeline.height > 0 and timeline.width > 0 and timeline.fps > 0, timeline
        wanted = set()
        for sampler in (Uniform(3), OnePerSecond(2), OnePerSecondFull(2), Clip(2, 2), Clip(2, 0.5, "seconds")):
            indices = sampler.indices(timeline, Draw(id="x"))
            assert all(0 <= index < len(timeline) for index in indices), (sampler, indices, timeline)
            wanted |= set(indices)
        pictures = list(reader.pictures(sorted(wanted)))
        assert len(pictures) == len(wanted)
        for picture in pictures[:3]:
            assert picture.rgb().shape == (picture.height, picture.width, 3)


def _decord(folder: Path, data: bytes) -> None:
    _video(folder, data, "decord")


def _tables(folder: Path, data: bytes) -> None:
    from datamodules.tables import read_folds
    from datamodules.video_files import find_videos
    from experiments.data_report.label_files import read_label_file
    from records.labels import read_labels
    from records.pairs import read_pairs
    from records.predictions import read_predictions
    from records.votes import read_votes

    path = _put(folder, "table.csv", data)
    read_label_file(path)
    readers = (read_labels, read_pairs, read_predictions, read_folds, lambda each: read_votes([each]))
    _one_at_least(path, *readers, lambda each: find_videos([each]))


def _xlsx(folder: Path, data: bytes) -> None:
    from records.pairs import read_pairs

    read_pairs(_put(folder, "pairs.xlsx", data))


def _parquet(folder: Path, data: bytes) -> None:
    from records.image_scores import read_image_scores
    from records.predictions import read_predictions
    from records.pseudo_labels import read_pseudo_labels

    path = _put(folder, "table.parquet", data)
    _one_at_least(path, read_predictions, read_pseudo_labels, read_image_scores)


def _json(folder: Path, data: bytes) -> None:
    """All that is read as JSON: files of a run, of candidates, of a feature bank; journals."""
    from datamodules.quarantine import Quarantine
    from experiments import assess, enhance
    from experiments.score_kwaisr.folders import _groups
    from records.candidates import read_candidates
    from records.feature_bank import FeatureBank
    from records.files import read_lines
    from records.label_parts import LabelledIds
    from records.runs import read_metrics, read_status, read_summary
    from runtime.run_index import write_index

    shutil.rmtree(folder / "json", ignore_errors=True)
    root = folder / "json" / "runs" / "exp" / "base"
    for name in ("status.json", "summary.json", "metrics.jsonl", ".quarantine/0-1.jsonl", "part-0-1.jsonl"):
        _put(root, name, data)
    for name in ("candidates.json", "header.json", "manifest.json", ".out.csv.journal.jsonl", enhance.JOURNAL):
        _put(root, name, data)
    read_status(root / "status.json"), read_summary(root), read_metrics(root), read_lines(root / "metrics.jsonl")
    write_index(root.parents[1])
    Quarantine(root / "quarantine.csv").write()
    _groups(root)
    list(assess._kept(root / "out.csv", "hash", {"a.mp4": root / "status.json"}))
    enhance._kept(root, "maker", {"a.png": root / "status.json"})
    _one_at_least(root, read_candidates, lambda each: FeatureBank(each).index, lambda each: LabelledIds(each, {"a": 1}))


def _weights(folder: Path, data: bytes) -> None:
    """Weights of others: safetensors and state dicts."""
    from models.sr.prompts import TagTable, folder_prompts
    from models.vqa.weights import read_state

    for name in ("weights.safetensors", "weights.pth", "prompts.safetensors"):
        _put(folder, name, data)
    _one_at_least(
        folder,
        lambda each: _plainly(each, lambda: read_state(each / "weights.safetensors")),
        lambda each: _plainly(each, lambda: read_state(each / "weights.pth")),
        lambda each: _plainly(each, lambda: folder_prompts(each, None, None)),
        lambda each: _plainly(each, lambda: TagTable(each / "prompts.safetensors", "encoder").rows(["a.png"])),
    )


def _checkpoint(folder: Path, data: bytes) -> None:
    from runtime.build import load_scorer
    from runtime.load_enhancer import load_diffusion, load_fusion

    _one_at_least(_put(folder, "best.ckpt", data), load_scorer, load_fusion, load_diffusion)


def _arrays(folder: Path, data: bytes) -> None:
    """Features of other programs, a NIQE model, weights of ncnn."""
    from experiments.features.layouts import LAYOUTS
    from experiments.features.sources import find_features, row_of
    from metrics.sr.niqe import load
    from models.sr.ncnn_weights import read_ncnn

    layout = next(iter(LAYOUTS.values()))
    archive, single = _put(folder, "features.npz", data), _put(folder / "features", "a.npy", data)
    param, binary = _put(folder, "net.param", data), _put(folder, "net.bin", data)
    sound = folder / "seeds"

    def features(source: Path) -> None:
        for read in find_features(source, layout, 1).values():
            row_of(read(), layout, 1)

    # The commands say themselves which file such a sentence is about.
    _one_at_least(
        folder,
        lambda each: _plainly(Path(), lambda: features(archive)),
        lambda each: _plainly(Path(), lambda: features(single.parent)),
        lambda each: _plainly(Path(), lambda: load(archive)),
        lambda each: _plainly(folder, lambda: read_ncnn(param, sound / "net.bin")),
        lambda each: _plainly(folder, lambda: read_ncnn(sound / "net.param", binary)),
    )


def _config(folder: Path, data: bytes) -> None:
    """Config files as train.py reads them before it knows any class."""
    from runtime.entry import cheap_checks
    from runtime.layers import expand, run_name

    base = folder / "base.yaml"
    if not base.is_file():
        base.write_text("model: {class_path: a.B, init_args: {branches: {x: {class_path: a.C}}}}\n")
    path = _put(folder, "config.yaml", data)
    cheap_checks(["fit", "--config", str(path)])
    expand(["--config", str(base), "--config", str(path)])
    run_name([path])


class _Parsed(Exception):
    """The command line was understood."""


def _parse(folder: Path, data: bytes) -> None:
    """A config file through all of train.py that comes before anything is built."""
    from runtime import cli
    from runtime.entry import cheap_checks

    if not hasattr(cli.CLI, "kept"):
        _build_the_parser_once(cli.CLI)
    path = _put(folder, "config.yaml", data)
    words = ["fit", "--config", str(path), "--run.root", str(folder / "runs")]
    cheap_checks(words)
    try:
        cli.run(words)
    except _Parsed:
        return
    except SystemExit as leaving:
        raise UserError(f"left with {leaving.code}") from None


def _build_the_parser_once(cli: type) -> None:
    build, cli.kept = cli.setup_parser, {}

    def setup_parser(self, *arguments) -> None:
        if not cli.kept:
            build(self, *arguments)
            cli.kept.update(vars(self))
        vars(self).update(cli.kept)

    def stop(self) -> None:
        raise _Parsed

    cli.setup_parser, cli.before_instantiate_classes = setup_parser, stop


def _one_at_least(path: Path, *readers: Callable[[Path], object]) -> None:
    """Every reader reads it or says why not; the case counts as read where one does."""
    refusals = []
    for reader in readers:
        try:
            reader(path)
        except UserError as error:
            refusals.append(error)
    if len(refusals) == len(readers):
        raise refusals[-1]


def _plainly(place: Path, work: Callable[[], object]) -> None:
    """Floors that know no UserError raise these, with the file's name in the sentence."""
    try:
        work()
    except (ValueError, FileNotFoundError, KeyError) as error:
        assert str(place) in str(error) or place == Path(), error
        raise UserError(str(error)) from None


TARGETS = {
    "image": Target(seeds.images, _image),
    "video": Target(seeds.videos, _video),
    "decord": Target(seeds.videos, _decord),
    "tables": Target(seeds.tables, _tables),
    "xlsx": Target(seeds.workbooks, _xlsx, _repacked),
    "parquet": Target(seeds.parquets, _parquet),
    "json": Target(seeds.jsons, _json),
    "weights": Target(seeds.weights, _weights, _repacked),
    "checkpoint": Target(seeds.checkpoints, _checkpoint, _repacked),
    "arrays": Target(seeds.arrays, _arrays, _repacked),
    "config": Target(seeds.configs, _config),
    "sweep": Target(many_runs.sweeps, many_runs.run_sweep, _either),
    "study": Target(many_runs.studies, many_runs.run_study, _either),
    "journal": Target(many_runs.journals, many_runs.run_journal, many_runs.broken_lines),
    "parse": Target(seeds.recipes, _parse, _revalued),
}
