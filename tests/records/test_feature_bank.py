"""Rows on disk count only when they are whole, and banks of another kind are refused."""

import json
import multiprocessing
import pickle
from dataclasses import replace

import numpy as np
import pytest

from records.bank_writer import BankWriter
from records.errors import UserError
from records.feature_bank import BankHeader, FeatureBank

HEADER = BankHeader("lite", "1", "w" * 64, "s", tokens=2, width=3, view={"size": 4})
IDS = ["a/1.mp4", "a/2.mp4", "b/3.mp4"]


def rows(count: int, first: float = 1.0) -> np.ndarray:
    return first + np.arange(count * 6, dtype=np.float32).reshape(count, 2, 3)


def filled(folder, ids=IDS, done=IDS) -> FeatureBank:
    bank = FeatureBank.prepare(folder, HEADER, ids)
    writer = BankWriter(bank)
    writer.write(done, rows(len(done)))
    writer.close()
    return FeatureBank(folder)


def read_in_child(bank: FeatureBank) -> list[float]:
    return bank.read("a/2.mp4").ravel().tolist()


def test_rows_come_back_by_id_in_the_order_asked_for(tmp_path):
    bank = filled(tmp_path)
    assert bank.read_many(["b/3.mp4", "a/1.mp4"]).tolist() == [rows(3)[2].tolist(), rows(3)[0].tolist()]
    assert bank.read("a/2.mp4").dtype == np.float16 and bank.read("a/2.mp4").shape == (2, 3)
    assert bank.missing([*IDS, "c.mp4"]) == ["c.mp4"]
    assert bank.header == HEADER and (tmp_path / "rows.f16").stat().st_size == 3 * 2 * 3 * 2


def test_what_is_read_is_a_copy(tmp_path):
    bank = filled(tmp_path)
    bank.read("a/1.mp4")[:] = 0
    assert bank.read("a/1.mp4").tolist() == rows(3)[0].tolist()


def test_a_row_without_its_flag_does_not_count(tmp_path):
    bank = FeatureBank.prepare(tmp_path, HEADER, IDS)
    writer = BankWriter(bank)
    flag, writer._done = writer._done, None  # killed between the row and its flag
    with pytest.raises(AttributeError):
        writer.write(IDS[:1], rows(1))
    assert (tmp_path / "rows.f16").read_bytes()[:2] != b"\0\0" and flag is not None
    assert FeatureBank(tmp_path).missing(IDS) == IDS
    with pytest.raises(UserError, match=r"a/1\.mp4 is not filled"):
        FeatureBank(tmp_path).read("a/1.mp4")


def test_ids_nobody_listed_are_named(tmp_path):
    with pytest.raises(UserError, match=r"no row for other\.mp4"):
        filled(tmp_path).read_many(["a/1.mp4", "other.mp4"])


def test_ranks_write_into_one_table(tmp_path):
    bank = FeatureBank.prepare(tmp_path, HEADER, IDS)
    for rank in (0, 1):
        BankWriter(FeatureBank(tmp_path), rank).write(IDS[rank::2], rows(3)[rank::2])
    assert not bank.missing(IDS)
    assert (bank.read_many(IDS) == rows(3)).all()


def test_new_ids_stand_behind_the_old_ones_whose_rows_stay(tmp_path):
    filled(tmp_path, done=IDS[:2])
    bank = FeatureBank.prepare(tmp_path, HEADER, ["new.mp4", "a/1.mp4"])
    assert list(bank.index) == [*IDS, "new.mp4"]
    assert bank.missing([*IDS, "new.mp4"]) == ["b/3.mp4", "new.mp4"]
    BankWriter(bank).write(["new.mp4"], rows(1, 50))
    again = FeatureBank(tmp_path)
    assert (again.read("new.mp4") == rows(1, 50)[0]).all() and (again.read("a/1.mp4") == rows(3)[0]).all()
    assert len(list(tmp_path.glob("ids-*.json"))) == 1


def test_a_kill_while_ids_are_added_leaves_the_old_bank(tmp_path, monkeypatch):
    filled(tmp_path)
    import records.feature_bank as module

    def killed(path, value):
        if path.name == "header.json":
            raise KeyboardInterrupt
        write_json(path, value)

    write_json = module.write_json
    monkeypatch.setattr(module, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        FeatureBank.prepare(tmp_path, HEADER, ["new.mp4"])
    assert (FeatureBank(tmp_path).read_many(IDS) == rows(3)).all()
    monkeypatch.undo()
    assert FeatureBank.prepare(tmp_path, HEADER, ["new.mp4"]).missing(["new.mp4"]) == ["new.mp4"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("version", "2"), ("weights_hash", "v" * 64), ("sampler_hash", "t"), ("tokens", 4), ("view", {"size": 5})],
)
def test_a_bank_of_another_kind_is_refused_by_field(tmp_path, field, value):
    filled(tmp_path)
    with pytest.raises(UserError) as caught:
        FeatureBank.prepare(tmp_path, replace(HEADER, **{field: value}), IDS)
    assert field in str(caught.value) and "\n" not in str(caught.value)
    others = {"version", "weights_hash", "sampler_hash", "tokens", "view", "stand_in"} - {field}
    assert not [name for name in others if f"{name} " in str(caught.value).replace("bank was made with ", "")]


def test_stand_ins_bear_it_in_the_file_name_and_never_mix(tmp_path):
    random = replace(HEADER, stand_in=True)
    FeatureBank.prepare(tmp_path / "random", random, IDS)
    assert (tmp_path / "random" / "rows.stand-in.f16").is_file()
    assert json.loads((tmp_path / "random" / "header.json").read_text())["stand_in"] is True
    for first, second in ((random, HEADER), (HEADER, random)):
        folder = tmp_path / str(first.stand_in)
        FeatureBank.prepare(folder, first, IDS)
        with pytest.raises(UserError, match="stand_in"):
            FeatureBank.prepare(folder, second, IDS)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 70000.0, -66000.0])
def test_values_that_float16_cannot_hold_are_refused_by_id(tmp_path, value):
    writer = BankWriter(FeatureBank.prepare(tmp_path, HEADER, IDS))
    wrong = rows(2)
    wrong[1, 0, 1] = value
    with pytest.raises(UserError, match=r"for a/2\.mp4"):
        writer.write(IDS[:2], wrong)
    assert FeatureBank(tmp_path).missing(IDS) == IDS
    large = np.full((1, 2, 3), 65504, np.float32)
    writer.write(IDS[:1], large)
    assert (FeatureBank(tmp_path).read(IDS[0]) == large[0]).all()


def test_rows_of_another_shape_are_refused(tmp_path):
    writer = BankWriter(FeatureBank.prepare(tmp_path, HEADER, IDS))
    with pytest.raises(UserError, match=r"\(3, 2\) instead of \(2, 3\)"):
        writer.write(IDS[:1], np.zeros((1, 3, 2), np.float32))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_an_open_bank_goes_to_another_process(tmp_path, method):
    bank = filled(tmp_path)
    bank.read("a/1.mp4")
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(read_in_child, (bank,)) == rows(3)[1].ravel().tolist()
    assert len(pickle.dumps(bank)) < 2000


def test_damage_is_told(tmp_path):
    with pytest.raises(UserError, match="no feature bank"):
        FeatureBank(tmp_path / "none")
    bank = filled(tmp_path / "cut")
    with open(tmp_path / "cut" / "rows.f16", "r+b") as file:
        file.truncate(10)
    with pytest.raises(UserError, match="cut off"):
        bank.read("a/1.mp4")
    (ids,) = (tmp_path / "cut").glob("ids-*.json")
    ids.write_text('["x"]')
    with pytest.raises(UserError, match="other ids"):
        _ = FeatureBank(tmp_path / "cut").index
    (tmp_path / "cut" / "header.json").write_text("{}")
    with pytest.raises(UserError, match="no header"):
        FeatureBank(tmp_path / "cut")
