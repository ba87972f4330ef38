"""No file that a command writes holds a key, a token or a password, of the environment or of the command line."""

import shutil
from pathlib import Path

import pytest
import yaml

from experiments.__main__ import main as experiments
from records.secrets import hidden, without_password, without_secrets
from runtime.entry import main as evaluate
from tests.command import ROOT, TINY, train
from tests.tiny_kvq import make_tiny_kvq

SECRETS = {
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "HF_TOKEN": "hf_MarkedValueOfTheHub",
    "AWS_SECRET_ACCESS_KEY": "MarkedValueOfTheCloud/+=",
    "GITHUB_TOKEN": "ghp_MarkedValueOfTheForge",
    "MY_DB_PASSWORD": "MarkedValueOfTheStore",
    "SOME_CREDENTIALS": "MarkedValueOfSomebody",
}
TYPED = "MarkedValueThatWasTyped"


# A database that is there, whose URL bears a password that it does not need.
DATABASE = "DatabasePassword"
STORAGE = f"sqlite:///file:trials.db?uri=true&password={DATABASE}"


def assert_none_told(folder: Path, printed: dict[str, str], secrets: dict[str, str]) -> dict[Path, bytes]:
    """Neither in what was printed nor in any file below the folder; what was written."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    written = {path: path.read_bytes() for path in files}
    for path, data in (*written.items(), *((name, text.encode()) for name, text in printed.items())):
        for name, secret in secrets.items():
            assert secret.encode() not in data, f"{path} holds {name}"
    return written


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder with a run, and the words of its commands."""
    folder = tmp_path_factory.mktemp("told")
    make_tiny_kvq(folder / "data", val=2, test=2)
    words = ["--config", str(TINY), "--trainer.max_epochs", "1", "--wandb.mode", "offline"]
    words += ["--paths", f'{{"api_key": "{TYPED}", "store": "${{oc.env:MY_DB_PASSWORD}}", "plain": "SeenInTheFiles"}}']
    done = train("fit", *words, cwd=folder, **SECRETS)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "fit.txt").write_text(done.stdout + done.stderr)
    return folder, words


@pytest.fixture
def inside(fitted: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process, as if it had been started in that folder with these secrets in its environment."""
    for name, secret in {**SECRETS, "PL_GLOBAL_SEED": "0", "WANDB_MODE": "offline"}.items():
        monkeypatch.setenv(name, secret)
    monkeypatch.chdir(fitted[0])
    return fitted[0]


# In this process, the parser tells of its future in our name.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_command_on_a_run_writes_a_secret(fitted, inside, capfd) -> None:
    words = fitted[1]
    best = "runs/tiny_student/base-seed0/checkpoints/best.ckpt"
    printed = {"fit": (inside / "fit.txt").read_text()}
    for command in ("test", "predict", "fit"):
        more = ["--data.init_args.predict_paths", "[data/test]"] if command == "predict" else []
        assert evaluate([command, *words, *more]) == 0
        printed[f"{command} again"] = "".join(capfd.readouterr())
    assert "nothing to do" in printed["fit again"]  # the configuration is still known to be the same
    assert experiments(["assess", "data/test", "--checkpoint", best, "--out", "scores.csv"]) == 0
    assert experiments(["doctor", "--json", "doctor.json", "--workers", "0"]) in (0, 1)
    printed["others"] = "".join(capfd.readouterr())
    # The words to go on with are shown to who typed them.
    written = assert_none_told(inside, printed, SECRETS)
    written = {path: data for path, data in written.items() if path.name != "fit.txt"}
    assert not [path for path, data in written.items() if TYPED.encode() in data]
    names = {path.name for path in written}
    assert {"config.yaml", "status.json", "summary.json", "metrics.jsonl", "best.ckpt", "index.html"} <= names
    assert {"scores.csv", "doctor.json", "predictions.parquet"} <= names
    assert any(path.suffix == ".wandb" for path in written)
    assert any(b"SeenInTheFiles" in data for data in written.values())


@pytest.mark.slow
def test_no_sweep_and_no_study_writes_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    pytest.importorskip("optuna"), pytest.importorskip("snakemake")
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "tests/experiments/search/program.py", "program.py")
    sweep = {
        "program": "program.py",
        "method": "grid",
        "metric": {"name": "val/final_score", "goal": "maximize"},
        "parameters": {"rate": {"values": [0.3]}},
        "command": ["${interpreter}", "${program}", "--key=${envvar:MY_DB_PASSWORD}", "${args}"],
    }
    Path("s.yaml").write_text(yaml.safe_dump(sweep))
    assert experiments(["sweep", "s.yaml", "--storage", STORAGE]) == 0
    assert experiments(["sweep", "s.yaml", "--storage", STORAGE, "--show"]) == 0
    assert experiments(["sweep", "s.yaml", "--storage", f"postgresql://u:{DATABASE}@none.invalid:x/db"]) == 2
    for storage in (f"postgresql://u:{DATABASE}/more@none.invalid/db", f"sqlite://u:a@{DATABASE}@/x.db"):
        assert experiments(["sweep", "s.yaml", "--storage", storage]) == 2
    assert experiments(["sweep", "s.yaml", "--dry-run"]) in (0, 2)
    Path("t.yaml").write_text(yaml.safe_dump({"stages": {"one": {"run": ["sh", "-c", "echo done"]}}}))
    assert experiments(["study", "t.yaml"]) == 0
    printed = "".join(capfd.readouterr())
    assert "(hidden)" in printed  # of the dry run
    written = assert_none_told(tmp_path, {"output": printed}, {**SECRETS, "the database's": DATABASE})
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    assert {"trials.db", "sweeps/s/report.md", "sweeps/s/trials.csv", "sweeps/s/logs/s-t0000.log"} <= names
    assert {"studies/t/Snakefile", "studies/t/logs/one.log", "studies/t/done/one.json", "studies/t/report.md"} <= names


def test_the_password_of_a_url_is_hidden_however_it_was_taken_apart() -> None:
    url = "postgresql+psycopg://user:p%40ss/word-x@host:5432/db"
    told = "no host 'user', port 'word', not p@ss/word-x nor p%40ss/word-x"
    assert without_password(told, url) == "no host 'user', port '(hidden)', not (hidden) nor (hidden)"
    assert without_password("x", "sqlite:///a.db") == without_password("x", "") == "x"


def test_values_are_hidden_by_their_key_and_by_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("SHORT_TOKEN", "ab")  # too short to be told from a word
    monkeypatch.setenv("KEYBOARD", "qwertzuiop")
    config = {
        "api_key": "x", "a": {"password": "y", "token": 3, "tokens": 4}, "none_token": None,
        "list": [{"secret_name": "z"}], "url": f"https://user:{SECRETS['MY_DB_PASSWORD']}@host/db",
        "word": "cabs", "board": "qwertzuiop", "number": 1.5,
        SECRETS["HF_TOKEN"]: "as a key",
    }  # fmt: skip
    assert without_secrets(config) == {
        "api_key": "(hidden)", "a": {"password": "(hidden)", "token": "(hidden)", "tokens": 4},
        "none_token": None, "list": [{"secret_name": "(hidden)"}],
        "url": "https://user:(hidden)@host/db", "word": "cabs", "board": "qwertzuiop", "number": 1.5,
        "(hidden)": "as a key",
    }  # fmt: skip
    assert hidden(f"failed with {SECRETS['HF_TOKEN']}!") == "failed with (hidden)!"
    assert without_secrets(without_secrets(config)) == without_secrets(config)
