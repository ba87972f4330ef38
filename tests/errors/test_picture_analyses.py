"""`analyse blends` and `analyse agreement` refuse what they cannot judge, naming the option and the mend."""

import numpy as np
import pytest

from records.images import write_image

SCORES = "system,id,group,piqe,psnr\n"
ROWS = "".join(f"{system},synthetic/{n},g{n},{n}.5,2{n}\n" for system in "abc" for n in (0, 1))
VOTES = "rater,image,system_a,system_b,winner\n"
BLENDS = "blends --fusion fused --truth truth --perception ssim --distortion l1 --blend"
WORDS = [
    (f"{BLENDS} half=b0", "--blend: 'half=b0' is not SHARE=DIR; write a share from 0 to 1"),
    (f"{BLENDS} 0=b0 0.0=b1", "--blend: the share 0.0 is there twice; give one folder for each share"),
    (f"{BLENDS} 0=b0 0.5=b1", "--blend: 0 and 1, the candidates themselves, are not both there; add them"),
    (f"{BLENDS} 0=b0 1=b0", "--blend: all blends are equal in l1 or ssim; give candidates that differ"),
    (f"{BLENDS} 0=b0 1=b1 --image nowhere", "--image: no synthetic image is called nowhere; give one of 0, 1"),
    (f"{BLENDS} 0=b0 1=b1 --distortion psnr --fusion equal", "psnr of synthetic/0 is not finite; leave it out"),
    (f"{BLENDS} 0=b0 1=b1 --perception niqe", "--perception or --wild: niqe: no model is given ... or name another"),
    (f"{BLENDS} 0=b0 1=b1 --perception musiq --weights l1=b0", "--weights: no metric 'l1' takes weights"),
    (f"{BLENDS} 0=b0 1=both --wild piqe", "--blend and --fusion: the folders do not hold the same images"),
    ("agreement --votes v.csv", "--system: there is nothing to judge; give folders, or tables by --scores"),
    ("agreement --system a=b0 --votes v.csv", "--truth: is missing; name the originals"),
    ("agreement --scores none.csv --votes v.csv", "none.csv: cannot be read (FileNotFoundError); give a table of"),
    ("agreement --scores v.csv --votes v.csv", "v.csv: has no columns system, id, group; give a table of"),
    ("agreement --scores s.csv --votes strange.csv", "--votes: voted images without figures: 7; give the folders"),
    ("agreement --scores s.csv --votes foreign.csv", "--votes: voted systems without figures: z; give the folders"),
    ("agreement --scores s.csv --votes two.csv", "--votes: 2 systems cannot be left out one by one; give votes on"),
    ("agreement --scores bare.csv --votes three.csv", "--scores: no metric without reference has all voted pictures"),
    ("agreement --scores s.csv --simulate 0", "--simulate: a simulated rater needs st_lpips, l1; give pictures"),
    ("agreement --scores holes.csv --simulate 0", "--simulate: b/synthetic/0 has no distance to its original; give"),
]


@pytest.fixture
def here(tmp_path):
    random = np.random.default_rng(0)
    for id in ("0", "1"):
        truth = random.integers(40, 200, (32, 32, 3))
        for step, name in enumerate(("truth", "fused", "b0", "b1", "both")):
            picture = np.clip(truth + 5 * step * random.normal(size=truth.shape), 0, 255).astype(np.uint8)
            write_image(tmp_path / name / f"synthetic/{id}.png", picture)
        write_image(tmp_path / "equal" / f"synthetic/{id}.png", truth.astype(np.uint8))
    for name in ("truth", "both"):
        write_image(tmp_path / name / "wild/w.png", picture)
    (tmp_path / "s.csv").write_text(SCORES + ROWS)
    (tmp_path / "bare.csv").write_text(SCORES.replace("piqe", "l1") + ROWS)
    holes = "a,synthetic/0,g,0.1,0.2\na,synthetic/1,g,0.1,0.2\nb,synthetic/1,g,0.1,0.2\nb,synthetic/0,g,,0.2\n"
    (tmp_path / "holes.csv").write_text("system,id,group,l1,st_lpips\n" + holes)
    for name, rows in (
        ("v", "r,0,a,b,a\n"),
        ("strange", "r,7,a,b,a\n"),
        ("foreign", "r,0,a,z,a\n"),
        ("two", "r,0,a,b,a\n"),
        ("three", "r,0,a,b,a\nr,1,b,c,c\n"),
    ):
        (tmp_path / f"{name}.csv").write_text(VOTES + rows)
    return tmp_path


@pytest.mark.parametrize(("words", "told"), WORDS, ids=[words for words, _ in WORDS])
def test_what_cannot_be_judged(here, refused, says, words, told):
    says(refused("analyse", *words.split(), "--out", "out"), told)
    assert not (here / "out/report.md").exists()
