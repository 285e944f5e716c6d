"""What a selective build of ExecuTorch needs for a program, and what a smaller one lacks: every planted omission."""

from __future__ import annotations

import importlib.metadata
import math
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from click.testing import CliRunner
from torch import Tensor, nn

from fer_deploy.cli import main
from fer_deploy.devices.runners import build
from fer_deploy.devices.runners.build import build_runner, host_arch
from fer_deploy.devices.transports.host import bundle_words
from fer_deploy.errors import ArtifactError
from fer_deploy.quiet import quiet
from fer_deploy.targets.executorch.selected_operators import missing, required
from fixtures.lowered import Lower
from fixtures.servers import require_program


class Beside(nn.Module):
    """A convolution for the delegate, and operators that XNNPACK does not take."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.erf(self.conv(x)).cumsum(1).flatten(1)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that is delegated in part."""
    torch.manual_seed(0)
    with quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        exported = torch.export.export(Beside().eval(), (torch.zeros(1, 1, 8, 8),))
        lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
    file = tmp_path_factory.mktemp("program") / "model.pte"
    file.write_bytes(lowered.buffer)
    return file


def test_a_build_from_it_lacks_nothing(program: Path, tmp_path: Path) -> None:
    needed = required(program)
    selection = tmp_path / "selected_operators.yaml"
    selection.write_text(needed.text)
    assert missing(program, selection) == ()
    assert "XnnpackBackend" in needed.kernels
    assert {"aten::erf.out", "aten::cumsum.out"} <= {kernel.split()[0] for kernel in needed.kernels}
    assert str(program.parent) not in needed.text


def test_every_planted_omission_is_found(program: Path, tmp_path: Path) -> None:
    needed = required(program)
    document = yaml.safe_load(needed.text)
    selection = tmp_path / "selected_operators.yaml"
    for name in document["operators"]:
        fewer = {key: value for key, value in document["operators"].items() if key != name}
        selection.write_text(yaml.safe_dump(document | {"operators": fewer}))
        assert missing(program, selection) == (name,)
    for name, keys in document["et_kernel_metadata"].items():
        other = document["et_kernel_metadata"] | {name: ["v1/0;0|0;0"]}
        selection.write_text(yaml.safe_dump(document | {"et_kernel_metadata": other}))
        assert missing(program, selection) == tuple(f"{name} {key}" for key in sorted(keys))
    selection.write_text("# backends: \n" + yaml.safe_dump(document))
    assert missing(program, selection) == ("XnnpackBackend",)
    selection.write_text(yaml.safe_dump({"include_all_operators": True, "operators": None}))
    assert missing(program, selection) == ()


def test_a_runner_that_lacks_the_kernels_refuses_what_is_foretold(
    program: Path, lowered: Lower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The C++ runner built without the operator libraries: it runs what is wholly delegated, and nothing else."""
    require_program("g++", "apt-get install g++")
    fewer = tuple(name for name in build._LIBRARIES if "kernels" not in name)
    monkeypatch.setattr(build, "_LIBRARIES", fewer)
    bundle = build_runner(host_arch(), tmp_path / "cache")
    selection = tmp_path / "selected_operators.yaml"
    selection.write_text("# backends: XnnpackBackend\noperators: {}\n")
    whole = lowered("executorch", "float")[0]
    for file, shape in ((program, (1, 1, 8, 8)), (whole.file, whole.info.contract.input.shape)):
        (tmp_path / "inputs.f32").write_bytes(bytes(4 * math.prod(shape)))
        sides = ",".join(map(str, shape))
        (tmp_path / "model.pte").write_bytes(file.read_bytes())
        words = [
            "--model",
            "model.pte",
            "--inputs",
            "inputs.f32",
            "--shape",
            sides,
            "--logits",
            "logits.f32",
        ]
        words += ["--result", "result.json", "--threads", "1", "--warmups", "0", "--min-runs", "0"]
        words += ["--min-seconds", "0", "--max-seconds", "1"]
        done = subprocess.run(
            [*bundle_words(bundle), *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        foretold = missing(file, selection)
        assert (done.returncode != 0) == bool(foretold), done.stderr
        assert bool(foretold) == (file == program)


def test_from_the_command_line(program: Path, tmp_path: Path) -> None:
    selection = tmp_path / "selected_operators.yaml"
    result = CliRunner().invoke(main, ["inspect", str(program), "--kernels", str(selection)])
    assert result.exit_code == 0, result.output
    assert CliRunner().invoke(main, ["inspect", str(program), "--runtime", str(selection)]).exit_code == 0
    selection.write_text("operators: {}\n")
    result = CliRunner().invoke(main, ["inspect", str(program), "--runtime", str(selection)])
    assert result.exit_code == 3
    assert "kernels missing in the runtime of" in result.stderr
    assert "aten::erf.out" in result.stderr


@pytest.mark.parametrize("text", ["[1, 2]", "operators: 3", "a: [", "\udcff"])
def test_what_is_no_selection_is_refused(program: Path, tmp_path: Path, text: str) -> None:
    selection = tmp_path / "selected_operators.yaml"
    selection.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ArtifactError):
        missing(program, selection)


def test_the_wheel_s_tools_are_the_pinned_ones() -> None:
    """The selection is read by a build of the same version; its functions are private there."""
    assert importlib.metadata.version("executorch").startswith("1.5.")
