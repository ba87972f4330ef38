"""The whole build: seven files for each clip, then the tables; it goes on after a kill."""

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datamodules.video_files import find_videos
from experiments.build_folder import claim
from experiments.data_report.processes import each
from experiments.ladder.content import WORK, is_there, make_content, note_death, read_record, record_path
from experiments.ladder.plan import BANDS, FOLDER, Content, make_plan
from records.errors import CheckFailed, UserError
from records.files import read_json, write_json, write_text
from records.hashing import value_hash

MANIFEST, TABLE = "manifest.json", "ladder.csv"


def build(
    root: Path,
    source: Path,
    *,
    seed: int,
    jobs: int,
    limit: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> bool:
    """Make the ladders, or what is missing of them.

    Args:
        root: Folder of the ladders; new, empty, or begun by the same call.
        source: Folder of the clips.
        seed: Seed of everything that is drawn.
        jobs: Processes.
        limit: Draw so many of the clips; None takes all.
        progress: Told how many clips are done, and of how many.

    Returns:
        Whether anything had to be done.

    Raises:
        UserError: A folder holds something else, or there is no clip.
        CheckFailed: No clip can be used.
    """
    root, source = root.resolve(), source.resolve()
    if not source.is_dir():
        raise UserError("is not a folder", where=str(source), mend="name the folder of the clips with --from")
    if root.is_relative_to(source):
        raise UserError("lies within the folder of the clips", where=str(root), mend="name another folder with --root")
    plan = make_plan(source, find_videos([source]), seed, limit)
    recipe = {"data": "ladder", "seed": seed, "limit": limit, "bands": [list(band) for band in BANDS]}
    recipe["clips"] = value_hash([(content.source, content.path.stat().st_size) for content in plan])
    claim(root, recipe, "ladders", {"clips": "other clips"})
    _reopen(root, plan)
    if (root / MANIFEST).is_file():
        return False
    for name in (FOLDER, WORK):
        (root / name).mkdir(exist_ok=True)
    left = [content for content in plan if read_record(root, content) is None]
    # The largest first, so that no process is left alone with one at the end.
    left.sort(key=lambda content: -content.path.stat().st_size)
    done = len(plan) - len(left)
    progress(done, len(plan))
    for _ in each(make_content, [(root, content) for content in left], jobs, note_death):
        done += 1
        progress(done, len(plan))
    records = {content.group: read_json(record_path(root, content)) for content in plan}
    made = {group: record for group, record in records.items() if "error" not in record}
    broken = {record["source"]: record["error"] for record in records.values() if "error" in record}
    if not made:
        first, why = next(iter(broken.items()))
        told = f"none of {len(plan)} clips can be used, first {first}: {why}"
        raise CheckFailed(told, where=str(source), mend="name another folder with --from")
    write_text(root / TABLE, table_of(made))
    write_json(root / MANIFEST, {**recipe, "contents": made, "broken": broken})
    shutil.rmtree(root / WORK)
    return True


def table_of(contents: dict[str, dict[str, Any]]) -> str:
    """CSV ``filename,group,rank`` of all files, in the order of their names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("filename", "group", "rank"))
    rows = [(name, group, v["rank"]) for group, record in contents.items() for name, v in record["versions"].items()]
    writer.writerows(sorted(rows))
    return text.getvalue()


def _reopen(root: Path, plan: Sequence[Content]) -> None:
    """Take back the records of a finished build that has lost files."""
    if not (root / MANIFEST).is_file():
        return
    manifest = read_json(root / MANIFEST)
    known = manifest["contents"]
    if all(is_there(root, content) for content in plan if content.group in known) and (root / TABLE).is_file():
        return
    for content in plan:
        if record := known.get(content.group):
            write_json(record_path(root, content), record)
        else:
            error = manifest["broken"][content.source]
            write_json(record_path(root, content), {"source": content.source, "error": error})
    (root / MANIFEST).unlink()
