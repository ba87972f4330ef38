"""Whether W&B could log in without asking."""

import netrc
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# The netrc entry that keys of W&B's own cloud have always stood under, whatever its newest address.
CLOUD = "api.wandb.ai"


def has_key(settings: Any) -> bool:
    """Whether W&B could log in without asking; the key itself is told to nobody.

    Args:
        settings: W&B's settings, of environment and settings files.
    """
    import wandb

    if getattr(settings, "api_key", None) or getattr(settings, "identity_token_file", None):
        return True
    hosts = [urlsplit(settings.base_url).netloc]
    if settings.base_url == wandb.Settings().base_url:
        hosts.append(CLOUD)
    home = Path.home()
    files = [os.environ["NETRC"]] if os.environ.get("NETRC") else [home / ".netrc", home / "_netrc"]
    for file in files:
        try:
            entries = netrc.netrc(file)
        except (OSError, netrc.NetrcParseError):
            continue
        if any((entries.authenticators(host) or ("", "", ""))[2] for host in hosts):
            return True
    return False
