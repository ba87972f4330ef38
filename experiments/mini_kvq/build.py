"""The whole build: clips and labels by content, then tables, baseline and card; it goes on after a kill."""

import multiprocessing
import os
import resource
import shutil
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np

from experiments.build_folder import claim
from experiments.mini_kvq.camera import film_photo, film_video
from experiments.mini_kvq.label import FORMULA, Labeller, Master, choose_labeller, make_master, measure, score_of
from experiments.mini_kvq.native import degrade
from experiments.mini_kvq.plan import Clip, Content, make_plan, number_clips, shrink
from experiments.mini_kvq.sources import MEDIA
from experiments.mini_kvq.tables import write_tables
from experiments.mini_kvq.versions import write_version
from records.errors import UserError
from records.files import read_json, write_json
from records.hashing import value_hash

MANIFEST, CARD, WORK = "manifest.json", "README.md", ".work"
# Bytes of the finished set.
ROOM = 30 * 2**20
_stop: Any = None


def build(
    root: Path,
    *,
    seed: int,
    jobs: int,
    contents: int | None = None,
    seconds: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> bool:
    """Make the data set, or what is missing of it.

    Args:
        root: Folder of the data set; new, empty, or begun by the same call.
        seed: Seed of everything that is drawn.
        jobs: Processes.
        contents: Number of labelled contents, for a quick look; None for all.
        seconds: Cut every clip to this length; None for the full one.
        progress: Told how many clips are done, and of how many.

    Returns:
        Whether anything had to be done.

    Raises:
        UserError: The folder holds something else, or a package is missing.
    """
    plan = shrink(make_plan(seed), contents, seconds)
    recipe = {"data": "mini-kvq", "seed": seed, "contents": contents, "seconds": seconds}
    recipe["plan"] = value_hash([content.describe() for content in plan])
    clips = number_clips(plan)
    claim(root, recipe, "a mini-kvq", room=0 if contents or seconds else ROOM)
    if all(is_done(root, clip) for clip in clips) and (root / MANIFEST).is_file():
        return False
    labeller = choose_labeller()
    # Before any work, and here, where the user sees it.
    for content in plan:
        MEDIA[content.medium].path  # noqa: B018
    _keep_records(root, clips)
    _make_clips(root, clips, jobs, labeller, progress)
    records = {clip.id: read_json(record_path(root, clip.id)) for clip in clips}
    folds = write_tables(root, clips, {id: record["score"] for id, record in records.items()}, seed)

    from experiments.mini_kvq.baseline import out_of_fold_ridge
    from experiments.mini_kvq.card import write_card

    manifest = {
        **recipe,
        "label": {"metric": "VMAF-NEG v0.6.1", "by": labeller, "score": FORMULA},
        "ridge": out_of_fold_ridge(root),
        "clips": {clip.id: {**records[clip.id], "fold": folds.get(clip.id), **clip.describe()} for clip in clips},
    }
    write_card(root / CARD, manifest)
    write_json(root / MANIFEST, manifest)
    shutil.rmtree(root / WORK)
    return True


def record_path(root: Path, id: str) -> Path:
    """Where the label of a clip stands until the manifest is written."""
    return root / WORK / f"{id.replace('/', '-')}.json"


def is_done(root: Path, clip: Clip) -> bool:
    """Whether a clip stands in its place, which it does only once it is measured."""
    return (root / clip.id).is_file() and ((root / MANIFEST).is_file() or record_path(root, clip.id).is_file())


def _keep_records(root: Path, clips: Sequence[Clip]) -> None:
    """Take back the labels of a finished set that has lost clips."""
    if not (root / MANIFEST).is_file():
        return
    known = read_json(root / MANIFEST)["clips"]
    for clip in clips:
        if (root / clip.id).is_file():
            write_json(
                record_path(root, clip.id), {key: known[clip.id][key] for key in ("score", "neg", "neg_of_acts")}
            )
    (root / MANIFEST).unlink()


def _make_clips(
    root: Path, clips: Sequence[Clip], jobs: int, labeller: Labeller, progress: Callable[[int, int], None]
) -> None:
    by_content: dict[Content, list[Clip]] = {}
    for clip in clips:
        by_content.setdefault(clip.content, []).append(clip)
    # The longest first, so that no process is left alone with one at the end.
    groups = sorted(by_content.values(), key=lambda group: -group[0].content.frames * len(group))
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(jobs, context, _begin, (stop, os.getpid())) as pool:
        try:
            waiting: set[Future[tuple[str, str, str] | None]] = {
                pool.submit(_make_content, root, group, labeller) for group in groups
            }
            while waiting:
                finished, waiting = wait(waiting, timeout=0.5)
                progress(sum(is_done(root, clip) for clip in clips), len(clips))
                for future in finished:
                    if fault := future.result():
                        raise UserError(fault[0], where=fault[1], mend=fault[2])
        except BrokenProcessPool:
            mend = "run the same command again, with --jobs 1 if memory is short; it goes on from here"
            raise UserError("a process of the build was ended from outside", where=str(root), mend=mend) from None
        finally:
            # Ends a process after the clip it is at.
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _begin(stop: Any, parent: int) -> None:
    global _stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stop = lambda: stop.is_set() or os.getppid() != parent  # noqa: E731
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _make_content(root: Path, clips: list[Clip], labeller: Labeller) -> tuple[str, str, str] | None:
    """Make the clips of a content that are missing; what is wrong with the media, if anything."""
    missing = [clip for clip in clips if not is_done(root, clip)]
    if not missing or _stop():
        return None
    content = missing[0].content
    try:
        master = film(content)
    except UserError as error:
        return error.what, error.where, error.mend
    reference = make_master(master, labeller) if content.split != "unlabelled" else None
    upload = degrade(master, content.native, content.seed)
    for clip in missing:
        if _stop():
            return None
        _make_clip(root, clip, upload, reference, labeller)
    return None


def film(content: Content) -> list[np.ndarray]:
    """Untouched frames of a content, uint8 RGB (height, width, 3)."""
    medium = MEDIA[content.medium]
    if medium.kind == "photo":
        return film_photo(medium.path, content.size, content.frames, content.seed)
    window = {"first": content.first, "stride": content.stride, "centre": content.centre}
    return film_video(medium.path, content.size, content.frames, **window)  # type: ignore[arg-type]


def _make_clip(root: Path, clip: Clip, upload: list[np.ndarray], reference: Master | None, labeller: Labeller) -> None:
    part = root / WORK / f"{clip.id.replace('/', '-')}"
    part.parent.mkdir(exist_ok=True)
    write_version(upload, clip.recipe, clip.content.seed, part)
    record: dict[str, Any] = {"score": None, "neg": None, "neg_of_acts": None}
    if reference is not None:
        frames = measure(part, reference, labeller)
        neg = float(np.mean(frames))
        acts = [round(float(act.mean()), 2) for act in np.array_split(frames, len(clip.content.native))]
        record = {"score": score_of(neg), "neg": round(neg, 2), "neg_of_acts": acts}
    write_json(record_path(root, clip.id), record)
    (root / clip.id).parent.mkdir(exist_ok=True)
    os.replace(part, root / clip.id)


def cpu_seconds() -> float:
    """Processor time of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
