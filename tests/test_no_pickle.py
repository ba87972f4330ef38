"""Nothing in the source reads a file in a way that lets code in it run."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT

FOLDERS = "callbacks datamodules experiments lightning_modules losses metrics models records runtime benchmarks docs"
# Modules that make objects of bytes.
UNSAFE = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle"}
# Calls that must say that they want plain values.
GUARDED = {"torch.load", "load_state_dict_from_url"}
# Calls that are not safe at all, by their last name.
FORBIDDEN = {"load_from_checkpoint", "unsafe_load", "full_load", "load_all", "full_load_all", "unsafe_load_all"}
FORBIDDEN |= {"read_pickle", "to_pickle", "add_safe_globals", "Unpickler"}
# The one place that lets torch make more than tensors: NumPy's plain numbers in published weights.
ALLOWED = {("models/vqa/weights.py", "safe_globals")}


def sources() -> list[Path]:
    return [ROOT / "train.py", *(path for name in FOLDERS.split() for path in sorted((ROOT / name).rglob("*.py")))]


def faults(text: str, where: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        line = f"{where}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            taken = [each.name for each in node.names]
            names = taken if isinstance(node, ast.Import) else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and node.module in ("torch", "numpy", "yaml") and "load" in taken:
                yield f"{line} imports load of {node.module}"
            for name in names:
                # Its errors are named where torch's are told.
                if name.partition(".")[0] in UNSAFE and (where, name) != ("records/checkpoints.py", "pickle"):
                    yield f"{line} imports {name}"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        last = called.rpartition(".")[2]
        given = {each.arg: getattr(each.value, "value", None) for each in node.keywords}
        if GUARDED & {called, last} and given.get("weights_only") is not True:
            yield f"{line} calls {called} without weights_only=True"
        if given.get("weights_only", True) is False or given.get("allow_pickle", False) is not False:
            yield f"{line} asks {called} for pickle"
        if called == "yaml.load" or last in FORBIDDEN or (last == "safe_globals" and (where, last) not in ALLOWED):
            yield f"{line} calls {called}"
        if called in ("pickle.load", "pickle.loads", "eval", "exec"):
            yield f"{line} calls {called}"


def test_no_file_is_read_in_a_way_that_runs_code() -> None:
    found = [
        fault
        for path in sources()
        for fault in faults(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "from torch import load",
        "np.load(path, allow_pickle=anything)",
        "np.load(path, allow_pickle=True)",
        "Task.load_from_checkpoint(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "import pickle",
        "from joblib import load",
        "torch.serialization.add_safe_globals([Path])",
        "torch.hub.load_state_dict_from_url(url)",
        "pandas.read_pickle(path)",
        "timm.load(path, weights_only=False)",
        "eval(text)",
    ],
)
def test_the_scan_sees(line: str) -> None:
    assert list(faults(line, "x.py"))


def test_the_scan_passes_over_what_is_safe() -> None:
    safe = "torch.load(path, weights_only=True)\nnp.load(path)\nyaml.safe_load(text)\nmodel.eval()"
    assert not list(faults(safe, "x.py"))
