"""What the names of a file stand for."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from typing import Final

from speech_compat._migration.imports import is_package
from speech_compat._migration.names import FACADE, PACKAGE, Kind, kind_of

__all__ = ["DOTTED", "Names", "below", "facade_as_package", "fallbacks"]

# A whole text, as mock.patch and import_module receive it; no prose.
DOTTED: Final = re.compile(re.escape(PACKAGE) + r"(\.\w+)*")
# Longer chains of attributes and calls are no names of the package.
_DEPTH: Final = 50
_Table = dict[str, str | None]


class Names:
    """What the names of a file stand for.

    A name counts for the whole file, whatever the function: programs that use one name for two
    things of the package are rare.  Parameters are the exception.

    Attributes:
        table: the dotted name that ``name`` or ``self.name`` stands for; ``None`` if it stands for
            several.  The object that a class creates is the class with ``()``.
        constants: numbers and texts, by name.
        docstrings: ids of the nodes of texts that are statements of their own.
        parameters: ids of the nodes of names that are parameters.
    """

    def __init__(self, nodes: list[ast.AST]) -> None:
        self.table: _Table = {}
        self.docstrings = {
            id(node.value)
            for node in nodes
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        self._stars: list[str] = []
        self._bound = set(dir(builtins))
        imported: _Table = {}
        assigned: list[tuple[str, ast.expr]] = []
        for node in nodes:
            self._bind(node, imported)
            assigned.extend(_assignments(node))
        self.constants = _constants(assigned)
        self.table = dict(imported)
        # Twice: a name may stand for another one that a later line assigns.
        for _ in range(2):
            self.table = {**self._resolve_all(assigned), **imported}
        self.parameters = self._parameters(nodes)

    def _bind(self, node: ast.AST, imported: _Table) -> None:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            self._bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._bound.add(node.name)
        elif isinstance(node, ast.arg):
            self._bound.add(node.arg)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                self._import(imported, alias.asname or first, alias.name if alias.asname else first)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if alias.name == "*":
                    self._stars.append(facade_as_package(node.module) or node.module)
                else:
                    dotted = f"{node.module}.{alias.name}"
                    self._import(imported, alias.asname or alias.name, dotted)

    def _import(self, imported: _Table, name: str, module: str) -> None:
        self._bound.add(name)
        dotted = facade_as_package(module) or module
        if is_package(dotted) or f"{PACKAGE}.".startswith(f"{dotted}."):
            imported[name] = dotted

    def _resolve_all(self, assigned: list[tuple[str, ast.expr]]) -> _Table:
        found: dict[str, set[str | None]] = {}
        for key, value in assigned:
            if not (isinstance(value, ast.Constant) and value.value is None):
                found.setdefault(key, set()).add(self.resolve(value))
        return {key: next(iter(each)) if len(each) == 1 else None for key, each in found.items()}

    def _parameters(self, nodes: list[ast.AST]) -> set[int]:
        """Return the nodes in functions whose parameter has a name of the table."""
        found = set[int]()
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                own = {p.arg for p in ast.walk(node.args) if isinstance(p, ast.arg)} & set(
                    self.table
                )
                if own:
                    inner = (n for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in own)
                    found.update(map(id, inner))
        return found

    def resolve(self, node: ast.expr, depth: int = 0) -> str | None:
        """Return the dotted name that an expression stands for; ``None`` for anything else."""
        key = _key(node)
        if depth > _DEPTH:
            return None
        if key is not None and key in self.table:
            return self.table[key]
        if isinstance(node, ast.Name):
            return self._from_star(node.id)
        if isinstance(node, ast.Attribute):
            base = self.resolve(node.value, depth + 1)
            return base and f"{base}.{node.attr}"
        if isinstance(node, ast.Await):
            return self.resolve(node.value, depth + 1)
        return self._resolve_call(node, depth) if isinstance(node, ast.Call) else None

    def _resolve_call(self, node: ast.Call, depth: int) -> str | None:
        text = [a.value if isinstance(a, ast.Constant) else None for a in node.args]
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in {"import_module", "__import__"} and text:
            return str(text[0]) if DOTTED.fullmatch(str(text[0])) else None
        if name == "getattr" and len(text) > 1 and isinstance(text[1], str):
            base = self.resolve(node.args[0], depth + 1)
            return base and f"{base}.{text[1]}"
        called = self.resolve(node.func, depth + 1)
        return called and f"{called}()"

    def _from_star(self, name: str) -> str | None:
        if name in self._bound:
            return None
        for module in self._stars:
            if is_package(module) and kind_of((*below(module), name)) is not Kind.UNKNOWN:
                return f"{module}.{name}"
        return None


def fallbacks(nodes: Iterable[ast.AST]) -> set[int]:
    """Return the ids of imports of the real package beside the facade in one ``try``.

    A program that tries one package and then the other has been changed already.
    """
    found = set[int]()
    for node in nodes:
        if isinstance(node, ast.Try):
            imports = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            if any(facade_as_package(name) for each in imports for name in _modules(each)):
                found.update(map(id, imports))
    return found


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [] if node.level else [node.module or ""]


def facade_as_package(module: str) -> str | None:
    """Return the name of the real package for that of the facade."""
    if f"{module}.".startswith(f"{FACADE}."):
        return PACKAGE + module.removeprefix(FACADE)
    return None


def below(dotted: str) -> tuple[str, ...]:
    return tuple(dotted.removeprefix(PACKAGE).split(".")[1:])


def _key(node: ast.expr) -> str | None:
    """Return ``name`` or ``self.name`` for what can be assigned to."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"self.{node.attr}" if node.value.id in {"self", "cls"} else None
    return None


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield what a statement assigns to names and attributes of ``self``."""
    pairs: list[tuple[ast.expr, ast.expr | None]] = []
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs.extend(zip(target.elts, node.value.elts, strict=False))
            else:
                pairs.append((target, node.value))
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        pairs.append((node.target, node.value))
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        pairs.append((node.optional_vars, node.context_expr))
    for target, value in pairs:
        key = _key(target)
        if key is not None and value is not None:
            yield key, value


def _constants(assigned: list[tuple[str, ast.expr]]) -> dict[str, object]:
    found: dict[str, list[object]] = {}
    for key, value in assigned:
        found.setdefault(key, []).append(value.value if isinstance(value, ast.Constant) else None)
    return {key: each[0] for key, each in found.items() if all(v == each[0] for v in each)}
