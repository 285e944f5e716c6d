"""ExecuTorch's Core ML delegate: lowered on Linux, what it holds executed by our interpreter, never run here."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from fer_deploy.data.faces import Faces
from fer_deploy.errors import ConfigError, TargetError
from fer_deploy.frozen import Unknown
from fer_deploy.quantize.graph import Graph
from fer_deploy.targets.coreml.interpreter.execute import Interpreter
from fer_deploy.targets.coreml.interpreter.program import open_program
from fer_deploy.targets.executorch import ExecuTorchOptions, ExecuTorchTarget


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac can run the delegate")
def test_core_ml_delegate(small_graphs: dict[str, Graph], test_faces: Faces, tmp_path: Path) -> None:
    graph, target = small_graphs["float"], ExecuTorchTarget(ExecuTorchOptions("coreml"))
    lowered = target.lower(graph, tmp_path)
    assert (lowered.delegation.backend, lowered.delegation.delegates) == ("Core ML", 1)
    assert lowered.delegation.delegated == lowered.delegation.total
    obstacle = target.host_obstacle()
    assert obstacle is not None
    assert "macOS and iOS only" in obstacle
    file = tmp_path / lowered.file
    with pytest.raises(TargetError, match="cannot be run here: ExecuTorch's Core ML delegate"):
        ExecuTorchTarget().open(file, threads=1)
    assert isinstance(target.inspect(file).delegated, Unknown)

    from executorch.examples.apple.coreml.scripts.extract_coreml_models import extract_coreml_models

    (inside,) = extract_coreml_models(file.read_bytes(), tmp_path / "inside")
    program = open_program(next(Path(inside).parent.rglob("*.mlpackage"), Path(inside)))
    (name,) = program.inputs
    answers = Interpreter(program).run({name: test_faces.pixels.astype(np.float32)})
    expected = graph.logits(test_faces.pixels, "torch")
    np.testing.assert_allclose(answers[program.outputs[0]], expected, atol=1e-4)


def test_unknown_delegate() -> None:
    with pytest.raises(ConfigError, match="unknown ExecuTorch delegate 'vulkan'; known: xnnpack, coreml"):
        ExecuTorchOptions("vulkan")  # type: ignore[arg-type]
