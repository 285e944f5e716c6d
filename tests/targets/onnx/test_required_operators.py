"""What a reduced build of ONNX Runtime needs for a model, and what a smaller one lacks: every planted omission."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.errors import ArtifactError
from fer_deploy.targets.onnx.required_operators import missing, required
from fixtures.lowered import Lower


@pytest.mark.parametrize("recipe", ["float", "w8a8-ptq"])
def test_a_build_from_it_lacks_nothing(lowered: Lower, recipe: str, tmp_path: Path) -> None:
    file = lowered("onnx", recipe)[0].file
    needed = required(file)
    config = tmp_path / "required_operators.config"
    config.write_text(needed.text)
    assert missing(file, config) == ()
    names = {kernel.split()[1] for kernel in needed.kernels}
    # what the file holds, and what ONNX Runtime makes of it
    assert ("QuantizeLinear" in names and "QLinearConv" in names) == (recipe == "w8a8-ptq")


@pytest.mark.parametrize("recipe", ["float", "w8a8-ptq"])
def test_every_planted_omission_is_found(lowered: Lower, recipe: str, tmp_path: Path) -> None:
    file = lowered("onnx", recipe)[0].file
    needed = required(file)
    config = tmp_path / "required_operators.config"
    planted = 0
    for line in needed.text.splitlines()[1:]:
        domain, opset, names = line.split(";")
        for name in names.split(","):
            kept = ",".join(one for one in names.split(",") if one != name)
            config.write_text(needed.text.replace(line, f"{domain};{opset};{kept}" if kept else ""))
            assert missing(file, config) == (f"{domain} {name} (opset {opset})",)
            planted += 1
    assert planted == len(needed.kernels)


def test_another_opset_counts_where_the_operator_is_the_same(lowered: Lower, tmp_path: Path) -> None:
    file = lowered("onnx", "float")[0].file
    config = tmp_path / "required_operators.config"
    names = ",".join(kernel.split()[1] for kernel in required(file).kernels if kernel.startswith("ai.onnx "))
    own = ",".join(
        kernel.split()[1] for kernel in required(file).kernels if not kernel.startswith("ai.onnx ")
    )
    config.write_text(f"ai.onnx;20;{names}\ncom.microsoft;1;{own or 'None'}\n")
    assert missing(file, config) == ()
    config.write_text(f"ai.onnx;1;{names}\ncom.microsoft;1;{own or 'None'}\n")
    assert any("Conv" in kernel for kernel in missing(file, config))
    config.write_text("!no_ops_specified_means_all_ops_are_required\n")
    assert missing(file, config) == ()


def test_from_the_command_line(lowered: Lower, tmp_path: Path) -> None:
    folder = str(lowered("onnx", "w8a8-ptq")[0].folder)
    config = tmp_path / "required_operators.config"
    assert CliRunner().invoke(main, ["inspect", folder, "--kernels", str(config)]).exit_code == 0
    assert CliRunner().invoke(main, ["inspect", folder, "--runtime", str(config)]).exit_code == 0
    config.write_text(config.read_text().replace("QLinearConv", "Abs"))
    result = CliRunner().invoke(main, ["inspect", folder, "--runtime", str(config)])
    assert result.exit_code == 3
    assert "QLinearConv" in result.stderr


def test_core_ml_has_no_such_builds(lowered: Lower, tmp_path: Path) -> None:
    folder = str(lowered("coreml", "float")[0].folder)
    result = CliRunner().invoke(main, ["inspect", folder, "--kernels", str(tmp_path / "x")])
    assert result.exit_code == 2
    assert "no build of Core ML without some of its kernels is known" in result.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("text", ["ai.onnx;x;Conv\n", "nonsense\n"])
def test_what_is_no_configuration_is_refused(lowered: Lower, tmp_path: Path, text: str) -> None:
    config = tmp_path / "required_operators.config"
    config.write_text(text)
    file = lowered("onnx", "float")[0].file
    with pytest.raises(ArtifactError, match=r"no required_operators\.config"):
        missing(file, config)
    with pytest.raises(ArtifactError, match="no required_operators"):
        missing(file, tmp_path / "absent")
