"""The scripts of docs/ as modules: they are run as files, so no package holds them."""

import importlib.util
import sys
from types import ModuleType

from tests.command import ROOT


def script(name: str) -> ModuleType:
    """A script of docs/, loaded once."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


error_sites, make_errors = script("error_sites"), script("make_errors")
