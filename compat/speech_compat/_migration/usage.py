"""Where a file uses the package: imports, names, calls and texts."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from speech_compat._migration.bindings import DOTTED, Names, below, facade_as_package, fallbacks
from speech_compat._migration.imports import import_change, import_from_change, is_package

__all__ = ["Import", "Text", "Usage", "Use", "usage_of"]


@dataclass(frozen=True)
class Import:
    """An import of either package.

    Attributes:
        line: its line.
        column: its column, from 0.
        statement: the statement, in one line.
        target: what the module becomes; empty if it is left, or if nothing has to be done.
        reason: why it is left; else empty.
    """

    line: int
    column: int
    statement: str
    target: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Use:
    """A use of a name of the package.

    Attributes:
        path: the parts of the name below the package; one that is called ends with ``()``.
        line: its line.
        column: its column, from 0.
        call: the call, if it is called.
    """

    path: tuple[str, ...]
    line: int
    column: int
    call: ast.Call | None = None


@dataclass(frozen=True)
class Text:
    """A text in a program that is no docstring."""

    value: str
    line: int
    column: int


@dataclass
class Usage:
    """All uses in one file, each in the order of the file.

    Attributes:
        imports: imports of either package.
        uses: uses of names.
        calls: calls of methods of any object, by the method's name.
        assignments: assignments to attributes of any object, by the attribute's name.
        texts: all texts.
        constants: numbers and texts that a name stands for throughout the file.
    """

    imports: list[Import] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    calls: list[tuple[str, ast.Call]] = field(default_factory=list)
    assignments: list[tuple[str, ast.expr]] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    constants: dict[str, object] = field(default_factory=dict)
    _names: Names | None = None

    @property
    def names(self) -> frozenset[str]:
        """All parts of the names that are used."""
        return frozenset(part.removesuffix("()") for use in self.uses for part in use.path)

    def path(self, node: ast.expr) -> tuple[str, ...]:
        """Return the path of an expression below the package; empty for anything else."""
        dotted = None if self._names is None else self._names.resolve(node)
        return below(dotted) if dotted is not None and is_package(dotted) else ()

    @property
    def module_texts(self) -> list[Text]:
        """The texts that are the name of the real package, or of something in it."""
        return [text for text in self.texts if DOTTED.fullmatch(text.value)]

    def value(self, node: ast.expr | None) -> object:
        """Return the number or text that an expression stands for, or ``None``."""
        if isinstance(node, ast.Constant):
            return node.value
        return self.constants.get(node.id) if isinstance(node, ast.Name) else None


def usage_of(tree: ast.Module) -> Usage:
    """Return the uses in a file."""
    # In the order of the file: ast.walk goes level by level.
    nodes = sorted(ast.walk(tree), key=lambda n: (getattr(n, "lineno", 0), _column(n)))
    names = Names(nodes)
    usage = Usage(constants=names.constants, _names=names)
    used = _Uses(nodes, names)
    usage.uses = list(used.found)
    kept = fallbacks(nodes)
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            usage.imports.extend(_import(node, usage.names, id(node) in kept))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            usage.calls.append((node.func.attr, node))
        elif isinstance(node, ast.Assign):
            attributes = (t for t in node.targets if isinstance(t, ast.Attribute))
            usage.assignments.extend((target.attr, node.value) for target in attributes)
    usage.texts = [
        Text(node.value, node.lineno, node.col_offset)
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in names.docstrings
    ]
    return usage


def _column(node: ast.AST) -> int:
    return getattr(node, "col_offset", 0)


def _import(
    node: ast.Import | ast.ImportFrom, used: Collection[str], is_fallback: bool
) -> Iterator[Import]:
    place = (node.lineno, node.col_offset, ast.unparse(node))
    if isinstance(node, ast.Import):
        changes = [import_change(alias.name, alias.asname) for alias in node.names]
        facade = any(facade_as_package(alias.name) for alias in node.names)
    else:
        module = "" if node.level else node.module or ""
        changes = [import_from_change(module, [a.name for a in node.names], used)]
        facade = facade_as_package(module) is not None
    for change in changes:
        if change is not None:
            # Without a target or a reason, nothing has to be done.
            yield Import(*place, *(("", "") if is_fallback else change))
    if facade:
        yield Import(*place)


class _Uses:
    """The uses of names of the package, found from the longest expressions to their parts."""

    def __init__(self, nodes: list[ast.AST], names: Names) -> None:
        self._names = names
        # Ids of the nodes that belong to a longer expression.
        self._parts = set[int]()
        self.found: list[Use] = []
        # A call begins where the function begins that it calls, so the sort keeps their order.
        for node in nodes:
            if id(node) in self._parts or id(node) in names.parameters:
                continue
            if isinstance(node, ast.ImportFrom):
                self._imported(node)
            elif isinstance(node, ast.Call):
                self._use(node.func, node)
            elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
                self._use(node, None)

    def _imported(self, node: ast.ImportFrom) -> None:
        module = facade_as_package(node.module or "") or node.module or ""
        for alias in node.names:
            dotted = f"{module}.{alias.name}"
            if is_package(dotted) and alias.name != "*" and not node.level:
                self._add(dotted, alias)

    def _use(self, node: ast.expr, call: ast.Call | None) -> None:
        parts = list(_chain(node))
        if any(id(part) in self._names.parameters for part in parts):
            return
        dotted = self._names.resolve(node) if call is None else self._names.resolve(call)
        if dotted is None or not is_package(dotted):
            return
        self._parts.update(map(id, parts))
        # An object of the package that is only passed on, or the package itself, is no use.
        if isinstance(node, ast.Attribute) or call is not None or not dotted.endswith("()"):
            self._add(dotted, node, call)

    def _add(self, dotted: str, node: ast.expr | ast.alias, call: ast.Call | None = None) -> None:
        if path := below(dotted):
            self.found.append(Use(path, node.lineno, node.col_offset, call))


def _chain(node: ast.expr) -> Iterator[ast.expr]:
    """Yield an expression and what it is an attribute of, down to a name or a call."""
    yield node
    while isinstance(node, ast.Attribute):
        node = node.value
        if not isinstance(node, ast.Call):
            yield node
