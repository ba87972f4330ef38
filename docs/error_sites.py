"""Every place in the source where an error of the user is made, read from the syntax trees: nothing is imported."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "runtime experiments datamodules lightning_modules callbacks models losses metrics records".split()
)  # in the order of the page
# The user errors of the lower floors, which import no records; a command turns each into one sentence.
PLAIN = {"ValueError", "FileNotFoundError", "OSError", "KeyError", "MemoryError", "RuntimeError"}
PLAIN |= {"MetricUnavailable", "UncountableError", "UnreadableImage"}
PARTS = ("what", "where", "mend")
# Calls whose value goes by the name of what they are made of.
_OF_ITSELF = set("split strip partition rpartition splitlines as_posix values keys items decode with_name".split())
_OF_ITSELF |= set("str repr int float list tuple set sorted min max type next iter enumerate Path".split())


@dataclass(frozen=True)
class Site:
    """One place where an error is made.

    Args:
        file: Relative to the repository.
        lines: First and last line of the call.
        function: The function it stands in.
        kind: Class of the error.
        source: The call as it is written, apart from its layout.
        what: The sentence, ``<name>`` for each value in it and `` / `` between alternatives.
        where: Where the sentence says it is; empty where it says nothing.
        mend: The mend it names; empty where it names none.
    """

    file: str
    lines: tuple[int, int]
    function: str
    kind: str
    source: str
    what: str
    where: str = ""
    mend: str = ""


@cache
def tree_of(file: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(file.read_text(encoding="utf-8"))


def sources() -> list[Path]:
    """Every file of the packages, in the order of the page."""
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


@cache
def exit_codes() -> dict[str, int]:
    """UserError and what derives from it, each with its exit code."""
    codes = {"UserError": 2}
    classes = [node for file in sources() for node in ast.walk(tree_of(file)) if isinstance(node, ast.ClassDef)]
    for _ in range(3):
        for node in classes:
            for base in node.bases:
                if isinstance(base, ast.Name) and base.id in codes:
                    codes[node.name] = next(
                        (
                            line.value.value
                            for line in node.body
                            if isinstance(line, ast.Assign)
                            and ast.unparse(line.targets[0]) == "exit_code"
                            and isinstance(line.value, ast.Constant)
                        ),
                        codes[base.id],
                    )
    return codes


def sites() -> list[Site]:
    """Every place, in the order of the page."""
    return [site for file in sources() for site in _sites_of(file)]


def _sites_of(file: Path) -> Iterator[Site]:
    for scope, statement, node in _calls(tree_of(file), [], None):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        text = _Text(file, scope, statement)
        given = dict(zip(PARTS, (text(argument) for argument in node.args), strict=False))
        if name in exit_codes():
            given |= {word.arg: text(word.value) for word in node.keywords if word.arg in PARTS}
        else:
            what, _, mend = " ".join(given.values()).rpartition("; ")
            given = {"what": what or mend, "mend": mend if what else ""}
        where = [each.name for each in scope if not isinstance(each, ast.Module)]
        place = (
            str(file.relative_to(ROOT)),
            (node.lineno, node.end_lineno or node.lineno),
            ".".join(where),
            name,
            ast.unparse(node),
        )
        yield Site(*place, **{part: " ".join(said.split()) for part, said in given.items()})


Scope = list[ast.Module | ast.FunctionDef | ast.ClassDef]


def _calls(node: ast.AST, scope: Scope, statement: ast.stmt | None) -> Iterator[tuple[Scope, ast.stmt, ast.Call]]:
    """Calls that make a user's error, and raised calls that make a plain one, each with what it stands in."""
    if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
        scope = [*scope, node]
    for child in ast.iter_child_nodes(node):
        inside = child if isinstance(child, ast.stmt) else statement
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and inside is not None:
            raised = isinstance(node, ast.Raise) and child.func.id in PLAIN
            if child.args and (raised or child.func.id in exit_codes()):
                yield scope, inside, child
        yield from _calls(child, scope, inside)


class _Text:
    """The text of an expression, as far as the source tells it."""

    def __init__(self, file: Path, scope: Scope, statement: ast.stmt | None = None) -> None:
        self.file, self.scope, self.statement, self.open = file, scope, statement, set[str]()

    def __call__(self, node: ast.expr) -> str:
        said = self.of(node)
        return said[1:-1] if said.startswith("(") and said.endswith(")") and " / " in said else said

    def of(self, node: ast.expr) -> str:
        match node:
            case ast.Constant():
                return str(node.value)
            case ast.JoinedStr():
                return "".join(map(self.of, node.values))
            case ast.FormattedValue():
                quote = "'" if node.conversion == ord("r") else ""
                return quote + self.of(node.value) + quote
            case ast.BinOp(op=ast.Add()):
                return self.of(node.left) + self.of(node.right)
            case ast.IfExp():
                return self._either([node.body, node.orelse])
            case ast.BoolOp(op=ast.Or()):
                return self._either(node.values)
            case ast.Name():
                return self._named(node.id)
            case ast.Starred():
                return self.of(node.value)
            case ast.Call():
                words = [each for each in node.args if isinstance(each, ast.Constant | ast.JoinedStr)]
                if told := [said for said in map(self.of, words) if " " in said.strip()]:
                    return f"<n> {' / '.join(told)}"
        return f"<{_word(node) or '...'}>"

    def _either(self, nodes: list[ast.expr]) -> str:
        said = list(dict.fromkeys(text for text in map(self.of, nodes) if text))
        return said[0] if len(said) == 1 else f"({' / '.join(said)})"

    def _named(self, name: str) -> str:
        """What a name was given in the function, else in the module, else in the module it comes from."""
        if name in self.open:
            return f"<{name}>"
        self.open.add(name)
        try:
            for inner in reversed(self.scope):
                at = self.statement if isinstance(inner, ast.FunctionDef) else None
                if values := [value for value in _given(inner, name, at) if _is_text(value)]:
                    return self._either(values)
                if isinstance(inner, ast.FunctionDef) and _is_parameter(inner, name):
                    break
            else:
                if found := self._imported(name):
                    return found
            return f"<{name.strip('_').lower()}>"
        finally:
            self.open.discard(name)

    def _imported(self, name: str) -> str:
        for node in self.scope[0].body:
            if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
                file = ROOT / (node.module.replace(".", "/") + ".py")
                if file.is_file():
                    values = [value for value in _given(tree_of(file), name) if _is_text(value)]
                    return _Text(file, [tree_of(file)]).of(values[0]) if values else ""
        return ""


def _word(node: ast.expr) -> str:
    """One word for a value, out of the names in its expression."""
    match node:
        case ast.Name():
            return node.id.strip("_").lower()
        case ast.Attribute(attr="__name__"):
            return "class"
        case ast.Attribute():
            return node.attr.strip("_")
        case ast.Subscript() | ast.Starred():
            return _word(node.value)
        case ast.BinOp():
            return _word(node.left) or _word(node.right)
        case ast.UnaryOp():
            return _word(node.operand)
        case ast.GeneratorExp() | ast.ListComp():
            return _word(node.generators[0].iter)
        case ast.Call(func=ast.Name(id="len" | "sum")):
            return "n"
        case ast.Call(func=ast.Attribute(attr="join") | ast.Name(id="map"), args=[*_, last]):
            return _word(last)
        case ast.Call(func=ast.Attribute(value=ast.Constant())):
            return ""
        case ast.Call(func=ast.Attribute(attr=method, value=value)) if method in _OF_ITSELF:
            return _word(value)
        case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in _OF_ITSELF:
            return _word(first)
        case ast.Call():
            return _word(node.func)
    return ""


def _given(scope: ast.AST, name: str, at: ast.stmt | None = None) -> list[ast.expr]:
    """What ``name`` may hold at a statement: the assignments above it, from the last one that it cannot pass by."""
    found: list[tuple[ast.stmt, ast.expr]] = []
    for node in ast.walk(scope) if isinstance(scope, ast.FunctionDef) else getattr(scope, "body", []):
        if isinstance(node, ast.Assign):
            found += [(node, value) for target in node.targets for value in _part(target, node.value, name)]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            found += [(node, value) for value in _part(node.target, node.value, name)]
    if at is None:
        return [value for _, value in found]
    chosen: list[ast.expr] = []
    for node, value in sorted(found, key=lambda pair: -pair[0].lineno):
        if node.lineno <= at.lineno:
            chosen.insert(0, value)
            if node.col_offset <= at.col_offset:
                break
    return chosen


def _part(target: ast.expr, value: ast.expr, name: str) -> list[ast.expr]:
    """The expression that a target gives to ``name``; ``a, b = x, y`` gives each its own."""
    if isinstance(target, ast.Name):
        return [value] if target.id == name else []
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return [each for part, given in zip(target.elts, value.elts, strict=False) for each in _part(part, given, name)]
    return []


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return isinstance(node.value, str)
        case ast.JoinedStr():
            return True
        case ast.IfExp():
            return _is_text(node.body) or _is_text(node.orelse)
        case ast.BinOp(op=ast.Add()):
            return _is_text(node.left) or _is_text(node.right)
        case ast.BoolOp():
            return any(map(_is_text, node.values))
    return False


def _is_parameter(function: ast.FunctionDef, name: str) -> bool:
    arguments = function.args
    return any(each.arg == name for each in (*arguments.args, *arguments.kwonlyargs))
