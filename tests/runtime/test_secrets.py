"""No file that a run writes holds a key, a token or a password, of the environment or of the command line."""

from pathlib import Path

import pytest

from records.secrets import hidden, without_secrets
from tests.command import TINY, train
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


@pytest.mark.slow
def test_a_fit_and_a_test_write_no_secret(tmp_path: Path) -> None:
    make_tiny_kvq(tmp_path / "data", val=2, test=2)
    words = ["--config", TINY, "--trainer.max_epochs", 1, "--wandb.mode", "offline"]
    words += ["--paths", f'{{"api_key": "{TYPED}", "store": "${{oc.env:MY_DB_PASSWORD}}", "plain": "SeenInTheFiles"}}']
    done = [train(command, *words, cwd=tmp_path, **SECRETS) for command in ("fit", "test")]
    again = train("fit", *words, cwd=tmp_path, **SECRETS)  # the configuration is still known to be the same
    for each in (*done, again):
        assert each.returncode == 0, each.stderr[-3000:]
    assert "nothing to do" in again.stdout
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file() and not path.is_symlink()]
    names = {path.name for path in files}
    assert {"config.yaml", "status.json", "summary.json", "metrics.jsonl", "best.ckpt", "index.html"} <= names
    assert any(path.suffix == ".wandb" for path in files)
    written = {path: path.read_bytes() for path in files}
    written |= {Path(f"output {place}"): (each.stdout + each.stderr).encode() for place, each in enumerate(done)}
    assert any(b"SeenInTheFiles" in data for data in written.values())
    for path, data in written.items():
        for name, secret in {**SECRETS, "typed": TYPED}.items():
            if name == "typed" and path.name.startswith("output"):
                continue  # the words to go on with are shown to who typed them
            assert secret.encode() not in data, f"{path} holds {name}"


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
