"""Keys, tokens and passwords, told by the names they stand under, and kept out of everything that is written."""

import os
import re
from typing import Any
from urllib.parse import unquote

HIDDEN = "(hidden)"
SECRET = re.compile(r"api_?key|secret|passw|credential|(^|[._-])token$", re.IGNORECASE)
_VARIABLE = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)", re.IGNORECASE)
# Shorter values of variables are words of other meanings, too.
_SHORTEST = 8


def without_secrets(value: Any) -> Any:
    """Nested values with everything under a telling key hidden, and what secret variables of the environment hold."""
    return _without(value, _held())


def hidden(text: str) -> str:
    """A text with what secret variables of the environment hold hidden."""
    return _without(text, _held())


def without_password(text: str, url: str) -> str:
    """A text with the password of a URL hidden, and each part of it that a parser may have taken for something else."""
    password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    parts = {password, unquote(password), *re.split(r"\W+", password)}
    for part in sorted((part for part in parts if len(part) > 2), key=len, reverse=True):
        text = text.replace(part, HIDDEN)
    return text


def _held() -> list[str]:
    values = {value for name, value in os.environ.items() if _VARIABLE.search(name) and len(value) >= _SHORTEST}
    return sorted(values, key=len, reverse=True)


def _without(value: Any, held: list[str]) -> Any:
    if isinstance(value, dict):
        return {
            _without(key, held): HIDDEN if SECRET.search(str(key)) and item else _without(item, held)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_without(item, held) for item in value]
    if isinstance(value, str):
        for secret in held:
            value = value.replace(secret, HIDDEN)
    return value
