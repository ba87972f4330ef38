"""Weights & Biases: its mode, whether it has a key, whether its server answers, and runs that wait to be uploaded."""

import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from experiments.diagnosis.finding import Finding, told

SECONDS = 3.0


def dashboard(runs: Path) -> Iterator[Finding]:
    """State of W&B; the key itself is told to nobody, and the server is asked only where runs would go online.

    Args:
        runs: Folder of the runs.
    """
    try:
        import wandb

        from runtime.wandb_key import has_key

        settings = wandb.setup().settings
        key = has_key(settings)
    except Exception as error:
        yield Finding("error", "w&b", f"cannot be used ({told(error)})", "pip install --force-reinstall 'wandb>=0.18'")
        return
    mode = {"dryrun": "offline", "run": "online"}.get(settings.mode, settings.mode)
    said = f"mode {mode}, {'a key' if key else 'no key'}"
    if mode != "online":
        yield Finding("ok", "w&b", f"{said}: nothing leaves this machine")
    elif not key:
        yield Finding("note", "w&b", f"{said}: runs are logged offline", "wandb login")
    else:
        yield from _server(settings.base_url, said)
    yield from _waiting(runs)


def _server(url: str, said: str) -> Iterator[Finding]:
    parts = urlsplit(url)
    place = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    try:
        socket.create_connection(place, timeout=SECONDS).close()
    except OSError as error:
        what = f"{said}, but {place[0]} is out of reach ({told(error)}); each run tries for ten seconds"
        yield Finding("warning", "w&b", what, "--wandb.mode offline")
    else:
        yield Finding("ok", "w&b", f"{said}, {place[0]} answers")


def _waiting(runs: Path) -> Iterator[Finding]:
    # wandb sync leaves this mark beside the file that it has uploaded.
    waiting = [
        folder
        for folder in sorted(runs.glob("*/*/wandb/offline-run-*"))
        if folder.is_dir() and not any(folder.glob("*.wandb.synced"))
    ]
    if waiting:
        places = dict.fromkeys(folder.parent for folder in waiting)
        commands = [f"wandb sync {shlex.quote(str(place))}/offline-run-*" for place in places]
        more = f" (and {len(commands) - 1} more folders)" if len(commands) > 1 else ""
        yield Finding("note", "w&b", f"offline runs that are not uploaded: {len(waiting)}", commands[0] + more)
