"""The list of unreadable files: each once, whoever meets it."""

import csv
import multiprocessing
from pathlib import Path

from datamodules.quarantine import COLUMNS, Quarantine


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_id_once_with_reason_and_split(tmp_path):
    quarantine = Quarantine(tmp_path / "quarantine.csv")
    assert quarantine.add("a, b.mp4", 'says "no"', "train") == 1
    assert quarantine.add("c.mp4", "empty", "val") == 1
    assert quarantine.add("a, b.mp4", 'says "no"', "train") == 1
    found = rows(tmp_path / "quarantine.csv")
    assert [(row["id"], row["reason"], row["split"]) for row in found] == [
        ("a, b.mp4", 'says "no"', "train"),
        ("c.mp4", "empty", "val"),
    ]
    assert tuple(found[0]) == COLUMNS
    assert found[0]["first_seen"].endswith("Z")


def _meet(quarantine: Quarantine, ids: list[str]) -> None:
    for id in ids:
        quarantine.add(id, "empty", "train")


def test_workers_and_ranks_at_once_lose_and_double_nothing(tmp_path):
    path = tmp_path / "quarantine.csv"
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(
            target=_meet, args=(Quarantine(path, rank), [f"{place}.mp4" for place in range(start, start + 12)])
        )
        for rank, start in enumerate((0, 4, 8, 12))
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    Quarantine(path).write()
    assert sorted(row["id"] for row in rows(path)) == sorted(f"{place}.mp4" for place in range(24))


def test_counts_what_other_processes_met(tmp_path):
    first, second = (Quarantine(tmp_path / "quarantine.csv", rank) for rank in (0, 1))
    assert first.add("a.mp4", "empty", "train") == 1
    assert second.add("b.mp4", "empty", "train") == 2
    assert second.add("c.mp4", "empty", "val") == 1


def test_files_mended_between_two_runs_count_no_more_but_stay_listed(tmp_path, monkeypatch):
    path = tmp_path / "quarantine.csv"
    monkeypatch.setattr("time.time", lambda: 1000.0)
    assert [Quarantine(path).add(f"{place}.mp4", "empty", "train") for place in range(3)] == [1, 2, 3]
    monkeypatch.setattr("time.time", lambda: 2000.0)
    assert Quarantine(path).add("2.mp4", "empty", "train") == 1
    assert [(row["id"], row["first_seen"]) for row in rows(path)] == [
        (f"{place}.mp4", "1970-01-01T00:16:40Z") for place in range(3)
    ]


def test_a_torn_line_of_a_killed_process_is_passed_over(tmp_path):
    path = tmp_path / "quarantine.csv"
    quarantine = Quarantine(path)
    quarantine.add("a.mp4", "empty", "train")
    with open(next((tmp_path / ".quarantine").iterdir()), "a", encoding="utf-8") as file:
        file.write('{"id": "b.mp')
    quarantine.add("c.mp4", "empty", "train")
    assert [row["id"] for row in rows(path)] == ["a.mp4", "c.mp4"]


def test_without_a_folder_it_counts_in_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quarantine = Quarantine(None)
    assert quarantine.add("a.mp4", "empty", "train") == 1
    assert quarantine.add("b.mp4", "empty", "train") == 2
    assert not list(tmp_path.iterdir())


def test_a_file_is_told_of_once(tmp_path, caplog):
    Quarantine(tmp_path / "quarantine.csv", 0).add("a.mp4", "empty", "train")
    Quarantine(tmp_path / "quarantine.csv", 1).add("a.mp4", "empty", "train")
    assert [record.getMessage() for record in caplog.records] == [
        f"a.mp4: empty; listed in {tmp_path / 'quarantine.csv'}"
    ]
