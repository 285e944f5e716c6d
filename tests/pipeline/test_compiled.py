"""A device whose NPU needs a program of its own, in a run: compiled, estimated, emulated, and gated."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.measure.measurement import Provenance
from fer_deploy.report.schema import Report, load_report
from fer_deploy.targets.executorch import ethos_u
from fixtures.job import Job

CONFIG = """
[model]
path = "{model}"
[data]
kind = "folder"
path = "{faces}"
[quantize]
calibration_images = 64
[export]
targets = ["executorch"]
output = "{dist}"
[profile]
devices = ["corstone-300"]
npu_images = 16
[budget]
accept = ["measured", "emulated", "estimated"]
max_sram_kb = {sram}
"""


def _run(folder: Path, job: Job, model: Path, faces: Path) -> tuple[Path, Report]:
    """Run with the artifacts of the finished job, which are of the same settings."""
    job.copied(folder / "dist" / model.name)
    config = folder / "fer-deploy.toml"
    config.write_text(CONFIG.format(model=model, faces=faces, dist=folder / "dist", sram=1000))
    result = CliRunner().invoke(main, ["run", "--config", str(config)])
    assert result.exit_code == 0, result.output
    (report,) = (folder / "dist").glob("*/report.json")
    return config, load_report(report)


def test_without_the_tools_the_row_says_what_adds_them(
    job: Job, model_folder: Path, faces_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ethos_u, "is_there", lambda _: False)
    config, report = _run(tmp_path, job, model_folder, faces_folder)
    whole, integers = report.devices[0].figures
    assert whole.latency_p50.reason is not None
    assert "computes in integers" in whole.latency_p50.reason
    assert not whole.for_npu
    assert integers.latency_p50.reason is not None
    assert "add it: pip install 'fer-deploy[ethos-u]'" in integers.latency_p50.reason
    assert integers.compiled is None
    (emulated,) = report.artifacts[1].npu
    assert emulated.agreement.reason == integers.latency_p50.reason
    result = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert result.exit_code == 4, result.output
    assert "not measured: SRAM" in result.output


@pytest.mark.skipif(ethos_u.obstacle() is not None, reason=str(ethos_u.obstacle()))
def test_a_run(job: Job, model_folder: Path, faces_folder: Path, tmp_path: Path) -> None:
    config, report = _run(tmp_path, job, model_folder, faces_folder)
    (device,) = report.devices
    integers = device.figures[1]
    assert integers.latency_p50.provenance is Provenance.ESTIMATED
    assert integers.compiled is not None
    assert integers.compiled.on_cpu == 0
    assert integers.compiled.parity is not None
    assert "in exact arithmetic" in integers.compiled.parity
    assert [one.latency for one in device.paths] == ["estimated by its compiler, without an interval"]
    (emulated,) = report.artifacts[1].npu
    assert emulated.images == 16
    assert emulated.max_logit_difference.provenance is Provenance.EMULATED
    assert "TOSA reference model" in emulated.max_logit_difference.conditions["emulation"]
    text = next((tmp_path / "dist").glob("*/report.md")).read_text(encoding="utf-8")
    assert "| artifact | compiled for | NPU operators | on the CPU | cycles | SRAM | flash | DRAM |" in text
    result = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert "SRAM, at most 1,000 KB" in result.output
    config.write_text(config.read_text().replace("max_sram_kb = 1000", "max_sram_kb = 1"))
    result = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert result.exit_code == 3, result.output
    assert "fail: SRAM, at most 1 KB" in result.output
