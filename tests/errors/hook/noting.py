"""Note every error that is made, by rewriting the source while it is imported: `Error(...)` becomes a note of it.

On PYTHONPATH with SUGC_ERROR_SITES=FILE this holds for every process of a test too (sitecustomize).
"""

import ast
import builtins
import json
import os
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("runtime experiments datamodules lightning_modules callbacks models losses metrics records").split()
# An error counts as raised by a public command where one of these is on the stack.
COMMANDS = {(str(ROOT / "runtime/entry.py"), "main"), (str(ROOT / "experiments/__main__.py"), "main")}


class _Noting(ast.NodeTransformer):
    """`Name(...)` becomes `__noted__(Name(...), "Name(...)")` for every name that may be a class."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        source = ast.unparse(node)
        self.generic_visit(node)
        if not (isinstance(node.func, ast.Name) and node.func.id[:1].isupper()):
            return node
        noted = ast.Call(ast.Name("__noted__", ast.Load()), [node, ast.Constant(source)], [])
        return ast.fix_missing_locations(ast.copy_location(noted, node))


def install() -> None:
    """Rewrite what is imported from now on, and write a line for each error to the file that SUGC_ERROR_SITES names."""
    seen: set[tuple[str, str, bool]] = set()

    def noted(value: Any, source: str) -> Any:
        if isinstance(value, BaseException):
            frame = sys._getframe(1)
            place = (os.path.relpath(frame.f_code.co_filename, ROOT), source, is_public(frame))
            if place not in seen:
                seen.add(place)
                with open(os.environ["SUGC_ERROR_SITES"], "a", encoding="utf-8") as file:
                    file.write(json.dumps(place) + "\n")
        return value

    builtins.__noted__ = noted  # type: ignore[attr-defined]
    plain = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> Any:
        path = Path(self.get_filename(name))
        if not (path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in PACKAGES):
            return plain(self, name)
        tree = _Noting().visit(ast.parse(path.read_text(encoding="utf-8")))
        return compile(tree, str(path), "exec", dont_inherit=True)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def is_public(frame: Any) -> bool:
    """Whether a public command runs there; a process that one has spawned counts too."""
    while frame is not None:
        if (frame.f_code.co_filename, frame.f_code.co_name) in COMMANDS:
            return True
        frame = frame.f_back
    return "--multiprocessing-fork" in sys.orig_argv and "pytest" not in sys.argv[0]
