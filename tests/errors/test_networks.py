"""`budget` refuses networks, views and samplers that cannot be, with the key that they stand under."""

import pytest

from tests.errors.experiment_files import BRANCH, DATA, NETWORK, VIEW, VIEWS, VQA, of, tiny

UNIFORM = of("datamodules.video.samplers.Uniform", count=2)
FRAMES = of(f"{VQA}.timm_frames.TimmFrames", name="test_efficientnet")


def sampled(name, /, **arguments):
    return {f"{VIEW}.init_args.sampler": of(f"datamodules.video.samplers.{name}", **arguments)}


def viewed(module, name, /, **arguments):
    return {VIEW: of(f"{VIEWS}.{module}.{name}", **arguments)}


def branched(module, name, /, **arguments):
    return {BRANCH: of(f"{VQA}.{module}.{name}", **arguments)}


def headed(module, name, /, **arguments):
    return {f"{NETWORK}.head": of(f"{VQA}.{module}.{name}", **arguments)}


def fused(module, name, /, **arguments):
    """Two branches of the same views, and what joins them."""
    return {
        f"{NETWORK}.branches": {"frames": FRAMES, "more": FRAMES},
        f"{DATA}.views.more": of(f"{VIEWS}.key_frames.KeyFrames", sampler=UNIFORM, size=32, resize="none"),
        f"{NETWORK}.fusion": of(f"{VQA}.{module}.{name}", **arguments),
    }


SAMPLER = f"{VIEW}.init_args.sampler.init_args: "
CLIP = "datamodules.video.views.motion.MotionClip"
WRONG = [
    # Classes, options and values that the parser refuses.
    (
        {BRANCH: of("models.vqa.timm_frames.TimmFrame")},
        "nothing named 'TimmFrame' in models.vqa.timm_frames; did you mean",
    ),
    ({BRANCH: of("nowhere.TimmFrames")}, "no module 'nowhere'; mend the class_path"),
    ({BRANCH: of("models.vqa.tim.TimmFrames")}, "nothing named 'tim' in models.vqa; models.vqa has attended_frames"),
    (branched("timm_frames", "TimmFrames", nam="x"), "TimmFrames has no option 'nam'; did you mean 'name'?"),
    (branched("timm_frames", "TimmFrames", name="x", chunk="y"), "chunk: value 'y' does not fit; give int or null"),
    (branched("timm_frames", "TimmFrames", name="x", pool="y"), "pool: value 'y' does not fit; choose one of 'avg'"),
    ({f"{NETWORK}.heads": 1}, "VQANetwork has no option 'heads'; did you mean 'head'?"),
    # Samplers and views.
    (sampled("Uniform", count=0), f"{SAMPLER}count must be at least 1, not 0"),
    (sampled("OnePerSecond", phase=1.0), f"{SAMPLER}phase must be a number of seconds in [0, 1), not 1.0"),
    (sampled("Clip", count=5, parts=2), f"{SAMPLER}count must be a multiple of parts, not 5 with 2 parts"),
    (sampled("Clip", step=1.5), f"{SAMPLER}step must be a whole number of frames, not 1.5"),
    (sampled("Clip", step=0, unit="seconds"), "step must be a number of ... above 0, not 0"),
    (viewed("key_frames", "KeyFrames", sampler=UNIFORM, size=32, resize="stretch", crops=2), "crops must be 1 with"),
    (viewed("slices", "DensitySlices", sampler=UNIFORM, threshold=2), "threshold must be a density in [0, 1], not 2"),
    (viewed("slices", "DensitySlices", sampler=UNIFORM, measure="x"), "measure: value 'x' does not fit; choose one"),
    (viewed("slices", "DensitySlices", sampler=UNIFORM, denoise_sigma=-1), "denoise_sigma must be a number of pixels"),
    (
        viewed("slices", "DensitySlices", sampler=UNIFORM, border_margin=0.5),
        "border_margin must be a share in [0, 0.5)",
    ),
    (viewed("expert_rows", "ExpertRows", root="r", experts={}), "experts names none; give an expert and its width"),
    (
        viewed("expert_rows", "ExpertRows", root="r", experts={"a": 4}, sampler=UNIFORM),
        "tokens is 8 and sampler chooses 2 frames; give both the same number",
    ),
]
MORE = [
    # Networks.
    ({f"{NETWORK}.branches": {}, f"{DATA}.views": {}}, "a network needs at least one branch"),
    ({f"{NETWORK}.branches": {"head": FRAMES}}, "a branch cannot be named 'head', which names a part of the network"),
    ({f"{NETWORK}.branches.more": FRAMES}, "2 branches (frames, more) need a fusion"),
    (
        {f"{DATA}.views.more": of(f"{VIEWS}.key_frames.KeyFrames", sampler=UNIFORM, size=32)},
        "view 'more' has no branch",
    ),
    (headed("heads", "MLPHead", hidden=0), f"{NETWORK}.head.init_args: hidden must be at least 1, not 0"),
    (headed("heads", "LinearHead", hidden=0), "hidden must be at least 1, not 0"),
    (headed("position_head", "PositionHead", hidden=0), "hidden must be at least 1, not 0"),
    (headed("heads", "TemporalEncoderHead", layers=0), "layers 0, heads 8 and ff 2048 must be at least 1"),
    (headed("heads", "TemporalEncoderHead", heads=7), "7 attention heads do not divide the 256 features of a token"),
    (fused("fusion", "PooledConcat", pool={"other": "mean"}), "pool names other, and the branches are frames, more"),
    (fused("cross_attention", "GatedCrossAttention", query="x"), "query 'x' is no branch; there are frames, more"),
    (fused("cross_attention", "GatedCrossAttention", query="frames", heads=7), "heads divide width 256"),
    (
        {f"{NETWORK}.fusion": of(f"{VQA}.cross_attention.GatedCrossAttention", query="frames")},
        "query 'frames' is the only branch; cross-attention needs another one",
    ),
    (fused("attention_pool", "AttentionPool", branches=[]), "branches [] must name a branch and heads 8 be at least 1"),
    (fused("attention_pool", "AttentionPool", branches=["x"]), "branches names 'x', and there are frames, more"),
    (fused("attention_pool", "AttentionPool", branches=["frames"], heads=7), "7 heads do not divide the 256 features"),
    # Branches.
    (branched("timm_frames", "TimmFrames", name="test_efficientne"), "timm has no model 'test_efficientne'; did you"),
    (branched("timm_frames", "TimmFrames", name="test_efficientnet", chunk=0), "chunk must be at least 1 frame, not 0"),
    (branched("timm_frames", "TimmFrames", name="test_efficientnet", levels=[9]), "levels [9] must name stages from 0"),
    (branched("timm_frames", "TimmFrames", name="test_efficientnet", img_size=32), "has no option img_size"),
    (
        branched("timm_frames", "TimmFrames", name="swinv2_tiny_window8_256", img_size=90),
        "img_size 90 of ... is no multiple",
    ),
    (
        branched("timm_frames", "TimmFrames", name="swinv2_tiny_window8_256"),
        "reads frames of 256x256 ... set img_size to the view",
    ),
    (
        branched("timm_frames", "TimmFrames", name="swinv2_tiny_window8_256", img_size=96, window_size=7),
        "window_size of swinv2_tiny_window8_256 is 7, which does not divide the",
    ),
    (branched("attended_frames", "AttendedFrames", name="test_efficientnet", blocks=0), "without any, take TimmFrames"),
    (
        branched("attended_frames", "AttendedFrames", name="test_efficientnet", heads=0),
        "and reach 12 must be at least 1",
    ),
    (branched("fast_path", "FastPath", width=0), "width 0 and depths"),
    (branched("fast_path", "FastPath", chunk=0), "chunk must be at least 1 clip, not 0"),
    ({**branched("fast_path", "FastPath"), f"{VIEW}.init_args.size": 16}, "reads frames of at least"),
    (branched("fragment_swin3d", "FragmentSwin3D", width=10), "width 10 must be a multiple of 32"),
    (branched("fragment_swin3d", "FragmentSwin3D", grid=0), "clips 1, grid 0 and depths"),
    (branched("fragment_swin3d", "FragmentSwin3D", clips=3), "reads 3 clips of one length and its view makes 2 frames"),
    (branched("fragment_swin3d", "FragmentSwin3D"), "reads 7x7 fragments with sides of a multiple of 4 pixels"),
    (branched("liqe", "LIQE", patches=0), "patches 0 and chunk None must be at least 1"),
    (branched("liqe", "LIQE"), "reads 15 patches of 224x224 pixels of each frame and its view makes"),
    (branched("slowfast_clips", "SlowFastClips", length=30), "length must be a multiple of 4, as the slow way sees"),
    (branched("slowfast_clips", "SlowFastClips", width=60), "width 60 must be a multiple of 8 and depths"),
    (branched("slowfast_clips", "SlowFastClips"), "reads clips of 32 frames and its view makes 2, no multiple of it"),
    (
        {
            **fused("fusion", "ConcatFusion"),
            f"{DATA}.views.more": of(
                f"{VIEWS}.key_frames.KeyFrames",
                sampler=of("datamodules.video.samplers.Uniform", count=3),
                size=32,
                resize="none",
            ),
        },
        "branches of different numbers of tokens (frames 2, more 3) cannot stand side by side",
    ),
    (
        {
            **fused("fusion", "PooledConcat", pool="mean_std"),
            f"{DATA}.views.more": of(
                f"{VIEWS}.key_frames.KeyFrames",
                sampler=of("datamodules.video.samplers.Uniform", count=1),
                size=32,
                resize="none",
            ),
        },
        "branch 'more' has one token, which has no standard deviation; pool it by mean",
    ),
    ({**branched("video_ssm", "BiSSMVideo"), f"{VIEW}.init_args.size": 40}, "reads frames of multiples of 16 pixels"),
    (branched("video_ssm", "BiSSMVideo", size=30), "size 30 must be a multiple of patch 16"),
    (branched("video_ssm", "BiSSMVideo", head_width=60), "head_width 60 does not divide the 384 features of a block"),
    (branched("x3d_clip", "X3DClip", name="x3d_z"), "value 'x3d_z' does not fit; choose one of 'x3d_xs'"),
    (branched("x3d_clip", "X3DClip", width=0), "width 0 and depths"),
    (branched("expert_features", "ExpertFeatures", experts={}), "experts {} must name at least one"),
    (branched("expert_features", "ExpertFeatures", experts={"a": 4}, dropout=1), "dropout must be in [0, 1), not 1"),
    (
        branched("expert_features", "ExpertFeatures", experts={"a": 4}),
        "reads rows of 4 features (a 4) and its view has",
    ),
    (
        {VIEW: of(f"{VIEWS}.expert_rows.ExpertRows", root="r", experts={"a": 4})},
        "reads frames of shape (time, 3, height",
    ),
]


def check(refused, says, path, changes, told):
    line = refused("budget", tiny(path, changes))
    says(line, told)
    assert path.name in line or line.startswith(("model.", "data.")), "says no place"


@pytest.mark.parametrize(("changes", "told"), WRONG, ids=[told[:60] for _, told in WRONG])
def test_values_that_cannot_be(tmp_path, refused, says, changes, told):
    check(refused, says, tmp_path / "wrong.yaml", changes, told)


@pytest.mark.prove
@pytest.mark.parametrize(("changes", "told"), MORE, ids=[told[:60] for _, told in MORE])
def test_networks_that_cannot_be(tmp_path, refused, says, changes, told):
    check(refused, says, tmp_path / "wrong.yaml", changes, told)


@pytest.mark.prove
def test_a_network_of_a_package_that_is_not_there(tmp_path, refused, says, monkeypatch):
    for name in ("open_clip", "open_clip.model"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    check(refused, says, tmp_path / "wrong.yaml", branched("liqe", "LIQE"), "LIQE needs the package open_clip_torch")


def test_a_network_over_the_limit_ends_with_1(tmp_path, monkeypatch, capsys):
    from experiments.__main__ import main

    assert main(["budget", str(tiny(tmp_path / "right.yaml", {})), "--limit", "0.001"]) == 1
