"""`python -m experiments score kwaisr`: means, refusals, partial scores, the packed submission, the page."""

import csv
import json
import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from experiments.__main__ import main
from experiments.score_kwaisr.views import places, worst_crops
from metrics.sr.full_reference import RGB, psnr, ssim
from metrics.sr.piqe import piqe
from records.files import write_json
from records.images import read_image, write_image

TERMS = ["psnr", "ssim", "lpips", "musiq", "maniqa", "clipiqa"]


@pytest.fixture(autouse=True)
def _no_learned_metrics(monkeypatch):
    """Neither pyiqa nor ST-LPIPS, whatever is installed."""
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    monkeypatch.setitem(sys.modules, "losses.perceptual", None)


class Challenge:
    """A KwaiSR root of two photographs of two crops each and three wild pictures, and a submission, as files."""

    def __init__(self, root):
        generator = np.random.default_rng(0)
        self.root, self.truth, self.submission = root, root / "set" / "test", root / "submission"
        manifest = {"pairs": {}, "wild": {}}
        for number in range(4):
            y, x = np.mgrid[:64, :80]
            waves = [120 + 80 * np.sin(x / (3 + number + k)) * np.cos(y / (4 + k)) for k in range(3)]
            hr = (np.stack(waves, 2) + generator.normal(0, 4, (64, 80, 3))).clip(0, 255).astype(np.uint8)
            name = f"p{number}.png"
            small = Image.fromarray(hr).resize((20, 16), Image.Resampling.BICUBIC)
            write_image(self.truth / "synthetic" / "hr" / name, hr)
            write_image(self.truth / "synthetic" / "lr" / name, np.asarray(small))
            write_image(self.submission / "synthetic" / name, np.asarray(small.resize((80, 64))))
            photo = {"hr": f"test/synthetic/hr/{name}", "name": f"photo{number // 2}"}
            manifest["pairs"][f"test/synthetic/lr/{name}"] = photo
        for number in range(3):
            wild = generator.integers(0, 255, (48, 56, 3)).astype(np.uint8)
            write_image(self.truth / "wild" / f"w{number}.png", wild)
            write_image(self.submission / "wild" / f"w{number}.png", wild // 2)
            manifest["wild"][f"test/wild/w{number}.png"] = {"name": f"clip{number}"}
        write_json(root / "set" / "manifest.json", manifest)

    def run(self, *options, code=0, truth=True):
        words = ["score", "kwaisr", "--submission", str(self.submission), "--json", str(self.root / "out.json")]
        words += ["--truth", str(self.truth)] if truth else []
        assert main([*words, *map(str, options)]) == code
        return json.loads((self.root / "out.json").read_text()) if (self.root / "out.json").exists() else None


@pytest.fixture
def challenge(tmp_path):
    return Challenge(tmp_path)


def test_means_of_the_saved_files(challenge):
    found = challenge.run()
    pairs = [
        [read_image(folder / f"p{number}.png") for number in range(4)]
        for folder in (challenge.submission / "synthetic", challenge.truth / "synthetic" / "hr")
    ]
    assert found["psnr"] == pytest.approx(np.mean([psnr(sr, hr) for sr, hr in zip(*pairs, strict=True)]))
    assert found["ssim"] == pytest.approx(np.mean([ssim(sr, hr) for sr, hr in zip(*pairs, strict=True)]))
    wild = [piqe(read_image(challenge.submission / "wild" / f"w{number}.png")) for number in range(3)]
    assert found["piqe"] == pytest.approx(np.mean([*map(piqe, pairs[0]), *wild]))
    assert found["domains"]["wild"] == {"piqe": pytest.approx(np.mean(wild))}
    assert found["n"] == {"synthetic": 4, "wild": 3}
    assert found["photographs"] == {"synthetic": 2, "wild": 3}


def test_the_schema_and_what_is_missing(challenge, capsys):
    found = challenge.run()
    assert [name for name in found if name in (*TERMS, "piqe", "niqe")] == [*TERMS, "piqe", "niqe"]
    assert found["missing"] == ["lpips", "musiq", "maniqa", "clipiqa", "niqe", "st_lpips"]
    assert all(found[name] is None for name in ("lpips", "musiq", "maniqa", "clipiqa", "niqe"))
    assert "score" not in found
    assert found["score_partial"] == pytest.approx(found["psnr"] + 10 * found["ssim"])
    assert found["preset"] == "official" and "BT.601 luma, 4 pixels" in found["convention"]
    low, high = found["interval"]["score_partial"]
    assert low <= found["score_partial"] <= high
    text = capsys.readouterr().out
    assert "Preset official" in text and "Y, crop 4" in text and "partial score" in text
    assert "musiq: pyiqa is not there" in text and "--weights musiq=FILE" in text


def test_a_whole_score_when_all_terms_exist(challenge, monkeypatch):
    import metrics.sr.registry as registry

    values = {"lpips": 0.25, "musiq": 60.0, "maniqa": 0.4, "clipiqa": 0.5, "st_lpips": 0.1}
    build = registry.build

    def pretend(name, sources):
        if name in values:
            return registry.Scorer(registry.METRICS[name], lambda sr, hr: values[name], "abc")
        return build(name, sources)

    monkeypatch.setattr("experiments.score_kwaisr.scoring.build", pretend)
    found = challenge.run()
    assert "score_partial" not in found and found["missing"] == ["niqe"]
    assert found["score"] == pytest.approx(found["psnr"] + 10 * found["ssim"] - 2.5 + 6 + 4 + 5)
    assert found["st_lpips"] == 0.1 and found["weights_sha256"]["musiq"] == "abc"
    assert "score" in found["interval"]


@pytest.mark.parametrize("side", ["truth", "submission"])
def test_without_wild_pictures_the_score_is_partial(challenge, side):
    shutil.rmtree(getattr(challenge, side) / "wild")
    found = challenge.run()
    assert found["n"] == {"synthetic": 4, "wild": 0}
    assert "score_partial" in found and found["domains"]["wild"] == {}


def test_presets_differ_and_say_so(challenge, capsys):
    found = challenge.run("--preset", "rgb")
    pair = [read_image(challenge.submission / "synthetic" / "p0.png")]
    pair.append(read_image(challenge.truth / "synthetic" / "hr" / "p0.png"))
    assert found["preset"] == "rgb" and found["convention"].startswith("RGB, nothing cropped")
    assert "PSNR, dB (RGB)" in capsys.readouterr().out
    challenge.run("--preset", "rgb", "--csv", challenge.root / "out.csv")
    with open(challenge.root / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["psnr"]) == pytest.approx(psnr(*pair, RGB))
    assert {row["preset"] for row in rows} == {"rgb"} and rows[0]["convention"].startswith("RGB")
    assert [row["id"] for row in rows][::4] == ["synthetic/p0", "wild/w0"] and rows[0]["group"] == "photo0"
    assert rows[-1]["psnr"] == ""


def test_a_flat_truth_folder_and_stems_of_other_formats(challenge):
    flat = challenge.root / "flat"
    shutil.copytree(challenge.truth / "synthetic" / "hr", flat / "synthetic")
    wanted = challenge.run()["psnr"]
    challenge.truth = flat
    Image.open(challenge.submission / "synthetic" / "p1.png").save(challenge.submission / "synthetic" / "p1.bmp")
    (challenge.submission / "synthetic" / "p1.png").unlink()
    found = challenge.run()
    assert found["psnr"] == wanted
    assert found["photographs"]["synthetic"] == 4  # no manifest tells them together


def spoil(challenge, fault):
    folder = challenge.submission / "synthetic"
    if fault == "missing":
        (folder / "p2.png").unlink()
    elif fault == "extra":
        shutil.copy(folder / "p2.png", folder / "p9.png")
    elif fault == "twice":
        Image.open(folder / "p2.png").save(folder / "p2.jpg")
    elif fault == "size":
        write_image(folder / "p2.png", read_image(folder / "p2.png")[:60])
    elif fault == "unreadable":
        (folder / "p2.png").write_bytes((folder / "p2.png").read_bytes()[:300])
    elif fault == "wild":
        write_image(challenge.submission / "wild" / "w1.png", np.zeros((96, 112, 3), np.uint8))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("missing", "1 picture is missing (synthetic/p2)"),
        ("extra", "1 picture is not asked for (synthetic/p9)"),
        ("twice", "1 picture is there twice (synthetic/p2)"),
        ("size", "1 picture has a wrong size (synthetic/p2: 80x60 instead of 80x64)"),
        ("unreadable", "1 file gives no picture ("),
        ("wild", "1 picture has a wrong size (wild/w1: 112x96 instead of 56x48)"),
    ],
)
def test_a_spoilt_submission_is_refused_in_one_sentence(challenge, capsys, fault, told):
    spoil(challenge, fault)
    assert challenge.run(code=2) is None
    text = capsys.readouterr().err
    assert told in text and text.count("\n") == 1 and str(challenge.submission) in text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--metrics", "psnr", "musiq"], "musiq: pyiqa is not there"),
        (["--metrics", "pnsr"], "no metric is named 'pnsr'"),
        (["--weights", "psnr=x"], "no metric 'psnr' takes weights"),
        (["--weights", "lpips=nowhere.pth"], "--weights lpips=nowhere.pth: no such file"),
        (["--weights", "lpips"], "'lpips' is not NAME=PATH"),
        (["--beside", "HR=x"], "'HR' is taken"),
        (["--niqe", "nowhere.npz"], "nowhere.npz: cannot be read"),
        (["--fit-niqe", "."], "--niqe: is missing"),
    ],
)
def test_wrong_words_are_told_in_one_sentence(challenge, capsys, monkeypatch, options, told):
    monkeypatch.chdir(challenge.root)
    assert challenge.run(*options, code=2) is None
    text = capsys.readouterr().err
    assert text.startswith("error: ") and told in text and text.count("\n") == 1


def test_the_whole_set_in_place_of_a_split_is_pointed_out(challenge, capsys):
    challenge.truth = challenge.root / "set"
    challenge.run(code=2)
    assert str(challenge.root / "set" / "test") in capsys.readouterr().err


def test_a_perfect_submission_has_no_number_for_psnr(challenge, capsys):
    shutil.copy(challenge.truth / "synthetic" / "hr" / "p0.png", challenge.submission / "synthetic" / "p0.png")
    found = challenge.run()
    assert found["psnr"] is None and found["score_partial"] is None and "psnr" not in found["missing"]
    assert "infinite" in capsys.readouterr().out


def test_a_small_picture_names_the_metric_to_leave_out(challenge, capsys):
    for folder in (challenge.submission / "synthetic", challenge.truth / "synthetic" / "hr"):
        write_image(folder / "p0.png", np.zeros((12, 16, 3), np.uint8))
    challenge.run(code=2)
    assert "16x12 is too small" in capsys.readouterr().err


def test_a_fitted_niqe_is_named_after_its_data(challenge, capsys):
    photos = pytest.importorskip("skimage.data")
    folder, model = challenge.root / "mini" / "train" / "synthetic" / "hr", challenge.root / "niqe.npz"
    picture = np.tile(photos.astronaut()[64:256, 160:352], (5, 5, 1))
    write_image(folder / "a.png", picture)
    (folder / "b.png").write_bytes(b"no picture")
    for number in range(3):
        for root in (challenge.truth, challenge.submission):
            write_image(root / "wild" / f"w{number}.png", picture[: 100 + number, : 120 + number])
    shutil.rmtree(challenge.submission / "synthetic")
    found = challenge.run("--fit-niqe", folder, "--niqe", model)
    assert found["niqe_model"]["name"] == "niqe@mini" and len(found["niqe_model"]["sha256"]) == 64
    assert found["niqe"] == found["domains"]["wild"]["niqe"] > 0
    text = capsys.readouterr().out
    assert "NIQE@mini" in text and "1 unreadable files passed over" in text


def test_other_systems_stand_beside(challenge):
    other = challenge.root / "other"
    shutil.copytree(challenge.submission, other)
    for number in range(4):
        file = other / "synthetic" / f"p{number}.png"
        write_image(file, read_image(file) // 2)
    found = challenge.run("--beside", f"dark={other}")
    assert found["beside"]["dark"]["psnr"] < found["psnr"]
    assert found["beside"]["dark"]["n"] == found["n"]


@pytest.mark.parametrize("name", ["packed", "packed.zip"])
def test_the_packed_submission(challenge, name):
    wide = Image.open(challenge.submission / "synthetic" / "p3.png").convert("RGBA")
    wide.save(challenge.submission / "synthetic" / "p3.webp", lossless=True)
    (challenge.submission / "synthetic" / "p3.png").unlink()
    target = challenge.root / "new" / name
    options = ["--runtime", "0.5", "--device", "one card", "--extra-data", "--remark", "a <b>"]
    challenge.run("--lr", challenge.truth, "--pack", target, *options, truth=False)
    assert (challenge.root / "new" / "packed.zip").is_file()
    assert (challenge.root / "new" / "packed").is_dir() == (name == "packed")
    assert len(list((challenge.root / "new").iterdir())) == (2 if name == "packed" else 1)
    with zipfile.ZipFile(challenge.root / "new" / "packed.zip") as file:
        names = {f"synthetic/p{number}.png" for number in range(4)} | {f"wild/w{number}.png" for number in range(3)}
        assert set(file.namelist()) == {*names, "readme.txt", "manifest.json"}
        readme = file.read("readme.txt").decode()
        assert "runtime per image [s] : 0.5" in readme and "device : one card" in readme
        assert "No Extra Data [0] : 1" in readme and "4 synthetic, 3 wild" in readme
        assert set(json.loads(file.read("manifest.json"))["sha256"]) == names
        with file.open("synthetic/p3.png") as picture, Image.open(picture) as image:
            assert image.format == "PNG" and image.mode == "RGB" and image.size == (80, 64)


def test_packing_checks_sizes_against_the_inputs_and_spares_what_is_there(challenge, capsys):
    target = challenge.root / "packed"
    challenge.run("--lr", challenge.truth, "--scale", "2", "--pack", target, code=2, truth=False)
    assert "80x64 instead of 40x32" in capsys.readouterr().err and not target.exists()
    challenge.run("--pack", challenge.submission, code=2)
    assert "not empty" in capsys.readouterr().err


def test_the_page_needs_nothing_else(challenge):
    page = challenge.root / "page.html"
    other = shutil.copytree(challenge.submission, challenge.root / "other")
    challenge.run("--html", page, "--html-images", "3", "--beside", f"<b>x={other}")
    text = page.read_text()
    assert re.findall(r'(?:src|href)="(?!data:)', text) == [] and "http" not in text.replace("http-equiv", "")
    assert "<b>x" not in text and "&lt;b&gt;x" in text
    assert text.count("<section") == 3 and text.count('class="stage"') == 3
    assert "synthetic/p" in text and "wild/w" in text and "Y, crop 4" in text
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall(r"<img [^>]{0,200}", text))


def test_the_page_shows_both_ends_and_the_largest_errors():
    assert places(30, 3) == [0, 14, 29] and places(2, 9) == [0, 1] and places(30, 0) == []
    hr = np.full((300, 400, 3), 90, np.uint8)
    sr = hr.copy()
    sr[200:220, 310:340] += 60
    sr[10:20, 10:30] += 60
    first, second = worst_crops(sr, hr)
    assert first.of(sr)[..., 0].max() == 150 and first.top + first.height > 200 and first.left + first.width > 310
    assert (second.of(sr) != second.of(hr)).sum() == 10 * 20 * 3
    assert worst_crops(sr[:40, :50], None)[0].of(sr[:40, :50]).shape == (40, 48, 3)


PROBE = """<script>
const figure = document.querySelector(".compare"), stage = figure.querySelector(".stage");
const [left, right] = figure.querySelectorAll("select"), cut = figure.querySelector("input");
const seen = () => ["left", "right"].map((side) => stage.querySelector("img." + side).dataset.view).join(" | ");
const told = [seen()];
cut.value = 20; cut.dispatchEvent(new Event("input"));
told.push(getComputedStyle(stage.querySelector("img.right")).clipPath);
right.value = "HR"; right.dispatchEvent(new Event("input")); told.push(seen());
const box = stage.getBoundingClientRect(), x = box.left + box.width * 0.75;
stage.dispatchEvent(new PointerEvent("pointermove", {clientX: x, buttons: 1, bubbles: true})); told.push(cut.value);
told.push([...document.images].filter((image) => !image.naturalWidth).length + " broken");
document.body.dataset.told = told.join(" ; ");
</script>"""


@pytest.mark.slow
def test_the_slider_works_in_a_browser(challenge):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("no Chromium here; apt-get install chromium")
    page = challenge.root / "page.html"
    challenge.run("--html", page)
    text = page.read_text()
    probed = challenge.root / "probed.html"
    # The policy lets only the page's own script run, so the probe's copy goes without it.
    probed.write_text(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text) + PROBE)

    def run(file):
        words = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000"]
        words += ["--enable-logging=stderr", f"--user-data-dir={challenge.root / 'profile'}", "--dump-dom"]
        done = subprocess.run([*words, file.as_uri()], capture_output=True, text=True, timeout=120)
        assert "CONSOLE" not in done.stderr, done.stderr
        return done.stdout

    # What the script alone sets under the page's own policy.
    assert "--cut: 50%" in run(page).partition("<main>")[2]
    told = re.search(r'data-told="([^"]*)"', run(probed))[1].split(" ; ")
    assert told == [
        "LR, bicubic | submission", "inset(0px 0px 0px 20%)", "LR, bicubic | HR", "75", "0 broken",
    ]  # fmt: skip
