"""ExecuTorch's selective build: the operators of a program as its build reads them, and what a selection lacks.

The yaml is written by the wheel's own ``gen_oplist``. It knows of no backends; which a program is delegated to stands
in a comment, since a runtime without it refuses the program just as surely.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fer_deploy.errors import ArtifactError
from fer_deploy.quiet import quiet
from fer_deploy.targets.executorch.inspect import read_program
from fer_deploy.targets.inspection import RequiredKernels

_BACKENDS = "# backends: "
#: In et_kernel_metadata: the kernel for every type, not only for those listed.
_EVERY_TYPE = "default"


def required(file: Path) -> RequiredKernels:
    """Return the operators of a ``.pte`` with the types that it calls them with, and its backends.

    Raises:
        ArtifactError: the file is not an ExecuTorch program.
    """
    operators, types, backends = _needs(file)
    with tempfile.TemporaryDirectory() as scratch, quiet():
        from executorch.codegen.tools.gen_oplist import gen_oplist

        goal = Path(scratch) / "selected_operators.yaml"
        gen_oplist(str(goal), model_file_path=str(file))
        # the model's path stands in it, which is this machine's own
        text = goal.read_text(encoding="utf-8").replace(str(file), file.name)
    named = [f"{name} {key}" for name in operators for key in types.get(name, [_EVERY_TYPE])]
    text = f"{_BACKENDS}{', '.join(backends)}\n{text}"
    return RequiredKernels(target="executorch", text=text, kernels=(*backends, *named))


def missing(file: Path, selection: Path) -> tuple[str, ...]:
    """Return the operators, types and backends of a ``.pte`` that a selection lacks.

    A selection that names no backends, as ExecuTorch's own tools write it, is taken to have them.

    Raises:
        ArtifactError: the file is not an ExecuTorch program, or the selection no selected_operators.yaml.
    """
    operators, types, backends = _needs(file)
    document, known = _selection(selection)
    lacking = [] if known is None else [name for name in backends if name not in known]
    if document.get("include_all_operators"):
        return tuple(lacking)
    chosen = document.get("operators") or {}
    kernels = document.get("et_kernel_metadata") or {}
    for name in operators:
        if name not in chosen:
            lacking.append(name)
            continue
        built = kernels.get(name) or [_EVERY_TYPE]
        if _EVERY_TYPE not in built:
            lacking += [f"{name} {key}" for key in types.get(name, []) if key not in built]
    return tuple(lacking)


def _needs(file: Path) -> tuple[list[str], dict[str, list[str]], list[str]]:
    """Return operators, the type keys of each, and backends, in their order of name."""
    program = read_program(file)
    with quiet():
        from executorch.codegen.tools import gen_oplist

        operators = sorted(set(gen_oplist._get_operators(str(file))))
        keys = gen_oplist._get_kernel_metadata_for_model(str(file))
    types = {name: sorted(set(found)) for name, found in keys.items()}
    backends = sorted({one.id for plan in program.execution_plan for one in plan.delegates})
    return operators, types, backends


def _selection(file: Path) -> tuple[dict[str, Any], list[str] | None]:
    import yaml

    try:
        text = file.read_text(encoding="utf-8")
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{file} cannot be read: {error}") from None
    except yaml.YAMLError:
        raise ArtifactError(
            f"{file} is no YAML; give the selected_operators.yaml of the runtime's build"
        ) from None
    if not isinstance(document, dict) or not isinstance(document.get("operators"), dict | None):
        raise ArtifactError(f"{file} is no selected_operators.yaml: it holds no table of operators")
    first = text.splitlines()[0] if text.startswith(_BACKENDS) else None
    backends = None if first is None else [name.strip() for name in first.removeprefix(_BACKENDS).split(",")]
    return document, backends
