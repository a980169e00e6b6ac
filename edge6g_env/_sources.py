"""Which files of the package decide what is compiled.

They are the files of compiled functions, those from which these have a name, by way of others too (a constant is frozen into the code, and
what it is made of counts), and those that speak to LLVM. An edit anywhere else compiles nothing anew.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache

_SPEAKS_TO_LLVM = re.compile(r"^\s*(?:from|import) llvmlite\b", re.MULTILINE)


class _Module:
    """What stands at the top of a source file."""

    def __init__(self, text: str) -> None:
        self.imports: dict[str, str] = {}  # dotted name by the name here
        self.made: dict[str, list[ast.stmt]] = {}  # the statements that make a name
        for statement in ast.parse(text).body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                self.made.setdefault(statement.name, []).append(statement)
                continue
            for node in ast.walk(statement):
                if isinstance(node, ast.ImportFrom):
                    self.imports |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    self.made.setdefault(node.id, []).append(statement)

    def compiled(self) -> Iterator[str]:
        """Names of its compiled functions."""
        for name, statements in self.made.items():
            decorators = [how for one in statements if isinstance(one, ast.FunctionDef) for how in one.decorator_list]
            if any("njit" in ast.unparse(how) for how in decorators):
                yield name

    def made_of(self, name: str) -> Iterator[str]:
        """What a name at its top is made of: other names at its top, and dotted ones from elsewhere."""
        if name in self.imports:
            yield self.imports[name]
        for statement in self.made.get(name, ()):
            nodes = _nodes(statement)
            own = {node.arg for node in nodes if isinstance(node, ast.arg)}
            if isinstance(statement, ast.FunctionDef):
                own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
            for node in nodes:
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    yield f"{self.imports.get(node.value.id)}.{node.attr}"
                elif isinstance(node, ast.Name) and node.id not in own:
                    yield self.imports.get(node.id, node.id)


def _nodes(statement: ast.stmt) -> list[ast.AST]:
    """All nodes of a statement; of a function those of its arguments and body."""
    parts = (statement.args, *statement.body) if isinstance(statement, ast.FunctionDef) else (statement,)
    return [node for part in parts for node in ast.walk(part)]


def deciding_files(texts: Mapping[str, str]) -> list[str]:
    """Those that decide what is compiled, sorted, among the files with these texts by their paths in the package."""
    path_of = {_module(path): path for path in texts}

    @cache
    def parsed(module: str) -> _Module:
        return _Module(texts[path_of[module]])

    found = {path for path, text in texts.items() if _SPEAKS_TO_LLVM.search(text)}
    with_some = (module for module, path in path_of.items() if "njit" in texts[path])
    waiting = [(module, name) for module in with_some for name in parsed(module).compiled()]
    seen = set(waiting)
    while waiting:
        module, name = waiting.pop()
        found.add(path_of[module])
        for one in parsed(module).made_of(name):
            origin, _, inner = one.rpartition(".")
            place = (origin or module, inner)
            if place[0] in path_of and one not in path_of and place not in seen:
                seen.add(place)
                waiting.append(place)
    return sorted(found)


def _module(path: str) -> str:
    """Dotted name of the module in a file of the package."""
    return f"edge6g_env/{path}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")
