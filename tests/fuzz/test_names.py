"""Names of files are names: none leads out of its folder, into a shell, into a page or past a table."""

import ast
import json
import os
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datamodules.dataset import Clip, VideoQualityDataset
from datamodules.image.files import find_named, find_pairs
from datamodules.image.layout import Layout
from datamodules.quarantine import Quarantine
from datamodules.video.samplers import Uniform
from datamodules.video.views.key_frames import KeyFrames
from datamodules.video_files import find_videos
from experiments.__main__ import main
from experiments.score_kwaisr.folders import Item
from experiments.score_kwaisr.pack import Readme, pack
from records.candidates import candidates, read_candidates
from records.errors import UserError
from records.images import find_images, write_image
from records.labels import clean_id, read_labels
from records.places import leads_out
from records.predictions import Prediction, read_predictions, write_predictions
from records.pseudo_labels import read_pseudo_labels, write_pseudo_labels
from tests.command import ROOT
from tests.datamodules.video.clips import make_clip

LEADING_OUT = [
    "/etc/passwd", "../x.mp4", "a/../../x.mp4", "a/../x.mp4", "..", "..\\x.mp4", "a\\..\\..\\x.mp4", "C:\\x.mp4",
    "c:/x.mp4", "\\\\host\\x.mp4", "//host/x.mp4", "", " ", ".", "./", "a\0.mp4", "\ud800.mp4", "x" * 256,
    "a/" + "é" * 128,
]  # fmt: skip
ODD = [
    "a b.png", "it's.png", 'say "x".png', "line\nbreak.png", "-rf.png", "--out=x.png", "$(touch made).png",
    "`touch made`.png", "a;touch made;.png", "a|b&c>d<e.png", "%s%n{0}.png", "*.png", "[a].png", "~.png", "名前 ü.png",
    "\u202egnp.exe.png", "<img src=x onerror=alert(1)>.png", "=1+1.png", "\x1b[2Jx.png", "CON.png",
    unicodedata.normalize("NFC", "café.png"), unicodedata.normalize("NFD", "café2.png"),
]  # fmt: skip


@pytest.mark.parametrize("name", LEADING_OUT, ids=ascii)
def test_no_table_names_a_file_outside_of_its_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="file name"):
        clean_id(name)
    if "\ud800" not in name:
        (tmp_path / "labels.csv").write_text(f'filename,score\n"{name}",1\nb.mp4,2\n', encoding="utf-8", newline="")
        with pytest.raises(UserError, match="row 2"):
            read_labels(tmp_path / "labels.csv")
        write_predictions(tmp_path / "p.parquet", [Prediction(name, 1.0)])
        with pytest.raises(UserError, match="row 1"):
            read_predictions(tmp_path / "p.parquet")
        write_pseudo_labels(tmp_path / "l.parquet", [name], np.ones(1), np.ones(1), ["c"], {})
        with pytest.raises(UserError, match="row 1"):
            read_pseudo_labels(tmp_path / "l.parquet")
        if name.strip() and "\0" not in name:
            (tmp_path / "list.txt").write_text(f'"{name}"\n', encoding="utf-8")
            with pytest.raises(UserError, match="row 1"):
                find_videos([tmp_path / "list.txt"])
    row = {"id": "a.png", "split": "val", "domain": "wild", "size": [8, 8], "scale": 4}
    for key in ("id", "split", "domain"):
        with pytest.raises(ValueError, match="name"):
            candidates([{**row, key: name}])


def test_candidates_stay_in_their_folder(tmp_path: Path) -> None:
    row = {"id": "a.png", "split": "../../..", "domain": "etc", "size": [8, 8], "scale": 4}
    (tmp_path / "candidates.json").write_text(json.dumps({"maker": {}, "images": [row]}))
    with pytest.raises(UserError, match="holds no candidates"):
        read_candidates(tmp_path)


@pytest.mark.parametrize("follow", [False, True])
def test_links_that_lead_out_are_not_followed(follow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if follow:
        monkeypatch.setenv("SUGC_FOLLOW_LINKS", "1")
    root, away = tmp_path / "root", tmp_path / "root-beside"
    (root / "train").mkdir(parents=True), away.mkdir()
    clip = make_clip(away / "a.mp4", frames=2)
    write_image(away / "a.png", np.zeros((4, 4, 3), np.uint8))
    for name in ("a.mp4", "a.png"):
        (root / name).symlink_to(away / name)
        (root / f"own-{name}").write_bytes((away / name).read_bytes())
        (root / f"inside-{name}").symlink_to(root / f"own-{name}")
    (root / "deep").symlink_to(away)
    assert leads_out(root / "a.mp4", root) is leads_out(root / "deep" / "a.mp4", root) is (not follow)
    assert not leads_out(root / "inside-a.mp4", root) and not leads_out(clip, away)
    names = {"inside-a", "own-a", *(["a"] if follow else [])}
    assert {path.stem for path in find_images(root)} == {path.stem for path in find_videos([root])} == names
    quarantine = Quarantine(root / "quarantine.csv")
    clips = [Clip(id, root / id, "c") for id in ("a.mp4", "deep/a.mp4", "inside-a.mp4")]
    views = {"frames": KeyFrames(Uniform(1), size=8)}
    samples = [VideoQualityDataset(clips, views, quarantine, split="val", allowed=9)[place] for place in range(3)]
    assert [sample is not None for sample in samples] == [follow, follow, True]
    assert quarantine.ids("val") == (set() if follow else {"a.mp4", "deep/a.mp4"})
    (root / "list.txt").write_text("a.mp4\n")
    (root / "val").symlink_to(away)
    if follow:
        assert find_videos([root / "list.txt"]) == [root / "a.mp4"]
        return
    with pytest.raises(UserError, match="by a link"):
        find_videos([root / "list.txt"])
    with pytest.raises(UserError, match="by a link"):
        find_pairs(root, Layout(lr="{split}", hr="{split}/hr"), "val", 4)


def test_odd_names_are_restored_packed_and_shown_as_they_are(tmp_path: Path, monkeypatch, capsys) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    for name in ODD:
        write_image(photos / "synthetic" / name, np.full((9, 9, 3), 99, np.uint8))
    monkeypatch.chdir(photos)
    assert main(["enhance", str(photos), "--baseline", "bicubic", "--scale", "1", "--out", str(out)]) == 0
    made = {path.relative_to(out / "synthetic").as_posix() for path in find_images(out)}
    assert made == set(ODD) == {path.name for path in find_images(photos)}
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "out"}  # and no file "made", nowhere
    assert not [path for path in tmp_path.rglob("made*")]
    (tmp_path / "told").mkdir()
    told = {f"--{kind}": tmp_path / "told" / f"x.{kind}" for kind in ("html", "json", "csv")}
    words = ["--submission", out, "--truth", photos, "--pack", tmp_path / "s", "--metrics", "psnr", "--html-images", 40]
    words += [word for pair in told.items() for word in pair]
    assert main(["score", "kwaisr", *map(str, words)]) == 0
    assert "\x1b[2J" not in "".join(capsys.readouterr())
    page = told["--html"].read_text(encoding="utf-8")
    assert page.count("&lt;img src=x") > 1 and "<img src=x" not in page and page.count("<script>") == 1
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "unpacked")
    assert len(names) == len(ODD) + 2 and all(name == clean_id(name) for name in names)
    assert {path.name for path in (tmp_path / "unpacked").iterdir()} == {"synthetic", "manifest.json", "readme.txt"}
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "out", "s", "s.zip", "told", "unpacked"}


def test_a_packed_name_is_a_base_name(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    item = Item("wild", "../../x", tmp_path / "a.png", None, None, "g")
    with pytest.raises(UserError, match="is no base name"):
        pack(tmp_path / "sub" / "s", [item], Readme(None, "", False, ""))
    assert not (tmp_path / "x.png").exists()


def test_a_name_that_is_not_utf_8_is_told_before_anything_is_done(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "photos"
    write_image(folder / "a.png", np.zeros((4, 4, 3), np.uint8))
    odd = os.fsencode(folder) + b"/\xff.png"
    os.rename(folder / "a.png", odd)
    with pytest.raises(UserError, match="is not UTF-8"):
        find_named(tmp_path, [folder], "wild", 4)
    assert main(["enhance", str(folder), "--baseline", "bicubic", "--out", str(tmp_path / "out")]) == 2
    assert "photos/\\udcff.png: its name is not UTF-8; rename it" in capsys.readouterr().err


def test_a_message_steers_no_terminal() -> None:
    error = UserError("holds \x1b[2J\r\n\ud800", where="a\nb", mend="\x07")
    assert str(error) == "a\\nb: holds \\x1b[2J\\r\\n\\ud800; \\x07"
    assert len(str(UserError("x" * 10**6))) < 10_000 and str(UserError("名前 é")) == "名前 é"


# What runs a shell or code out of data. `eval` as a method puts a network into evaluation.
FORBIDDEN_CALLS = {
    "os.system", "os.popen", "os.execl", "os.execv", "os.execvp", "subprocess.getoutput", "subprocess.getstatusoutput",
    "eval", "exec", "compile", "__import__", "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads",
    "shelve.open", "joblib.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.hub.load",
    "torch.utils.cpp_extension.load", "tarfile.open", "shutil.unpack_archive", "pandas.read_pickle",
}  # fmt: skip


def called(node: ast.Call) -> str:
    try:
        return ast.unparse(node.func)
    except ValueError:
        return ""


def test_the_source_runs_no_shell_and_unpickles_nothing() -> None:
    packages = (*"callbacks datamodules experiments lightning_modules losses metrics models records runtime".split(),)
    packages += ("benchmarks", "docs")
    files = [ROOT / "train.py", *(file for name in packages for file in sorted((ROOT / name).rglob("*.py")))]
    assert len(files) > 250
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name, where = called(node), f"{file.relative_to(ROOT)}:{node.lineno}"
            told = {word.arg: word.value for word in node.keywords}
            assert name not in FORBIDDEN_CALLS, f"{where} calls {name}"
            assert not name.endswith((".extractall", ".extract")), f"{where} unpacks an archive by its own names"
            assert "trust_remote_code" not in told, f"{where} lets a download run code"
            shell = told.get("shell")
            assert shell is None or (isinstance(shell, ast.Constant) and not shell.value), f"{where} starts a shell"
            if name == "torch.load":
                only = told.get("weights_only")
                assert isinstance(only, ast.Constant) and only.value is True, f"{where} may unpickle code"
            if name in ("np.load", "numpy.load"):
                may = told.get("allow_pickle")
                assert may is None or (isinstance(may, ast.Constant) and may.value is False), (
                    f"{where} may unpickle code"
                )
            if name.endswith(".from_pretrained") and "Tokenizer" not in name:
                safe = "use_safetensors" in told or any(word.arg is None for word in node.keywords)
                assert safe, f"{where} may read a pickle"
            if name in ("subprocess.run", "subprocess.Popen", "subprocess.check_output", "subprocess.call"):
                assert not isinstance(node.args[0], ast.Constant | ast.JoinedStr), f"{where} gives words as one text"


def test_a_table_of_others_is_read_by_columns_of_its_kind_alone(tmp_path: Path) -> None:
    nested = pa.array([[{"a": 1}]])
    for column in (nested, pa.array([b"a.mp4"]), pa.array([1]), pa.array([True]), pa.array([[1.0]])):
        pq.write_table(pa.table({"id": column, "score": [1.0]}), tmp_path / "a.parquet")
        with pytest.raises(UserError, match="column id is of"):
            read_predictions(tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": ["a.mp4"], "score": [1.0], "extra": nested}), tmp_path / "a.parquet")
    assert read_predictions(tmp_path / "a.parquet") == [Prediction("a.mp4", 1.0)]
