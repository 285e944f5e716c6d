"""The floors of the building: imports run down, never in a circle; start-up stays light; a name is one thing's."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import fer_deploy

_PACKAGE = Path(fer_deploy.__file__).parent
#: Bottom to top. Rooms of one floor may not import each other.
_FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "names"}),
    frozenset(
        {"files", "forked", "frozen", "heap", "partial_import", "progress", "quiet", "safe_load", "showing"}
    ),
    frozenset({"contract"}),
    frozenset({"zoo", "data"}),
    frozenset({"model"}),
    frozenset({"train"}),
    frozenset({"quantize"}),
    frozenset({"targets"}),
    frozenset({"devices"}),
    frozenset({"measure"}),
    frozenset({"report"}),
    frozenset({"gate"}),
    frozenset({"views"}),
    frozenset({"pipeline"}),
    frozenset({"api"}),
    frozenset({"experiments", "schemas"}),
    frozenset({"start"}),
    frozenset({"cli"}),
    frozenset({"__init__", "__main__"}),
)
_FLOOR_OF = {room: floor for floor, rooms in enumerate(_FLOORS) for room in rooms}
_HEAVY = (
    "torch",
    "torchao",
    "executorch",
    "coremltools",
    "onnx",
    "onnxruntime",
    "numpy",
    "pydantic",
    "optuna",
)


def _modules() -> dict[str, Path]:
    """Return dotted name to file of every module in the package."""
    found = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        parts = path.relative_to(_PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


_MODULES = _modules()


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def _imports(module: str, source: str) -> set[str]:
    """Return the modules of this package that ``source`` imports anywhere: in functions and for typing too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import, which this test does not follow"
            # ``from package import name`` imports the module ``package.name`` where there is one
            names.update(
                full if (full := f"{node.module}.{alias.name}") in _MODULES else str(node.module)
                for alias in node.names
            )
    return {name for name in names if name.split(".")[0] == "fer_deploy"}


_GRAPH = {name: _imports(name, path.read_text(encoding="utf-8")) for name, path in _MODULES.items()}


def _upward(graph: dict[str, set[str]]) -> list[str]:
    """Return every import of another room that doesn't go down."""
    return [
        f"{module} imports {target}"
        for module, targets in graph.items()
        for target in sorted(targets)
        if _room(module) != _room(target) and not _FLOOR_OF[_room(module)] > _FLOOR_OF[_room(target)]
    ]


def _cycle(graph: dict[str, set[str]]) -> list[str] | None:
    """Return one circle of imports, or None."""
    state: dict[str, int] = {}

    def visit(module: str, path: list[str]) -> list[str] | None:
        state[module] = 1
        for target in sorted(graph.get(module, ())):
            if state.get(target) == 1:
                return [*path[path.index(target) :], target]
            if target not in state and (found := visit(target, [*path, target])):
                return found
        state[module] = 2
        return None

    for module in graph:
        if module not in state and (found := visit(module, [module])):
            return found
    return None


def test_every_module_stands_on_a_floor() -> None:
    strangers = {name for name in _MODULES if _room(name) not in _FLOOR_OF}
    assert not strangers, "give these rooms a floor in _FLOORS"


def test_every_import_of_the_package_exists() -> None:
    for module, targets in _GRAPH.items():
        for target in targets:
            assert target in _MODULES, f"{module} imports {target}, which is no module"


def test_imports_run_downward() -> None:
    assert _upward(_GRAPH) == []


def test_no_circular_imports() -> None:
    assert _cycle(_GRAPH) is None


@pytest.mark.parametrize(
    "source",
    [
        "from fer_deploy.report.schema import Report",
        "import fer_deploy.cli.run",
        "def f():\n    from fer_deploy.measure import parity",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from fer_deploy import report",
        "class A:\n    def f(self):\n        if 1:\n            import fer_deploy.devices.transports.host",
    ],
)
def test_checker_sees_an_upward_import_wherever_it_hides(source: str) -> None:
    module = "fer_deploy.targets.registry"
    assert _upward({module: _imports(module, source)})


def test_checker_sees_a_circle() -> None:
    graph = {name: {following} for name, following in pairwise(["a", "b", "c", "a"])}
    assert _cycle(graph | {"d": {"a"}}) == ["a", "b", "c", "a"]
    assert _cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_the_name_of_a_class_stands_for_one_thing() -> None:
    homes: dict[str, list[str]] = {}
    for module, path in _MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(module)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


@pytest.mark.parametrize("module", [name for name in _MODULES if _room(name) not in ("train", "zoo")])
def test_no_heavy_import_at_module_level_outside_train_and_zoo(module: str) -> None:
    """torch & co. are imported in functions; a command that doesn't need them must not pay for them."""
    heavy = set(_HEAVY) - {"numpy", "pydantic"}
    if module in ("fer_deploy.targets.onnx.passes", "fer_deploy.targets.onnx.proof"):
        heavy -= {"onnx"}  # itself imported only while lowering
    if module.startswith("fer_deploy.targets.litert.converter."):
        heavy -= {"torch"}  # itself imported only while lowering
    if module.startswith("fer_deploy.targets.coreml.interpreter."):
        heavy -= {"torch"}  # itself imported only when a session is opened
    if module == "fer_deploy.experiments.search_sampler":
        heavy -= {"optuna"}  # itself imported only to draw
    drawing = ("fer_deploy.data.draws", "fer_deploy.data.no_face")
    if module in drawing or module.startswith("fer_deploy.data.corruptions"):
        heavy -= {"torch"}  # themselves imported only to corrupt or to train
    found = []
    for node in ast.parse(_MODULES[module].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(str(node.module))
    assert not heavy & {name.split(".")[0] for name in found}


@pytest.mark.parametrize(
    "start",
    [
        "import fer_deploy",
        "import fer_deploy.cli",
        "import fer_deploy.cli.check",
        "import sys; sys.argv = ['fer-deploy', '--help']\nfrom fer_deploy.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code",
        "import sys; sys.argv = ['fer-deploy', '--version']\nfrom fer_deploy.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code",
    ],
    ids=["package", "cli", "check", "help", "version"],
)
def test_start_up_imports_nothing_heavy(start: str) -> None:
    check = f"\nimport sys\nprint('HEAVY', sorted(set({_HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", start + check],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=_PACKAGE.parent,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY []"
