"""The source files behind a factory: found by reading imports, never by executing any."""

from __future__ import annotations

import ast
import importlib
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from fer_deploy.files import sha256_of

_OWN = Path(__file__).resolve().parents[1]
#: Folders that packages are installed into.
_INSTALLED = ("site-packages", "dist-packages")
#: Calls by which code runs that no import statement names: builtins, and the last part of others.
_BUILTINS = ("exec", "eval")
_HIDDEN = ("spec_from_file_location", "run_path", "run_module", "load_source", "addsitedir")
_IMPORTERS = ("import_module", "__import__")
#: Modules with which a program imports or runs others.
_POWERFUL = ("sys", "importlib", "importlib.util", "runpy", "builtins", "site")


@dataclass
class Sources:
    """What was found.

    Attributes:
        sha256: digest of each file by the module's name.
        unknown: why the files may not be all, or None.
    """

    sha256: dict[str, str] = field(default_factory=dict)
    unknown: str | None = None


def sources_of(module: str) -> Sources:
    """Return the files of a module and of the local modules that it imports, directly or not.

    Modules are looked for in the working folder, then where Python would; installed packages, Python's own library and
    this package are passed over. Code that imports by a name which only running it would tell is said to be unknown.
    """
    importlib.invalidate_caches()
    found = Sources()
    first = _find(module)
    if first is None or first.origin is None:
        found.unknown = (
            f"module {module} is not to be found from {Path.cwd()}; call this where `run` was called"
        )
    elif not _local(first):
        found.unknown = (
            f"module {module} is an installed package; name a factory in a file of your own that calls it"
        )
    waiting = [module]
    while waiting and found.unknown is None:
        name = waiting.pop()
        for part in _prefixes(name):
            spec = _find(part)
            if part not in found.sha256 and spec is not None and _local(spec):
                waiting += _read(part, spec, found)
    return found


def _read(name: str, spec: ModuleSpec, found: Sources) -> list[str]:
    """Take a module's file into ``found``; return the names that it may import."""
    assert spec.origin is not None
    path = Path(spec.origin)
    try:
        found.sha256[name] = sha256_of(path)
        if path.suffix != ".py":
            return []
        tree = ast.parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError) as error:
        found.unknown = f"{path} cannot be read: {error}"
        return []
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call):
            names += _called(node, path, found)
        if found.unknown is None and (hidden := _hidden(node)) is not None:
            found.unknown = f"{path}, line {node.lineno}, {hidden}"  # type: ignore[attr-defined]
    return names


def _called(node: ast.Call, path: Path, found: Sources) -> Iterator[str]:
    """Yield the module that a call imports; note in ``found`` where that, or what runs, cannot be read off."""
    called = ast.unparse(node.func)
    last = called.rpartition(".")[2]
    if last in _IMPORTERS:
        argument = node.args[0] if node.args else None
        named = argument.value if isinstance(argument, ast.Constant) else None
        if isinstance(named, str) and not named.startswith("."):
            yield named
            return
        found.unknown = f"{path}, line {node.lineno}, imports a module whose name only running it would tell"
    elif called.removeprefix("builtins.") in _BUILTINS or last in _HIDDEN or called.endswith("hub.load"):
        found.unknown = f"{path}, line {node.lineno}, runs code that cannot be found by reading: {called}"
    elif called.startswith("sys.path."):
        found.unknown = f"{path}, line {node.lineno}, changes where modules are looked for: {called}"


def _hidden(node: ast.AST) -> str | None:
    """Return what a node does that keeps the files it runs from being read off, whatever it is called by."""
    if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
        return "uses where modules are looked for: sys.path"
    if isinstance(node, ast.Import):
        renamed = [alias for alias in node.names if alias.asname and alias.name in _POWERFUL]
        return f"calls {renamed[0].name} by another name: {renamed[0].asname}" if renamed else None
    if isinstance(node, ast.ImportFrom) and node.module in _POWERFUL and not node.level:
        for alias in node.names:
            taken = alias.name in (*_HIDDEN, *_BUILTINS, "path", "meta_path")
            if taken or (alias.name in _IMPORTERS and alias.asname):
                return f"takes {alias.name} from {node.module}"
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
        value = node.value
        if isinstance(value, ast.Name) and value.id in (*_BUILTINS, "__import__"):
            return f"calls {value.id} by another name"
    if isinstance(node, ast.Call):
        called, first = ast.unparse(node.func), node.args[0] if node.args else None
        if called == "getattr" and isinstance(first, ast.Name) and first.id in _POWERFUL:
            return f"takes something from {first.id} by a name that is made up"
    return None


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _find(name: str) -> ModuleSpec | None:
    """Return where a module lies, without importing the packages above it."""
    path: list[str] | None = [str(Path.cwd()), *(folder for folder in sys.path if folder)]
    spec = None
    for part in name.split("."):
        if path is None:
            return None
        # by its last name: of a folder without __init__.py, Python asks the packages above, which nobody has imported
        spec = PathFinder.find_spec(part, path)
        if spec is None and part == name.partition(".")[0]:
            spec = _installed_editable(part)
        if spec is None:
            return None
        if spec.submodule_search_locations is None:
            path = None
        elif spec.origin is None:
            path = [str(Path(folder) / part) for folder in path if (Path(folder) / part).is_dir()]
        else:
            path = list(spec.submodule_search_locations)
    return spec


def _installed_editable(name: str) -> ModuleSpec | None:
    """Return where a package lies that was installed editable: pip may add a finder for it in place of a path."""
    for finder in sys.meta_path:
        named = getattr(finder, "__name__", type(finder).__name__)
        if named == "_EditableFinder":  # setuptools' name for it
            spec: ModuleSpec | None = finder.find_spec(name, None)
            if spec is not None:
                return spec
    return None


def _local(spec: ModuleSpec) -> bool:
    """Return whether a module is a file of the user's own."""
    if spec.origin is None or not spec.has_location:
        return False
    path = Path(spec.origin).resolve()
    library = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
    return not (
        any(part in _INSTALLED for part in path.parts)
        or any(path.is_relative_to(folder) for folder in (*library, _OWN))
    )
