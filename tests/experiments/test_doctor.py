"""The doctor names what is wrong with the command that mends it, whatever is broken, and tells no secret."""

import collections
import importlib.metadata
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from experiments.__main__ import main
from experiments.diagnosis import dashboard, gpus, images, packages, processors, shadows, storage
from experiments.diagnosis.finding import Finding, examine
from experiments.diagnosis.weight_keys import all_taking, experts, nodes
from experiments.diagnosis.weight_list import Weight, keys, weights
from experiments.diagnosis.weight_places import get, place
from tests.command import ROOT, environment

HEAVY = ("lightning", "timm", "diffusers", "peft", "kornia", "transformers", "torchvision")
SCRIPT = f"""
import sys
from experiments.__main__ import main
code = main(["doctor", "--json", "found.json"])
print("loaded", sorted(set({HEAVY}) & set(sys.modules)))
sys.exit(code)
"""


def doctor(folder: Path, **more: str) -> tuple[subprocess.CompletedProcess[str], list[Finding]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (folder / "found.json").is_file(), done.stderr
    return done, [Finding(**row) for row in json.loads((folder / "found.json").read_text())["findings"]]


def levels(found: list[Finding], about: str) -> list[str]:
    return [finding.level for finding in found if finding.about == about]


def test_a_machine_that_runs_these_tests_is_well_and_its_key_is_told_to_nobody(tmp_path: Path) -> None:
    done, found = doctor(tmp_path, WANDB_API_KEY="0123456789abcdef" * 2 + "01234567", WANDB_MODE="offline")
    assert done.returncode == 0, done.stdout
    assert "loaded []" in done.stdout
    for about in ("python", "dependencies", "torch", "names", "video", "reader pyav", "opencv", "pillow", "run folder"):
        assert levels(found, about) == ["ok"], done.stdout
    assert "a key: nothing leaves this machine" in done.stdout
    assert "0123456789abcdef" not in done.stdout + (tmp_path / "found.json").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.json"]


def test_broken_packages_and_malicious_releases_are_findings_and_no_end(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("av", "cv2", "torch", "wandb", "PIL"):
        (broken / f"{name}.py").write_text(f"raise OSError('lib{name}.so: undefined symbol')\n")
    (broken / "lightning.py").write_text("open('stolen', 'w')\n")
    (broken / "lightning-2.6.3.dist-info").mkdir()
    (broken / "lightning-2.6.3.dist-info" / "METADATA").write_text("Name: lightning\nVersion: 2.6.3\n")
    done, found = doctor(tmp_path, PYTHONPATH=f"{broken}{os.pathsep}{ROOT}")
    assert done.returncode == 1
    errors = {finding.about: finding for finding in found if finding.level == "error"}
    assert {"video", "opencv", "pillow", "torch", "w&b"} <= errors.keys(), done.stdout
    assert "undefined symbol" in errors["video"].what and errors["video"].mend.startswith("pip install")
    assert "malicious" in errors["lightning"].what and "every key and token" in errors["lightning"].what
    assert errors["lightning"].mend.startswith("pip uninstall -y lightning && pip install 'lightning")
    assert "!=2.6.3" in errors["lightning"].mend
    assert not (tmp_path / "stolen").exists()
    assert levels(found, "run folder") == ["ok"]


def test_a_check_that_breaks_is_an_error_and_ends_no_other() -> None:
    def breaks() -> list[Finding]:
        raise ImportError("No module named 'packaging'\nand more")

    one, two = examine({"packages": breaks, "names": lambda: [Finding("ok", "names", "fine")]})
    assert one == Finding("error", "packages", one.what, "pip install -e .")
    assert one.what == "could not be looked at (ImportError: No module named 'packaging')" and two.level == "ok"


def test_versions_out_of_range_absent_packages_and_unlike_pairs_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"timm": "0.9.0", "torch": "2.7.0+cu126", "torchvision": "0.29.1+cpu", "decord": "0.5"}
    own = importlib.metadata.version

    def version(name: str) -> str:
        if name == "kornia":
            raise importlib.metadata.PackageNotFoundError(name)
        return versions.get(name) or own(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = list(packages.packages())
    told = {finding.about: finding for finding in found if finding.level != "ok"}
    assert "0.9.0 is not in the range" in told["timm"].what and told["timm"].mend.startswith("pip install 'timm")
    assert told["kornia"].what == "is not installed" and told["kornia"].level == "error"
    assert "torchvision 0.29.1+cpu is built for torch" in told["torch"].what
    assert told["decord"].level == "warning" and told["decord"].mend == "pip install -e '.[decord]'"
    assert "different builds" in pair("2.14.1+cu126", "0.29.1+cpu", monkeypatch)
    assert "belongs to torchvision 0.29" in pair("2.14.1", "0.30.0", monkeypatch)
    assert "belong together" in pair("2.14.1+cpu", "0.29.1+cpu", monkeypatch)


def pair(torch: str, vision: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(packages, "installed", {"torch": torch, "torchvision": vision}.get)
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: ["numpy", "torch>=2.14"])
    return next(finding.what for finding in packages._pair())


def test_a_package_of_our_name_elsewhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "__init__.py").write_text("")
    (tmp_path / "models").mkdir()  # a folder is no package that could stand before ours
    found = list(shadows.shadows(path=[str(tmp_path), str(ROOT)]))
    assert [finding.level for finding in found] == ["warning"] and "package records" in found[0].what
    info = tmp_path / "records-0.6.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: records\nVersion: 0.6.0\n")
    (info / "RECORD").write_text("records/__init__.py,,\n")
    assert next(iter(shadows.shadows(path=[str(tmp_path)]))).mend == "pip uninstall records"
    assert [finding.level for finding in shadows.shadows(tmp_path / "other", [str(ROOT)])][:1] == ["error"]
    assert [finding.level for finding in shadows.shadows(path=[str(ROOT)])] == ["ok"]


def test_two_opencvs_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"opencv-python": "4.11", "opencv-python-headless": "4.12"}
    monkeypatch.setattr(images, "installed", here.get)
    found = next(finding for finding in images.images() if finding.about == "opencv")
    assert found.level == "warning" and found.mend.startswith("pip uninstall -y opencv-python opencv-python-headless")


def test_threads_are_held_against_affinity_and_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (found,) = processors.threads(tmp_path)
    assert found.level == "ok" and "8 by affinity" in found.what
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    (found,) = processors.threads(tmp_path)
    assert found.level == "warning" and found.mend == "export OMP_NUM_THREADS=2" and "2.5" in found.what
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert next(iter(processors.threads(tmp_path))).level == "ok"
    for wrong in ("3", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", wrong)
        assert next(iter(processors.threads(tmp_path))).level == "warning"
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("400000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert next(iter(processors.threads(tmp_path))).mend == "export OMP_NUM_THREADS=4"


def test_shared_memory_and_open_files_are_held_against_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**30, 0, 2**30))
    (found,) = processors.shared_memory(8, tmp_path)
    assert found.level == "warning" and "--shm-size=4g" in found.mend and found.mend.endswith("num_workers 2")
    (found,) = processors.shared_memory(2, tmp_path)
    assert found.level == "ok"
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 2048))
    (found,) = processors.open_files()
    assert found.level == "warning" and found.mend == "ulimit -n 2048"


def test_a_full_disk_and_a_folder_without_rename_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs" / "deep"
    (found,) = storage.run_folder(runs)
    assert found.level == "ok" and str(tmp_path) in found.what and not runs.exists()
    monkeypatch.setattr(Path, "symlink_to", refuse)
    (found,) = storage.run_folder(runs)
    assert found.level == "note" and "links" in found.what
    monkeypatch.setattr(os, "replace", refuse)
    (found,) = storage.run_folder(runs)
    assert found.level == "error" and "renaming over a file" in found.what and "--run.root" in found.mend
    usage = collections.namedtuple("usage", "total used free")
    for free, level in ((2**20, "error"), (2**30, "warning"), (2**40, "ok")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(2**40, 0, free))
        assert {finding.level for finding in storage.room(runs)} == {level}
    assert list(tmp_path.iterdir()) == []


def refuse(*_: object, **__: object) -> None:
    raise OSError("Operation not supported")


def fake_torch(**cuda: object) -> ModuleType:
    torch = ModuleType("torch")
    default = {
        "is_available": lambda: True,
        "device_count": lambda: 2,
        "get_device_name": lambda index: f"Card {index}",
        "mem_get_info": lambda index: (2**30 if index else 70 * 2**30, 80 * 2**30),
        "is_bf16_supported": lambda: True,
        "device": lambda index: __import__("contextlib").nullcontext(),
        "nccl": SimpleNamespace(version=lambda: (2, 27, 3)),
        "init": lambda: None,
    }
    torch.__version__ = "2.14.1"  # type: ignore[attr-defined]
    torch.version = SimpleNamespace(cuda="13.0")  # type: ignore[attr-defined]
    torch.cuda = SimpleNamespace(**default | cuda)  # type: ignore[attr-defined]
    torch.distributed = SimpleNamespace(  # type: ignore[attr-defined]
        is_available=lambda: True, is_nccl_available=lambda: True
    )
    return torch


def test_gpus_are_told_one_by_one_and_why_none_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "version"
    driver.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Mon\nGCC version: 12\n")
    monkeypatch.setitem(sys.modules, "torch", fake_torch())
    found = list(gpus.gpus(driver))
    assert "driver 580.65.06" in found[0].what and found[0].level == "ok"
    assert [(finding.about, finding.level) for finding in found[1:]] == [
        ("gpu 0", "ok"), ("gpu 1", "warning"), ("nccl", "ok"),
    ]  # fmt: skip
    assert "Card 0, 70.0 GiB of 80.0 GiB free, bf16" in found[1].what

    monkeypatch.setitem(sys.modules, "torch", fake_torch(mem_get_info=refuse))
    assert [finding.level for finding in gpus.gpus(driver)] == ["ok", "error", "error", "ok"]

    def too_old() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).")

    hidden = fake_torch(is_available=lambda: False, init=too_old)
    monkeypatch.setitem(sys.modules, "torch", hidden)
    (found_one,) = gpus.gpus(driver)
    assert found_one.level == "warning" and "too old" in found_one.what
    (found_one,) = gpus.gpus(tmp_path / "none")
    assert found_one.level == "note" or shutil.which("nvidia-smi")
    hidden.version.cuda = None
    (found_one,) = gpus.gpus(driver)
    assert found_one.level == "warning" and "without CUDA" in found_one.what


def test_wandb_that_cannot_be_reached_and_runs_that_wait_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, mark in (("one", True), ("two", False)):
        folder = tmp_path / "student" / name / "wandb" / "offline-run-20260101_000000-abc"
        folder.mkdir(parents=True)
        if mark:
            (folder / "run-abc.wandb.synced").touch()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    settings = SimpleNamespace(mode="online", base_url=f"http://127.0.0.1:{port}", api_key="hush")
    fake = ModuleType("wandb")
    fake.setup = lambda: SimpleNamespace(settings=settings)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    first, second = dashboard.dashboard(tmp_path)
    assert first.level == "warning" and "127.0.0.1 is out of reach" in first.what and "hush" not in first.what
    assert second.what.endswith("not uploaded: 1") and "student/two/wandb" in second.mend
    with socket.create_server(("127.0.0.1", port)):
        assert next(iter(dashboard.dashboard(tmp_path))).level == "ok"


def test_every_key_that_takes_weights_is_listed_and_every_listed_one_exists() -> None:
    listed, found, classes, stored = weights(), nodes(), all_taking(), experts()
    for node in found:
        for argument in node.takes:
            assert any(weight.fits(node) and argument in weight.arguments for weight in listed), (node.recipe, argument)
    for weight in listed:
        for kind in weight.classes:
            assert kind in classes, f"{weight.title}: no class {kind} takes weights"
            assert any(weight.fits(node) for node in found if node.kind == kind), f"{weight.title}: no recipe takes it"
        assert weight.classes or weight.command, weight.title
        assert not weight.expert or weight.expert in stored, f"{weight.title}: no recipe reads rows of {weight.expert}"
    # An expert whose rows a recipe reads is one of ours, or is listed as made elsewhere.
    ours = {path.stem for path in (ROOT / "configs/exp/kvq/features").glob("*.yaml")}
    assert stored.keys() == ours - {"swin_b"} | {weight.expert for weight in listed if weight.expert}


def test_listed_hubs_licences_and_sizes_are_those_of_the_libraries() -> None:
    from timm.models import get_pretrained_cfg
    from torchvision.models import AlexNet_Weights, VGG16_Weights
    from torchvision.models.video import Swin3D_T_Weights

    for weight in weights():
        name = weight.when.get("name", "")
        if weight.hub.startswith("timm/"):
            published = get_pretrained_cfg(name)
            assert weight.hub == published.hf_hub_id, name
            assert weight.licence.lower() == published.license and weight.origin == (published.url or ""), name
    files = {weight.origin: weight.mib for weight in weights()}
    for known in (AlexNet_Weights.IMAGENET1K_V1, VGG16_Weights.IMAGENET1K_V1, Swin3D_T_Weights.KINETICS400_V1):
        assert files[known.url] == known.meta["_file_size"]


def test_weights_are_found_missed_and_refused_where_they_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, cache = tmp_path / "files", tmp_path / "hub"
    snapshot = cache / "models--timm--resnet50.a1_in1k" / "snapshots" / "abc"
    for path in (root / "SLOWFAST_8x8_R50.pyth", root / "sam2.1-hiera-tiny" / "model.safetensors"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"x")
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    words = ["doctor", "--weights", "--root", str(root), "--json", str(tmp_path / "out.json")]
    assert main(words) == 0
    told = {row["title"]: row for row in json.loads((tmp_path / "out.json").read_text())["weights"]}
    found = {title for title, row in told.items() if row["state"] == "found"}
    assert {"SlowFast 8x8 R50, Kinetics-400", "SAM 2.1 Hiera-tiny", "ResNet-50, ImageNet-1k"} <= found
    assert {"EfficientNet-Lite0, ImageNet-1k", "tiny-sr, the base of the mini recipes"} <= found
    assert told["LIQE (CLIP ViT-B/32)"]["state"] == "missing" and told["HVS-5M"]["state"] == "elsewhere"
    key = "model.init_args.network.init_args.branches.motion.init_args.weights"
    assert "tenvqa" in told["SlowFast 8x8 R50, Kinetics-400"]["takes"][key]
    (root / "vgg16-397923af.pth").write_bytes(b"half of it")
    capsys.readouterr()
    assert main(words) == 1
    assert "0.000 MiB instead of 527.796" in capsys.readouterr().out


def test_a_file_of_the_right_size_with_another_hash_is_told(tmp_path: Path) -> None:
    from experiments.diagnosis.weight_places import fault

    (tmp_path / "a.pth").write_bytes(bytes(2**20))
    weight = Weight("a", "none", file=["a.pth"], mib=1.0, sha256="30e14955")
    found = place(weight, tmp_path)
    assert found and fault(weight, found) == ""  # SHA-256 of so many zeros
    assert "another file" in fault(Weight("a", "none", file=["a.pth"], sha256="00"), found)


def test_every_missing_one_has_a_way_to_get_it_and_a_key_of_a_recipe_or_command(tmp_path: Path) -> None:
    found = nodes()
    for weight in weights():
        assert get(weight, tmp_path), weight.title
        assert weight.command or keys(weight, found), weight.title
        assert weight.licence and (weight.source or weight.asset), weight.title


def test_the_page_of_weights_is_as_it_would_be_made_now() -> None:
    spec = importlib.util.spec_from_file_location("make_weights", ROOT / "docs/make_weights.py")
    assert spec and spec.loader
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    page = maker.PAGE.read_text(encoding="utf-8")
    assert maker.with_tables(page) == page
