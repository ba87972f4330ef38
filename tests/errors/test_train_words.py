"""`train.py` refuses wrong words and wrong configurations: keys, classes, values, files."""

import pytest

from tests.command import ROOT, TINY
from tests.errors.experiment_files import BRANCH, DATA, MODEL, NETWORK, of, tiny

CUT = {"trainer.max_epochs": 1}
WRITTEN = {
    "broken.yaml": "a: [1\n",
    "list.yaml": "- a\n",
    "circle.yaml": "base: circle.yaml\n",
    "based.yaml": "base: nowhere.yaml\n",
    "number.yaml": "base: 3\n",
    "key.yaml": "trainer: {max_epoch: 3}\n",
    "top.yaml": "modell: {}\n",
    "none.yaml": f"base: {TINY}\nmodel: null\n",
}
# Told before torch is imported.
CHEAP = [
    ("fti --config {tiny}", "no command 'fti'; did you mean 'fit'?"),
    ("--config {tiny}", "command line: no command '--config'; begin with one of fit, validate, test, predict"),
    ("fit --config", "--config: no file name follows; give a YAML file"),
    ("fit --config nowhere.yaml", "nowhere.yaml: no such config file; runnable configs are under configs/exp"),
    ("fit --config broken.yaml", "broken.yaml: not valid YAML ... mend the syntax there"),
    ("fit --config list.yaml", "list.yaml: holds a list, not keys; write `key: value` lines"),
    ("fit --config circle.yaml", "config files include each other (circle.yaml -> circle.yaml); drop one `base:`"),
    ("fit --config based.yaml", "nowhere.yaml: no such config file; runnable configs are under configs/exp"),
    ("fit --config number.yaml", "number.yaml: its base is no file name; write `base: FILE`"),
    ("fit --config top.yaml", "top.yaml: no key 'modell'; did you mean 'model'?"),
    ("fit --config key.yaml", "key.yaml: no key 'trainer.max_epoch'; did you mean 'trainer.max_epochs'?"),
    (
        "fit --config {tiny} --sed_everything 3",
        "command line: no key 'sed_everything'; did you mean 'seed_everything'?",
    ),
    (
        "fit --config {tiny} --trainer.devises 3",
        "command line: no key 'trainer.devises'; did you mean 'trainer.devices",
    ),
]
# Told by the parser.
PARSED = [
    ("fit x.yaml", "command line: a lone word 'x.yaml'; did you mean --config x.yaml?"),
    ("fit --config {tiny} now", "command line: a lone word 'now'; options begin with --"),
    ("fit", "command line: no model; give --config FILE; runnable ones are in configs/exp"),
    (
        "fit --config {tiny} --model null",
        "command line: no model; give --config FILE; runnable ones are in configs/exp",
    ),
    ("fit --config {tiny} --seed_everything true", "seed_everything: needs a number, so that a run can be repeated"),
    ("fit --config {tiny} --seed_everything x", "seed_everything: value 'x' does not fit; give bool or int"),
    ("fit --config {tiny} --trainer.max_epochs x", "trainer.max_epochs: value 'x' does not fit; give int or null"),
    ("fit --config {tiny} --run.bseline x", "no key 'run.bseline'; did you mean 'run.baseline'?"),
    ("fit --config {tiny} --run.baseline nowhere/x-seed0", "no such run; give <experiment>/<variant>-seed<n>"),
    ("fit --config {tiny} --data.init_args.batchsize 3", "has no option 'batchsize'; did you mean 'batch_size'?"),
    (
        "fit --config {tiny} --data.init_args.batch_size x",
        "data.init_args.batch_size: value 'x' does not fit; give int",
    ),
    ("fit --config {tiny} --data.init_args.reader x", "reader: value 'x' does not fit; choose one of 'pyav', 'decord'"),
    ("fit --config {tiny} --model lightning_modules.vqa_student.Student", "nothing named 'Student' in"),
    ("fit --config {tiny} --trainer.accelerator gpux", "trainer: ... ; python train.py fit --help lists every option"),
    ("fit --config {tiny} --trainer null", "Unable to load config ... ; python train.py fit --help lists every option"),
    ("fit --config none.yaml", "command line: no model; give --config FILE; runnable ones are in configs/exp"),
    ("fit --config {tiny} --limit 3", "command line: no key 'limit'; "),
    ("test --config {tiny}", "best.ckpt: no checkpoint of this run; run `python train.py fit` with the same words"),
    ("test --config {tiny} --ckpt_path c", "c: no such checkpoint; mend --ckpt_path"),
    ("test --config {tiny} --ckpt_path broken.yaml", "broken.yaml: ... "),
    ("fit --config {expert}", "VQAExpert has nothing to fit; use `python train.py predict`"),
    ("fit --config {tiny} --budget.max_gmacs 0", "max_gmacs must be above 0, not 0"),
]
LOSS, COMBINED = f"{MODEL}.loss", "losses.combined.CombinedLoss"
PLCC = {"class_path": "losses.plcc.PLCCLoss"}
# Values that a class of the model refuses.
VALUES = [
    ({LOSS: of(COMBINED, terms={})}, f"{LOSS}.init_args: a combined loss needs at least one term"),
    ({LOSS: of(COMBINED, terms={"skipped": {"loss": PLCC}})}, "a loss term cannot be named 'skipped'"),
    ({LOSS: of(COMBINED, terms={"a": {"loss": PLCC, "weight": -1}})}, "loss term 'a' has weight -1.0, expected 0 or"),
    ({LOSS: of("losses.plcc.PLCCLoss", form="c")}, f"{LOSS}.init_args.form: value 'c' does not fit; choose one of 'a'"),
    ({LOSS: of("losses.soft_srcc.SoftSRCCLoss", tau=0)}, "tau 0.0, tau_end None and anneal_steps 1000 must be above 0"),
    ({LOSS: of("losses.memory_queue.MemoryQueue", loss=PLCC, size=0)}, "size must be at least 1, not 0"),
    (
        {f"{MODEL}.distill": of("losses.feature_distillation.FeatureDistillation", view="x", width=0)},
        "width 0 must be at least 1 and weight 1.0 at least 0",
    ),
    ({f"{MODEL}.schedule": of("lightning_modules.base.CosineSchedule", warmup=2)}, "warmup 2.0 must be in [0, 1) and"),
    ({f"{MODEL}.pool_weight": -1}, f"{MODEL}: pool_weight must be at least 0, not -1.0"),
    (
        {f"{BRANCH}.init_args.pretrained": True, f"{BRANCH}.init_args.weights": "w.pth"},
        "no such file of weights: w.pth",
    ),
    ({f"{BRANCH}.init_args.weights": "broken.yaml"}, "broken.yaml cannot be read as weights"),
    ({f"{BRANCH}.init_args.weights": "package:x"}, "weights 'package:x' is unknown; known: package:"),
    ({f"{BRANCH}.init_args.weights": "package:efficientnet-lite0"}, "are for tf_efficientnet_lite0, not for test_eff"),
    ({f"{MODEL}.init_from": "c"}, "model.init_args.init_from c: no such checkpoint; give best.ckpt or last.ckpt"),
    ({f"{DATA}.views.frames.init_args.size": 0}, "size must be at least 1, not 0"),
    ({f"{NETWORK}.head.init_args.hidden": 0}, f"{NETWORK}.head.init_args: hidden must be at least 1, not 0"),
    ({"trainer.callbacks": [of("callbacks.pseudo_labels.PseudoLabelWriter", out="x.csv")]}, "out must end in .parquet"),
    (
        {"trainer.callbacks": [of("callbacks.slice_overlays.SliceOverlays", count=0)]},
        "trainer.callbacks[0].init_args: count must be at least 1, not 0",
    ),
    ({"trainer.callbacks": [of("callbacks.slice_overlays.SliceOverlays")]}, "no view 'slices' that cuts slices; leave"),
    ({"trainer.callbacks": [{"class_path": "callbacks.adapter_export.AdapterExport"}]}, "VQAStudent trains no adapter"),
    ({"budget.max_gmacs": 0.0001}, "GMACs a video are over the budget of 0.0001 ... or set budget.enforce: false"),
    ({"trainer.precision": "17"}, "trainer.precision: value '17' does not fit; give 64, 32, 16 or "),
]


@pytest.fixture
def here(tmp_path, world):
    for name, text in WRITTEN.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "data").symlink_to(world / "kvq")
    return tmp_path


def typed(words: str) -> list[str]:
    return words.format(tiny=TINY, expert=ROOT / "tests/configs/tiny_expert.yaml").split()


@pytest.mark.parametrize(("words", "told"), CHEAP, ids=[words[:40] for words, _ in CHEAP])
def test_words_that_are_refused_at_once(here, refused, says, words, told):
    says(refused("train.py", *typed(words)), told)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "told"), PARSED, ids=[words[:60] for words, _ in PARSED])
def test_words_that_the_parser_refuses(here, refused, says, words, told):
    says(refused("train.py", *typed(words)), told)


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "told"), VALUES, ids=[told[:60] for _, told in VALUES])
def test_values_that_a_class_refuses(here, refused, says, changes, told):
    file = tiny(here / "wrong.yaml", {**CUT, **changes})
    code = 1 if "budget.max_gmacs" in changes else 2
    says(refused("train.py", "fit", "--config", file, code=code), told)
