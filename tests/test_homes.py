"""Every module has a test file by its path: ``a/b.py`` has ``tests/a/test_b.py`` or ``tests/a/test_b_ASPECT.py``."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fer_deploy

_PACKAGE = Path(fer_deploy.__file__).parent
_TESTS = Path(__file__).parent
#: What is tested elsewhere: a module, or all of a folder that have no test of their own, and the test file.
_ELSEWHERE = {
    "__main__": "cli/test_commands.py",
    "cli": "cli/test_commands.py",
    "cli/baseline": "cli/test_check.py",
    "cli/bundle": "targets/test_bundle.py",
    "cli/card": "experiments/test_card.py",
    "cli/devices": "cli/test_doctor_devices.py",
    "cli/frame": "cli/test_doctor_devices.py",
    "cli/inspect": "targets/test_inspection.py",
    "cli/layers": "cli/test_compare.py",
    "cli/report": "cli/test_check.py",
    "cli/schema": "schemas/test_make.py",
    "cli/search": "experiments/test_search.py",
    "cli/split_student": "train/family/test_student_file.py",
    "cli/study": "experiments/test_study.py",
    "cli/train_family": "train/family/test_run.py",
    "data/corruptions": "data/test_corruptions.py",
    "data/draws": "data/test_corruptions.py",
    "data/image_files": "data/test_image_folder.py",
    "data/fer2013_pairs": "train/family/test_run.py",
    "data/imports": "data/imports/test_sources.py",
    "devices/estimator": "devices/estimator/test_cpu.py",
    "devices/profile_schema": "devices/test_profile.py",
    "devices/runners/build": "integration/test_cpp_runner.py",
    "devices/runners/host_runner": "devices/transports/test_host.py",
    "devices/runners/job": "devices/runners/test_onnx_runner.py",
    "devices/transports/browser": "integration/test_browser.py",
    "devices/transports/emulated": "integration/test_emulated.py",
    "devices/transports/open": "integration/test_ssh.py",
    "devices/transports/remote": "integration/test_ssh.py",
    "devices/transports/remote_shell": "integration/test_ssh.py",
    "devices/transports/ssh": "integration/test_ssh.py",
    "experiments/search_schema": "experiments/test_search.py",
    "experiments/study_schema": "experiments/test_study.py",
    "frozen": "test_hostile_files.py",
    "gate": "gate/test_judge.py",
    "measure": "pipeline/test_run.py",
    "measure/processor_parity": "cli/test_emulate.py",
    "model": "test_model.py",
    "pipeline": "pipeline/test_run.py",
    "pipeline/check": "cli/test_check.py",
    "pipeline/compare": "cli/test_compare.py",
    "pipeline/evaluate": "experiments/test_rafdb_recipes.py",
    "quantize": "quantize/test_recipe_options.py",
    "quantize/fit": "quantize/test_preflight.py",
    "quantize/rewrite": "quantize/test_rewrite.py",
    "quantize/rewrite/batchnorm": "conformance/test_networks.py",
    "quantize/rewrite/constants": "conformance/test_networks.py",
    "quantize/switchboard": "quantize/test_sensitivity.py",
    "start": "cli/test_init.py",
    "targets": "targets/test_artifact.py",
    "targets/coreml": "targets/coreml/test_target.py",
    "targets/coreml/interpreter": "targets/coreml/interpreter/operations/test_quantization.py",
    "targets/executorch": "targets/executorch/test_delegates.py",
    "targets/litert": "targets/litert/test_target.py",
    "targets/litert/converter": "targets/litert/converter/test_operators.py",
    "targets/onnx": "targets/test_lowering.py",
    "targets/onnx/inspect": "targets/test_inspection.py",
    "targets/onnx/runtime": "targets/test_integer_kernels.py",
    "targets/onnx/proof": "targets/test_proof.py",
    "train/distillation": "quantize/test_qat.py",
    "train/fake_quantize": "quantize/test_qat.py",
    "train/family": "train/family/test_steps.py",
    "train/family/students": "train/family/test_steps_capture.py",
    "train/family/teachers": "train/family/test_steps_capture.py",
    "train/losses": "train/test_teachers.py",
    "train/run": "experiments/test_rafdb_recipes.py",
    "views": "views/test_document.py",
    "zoo": "zoo/test_zoo.py",
    "zoo/teachers": "train/family/test_steps_capture.py",
}


def _modules() -> list[str]:
    """Return every module with something in it by its path in the package, without the ending."""
    paths = sorted(path for path in _PACKAGE.rglob("*.py") if path.name != "__init__.py")
    return [path.relative_to(_PACKAGE).with_suffix("").as_posix() for path in paths]


def _by_path(module: str) -> list[Path]:
    folder, name = (_TESTS / module).parent, Path(module).name
    return [*folder.glob(f"test_{name}.py"), *folder.glob(f"test_{name}_*.py")]


def _entry(module: str) -> str | None:
    """Return the nearest entry of :data:`_ELSEWHERE`: the module's own, or that of a folder that it stands in."""
    folders = [module, *(parent.as_posix() for parent in Path(module).parents)]
    return next((folder for folder in folders if folder in _ELSEWHERE), None)


@pytest.mark.parametrize("module", _modules())
def test_a_module_has_a_test_file(module: str) -> None:
    assert _by_path(module) or _entry(module), f"write tests/{module}'s test, or say where it is tested"


def test_the_exceptions_are_needed_and_there() -> None:
    used = {entry for module in _modules() if not _by_path(module) and (entry := _entry(module))}
    assert set(_ELSEWHERE) == used, "these have tests of their own now, or are no more"
    for file in _ELSEWHERE.values():
        tree = ast.parse((_TESTS / file).read_text(encoding="utf-8"))
        functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        assert any(name.startswith("test_") for name in functions), f"{file} tests nothing"
