"""``fer-deploy sensitivity`` refuses an artifact by name; what it computes is tested in tests/pipeline."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.targets.artifact import INFO_FILE


def test_an_artifact_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / INFO_FILE).touch()
    result = CliRunner().invoke(main, ["sensitivity", str(tmp_path)])
    assert result.exit_code == 2
    assert "is an artifact" in result.output
    assert "name the model that it was made from" in " ".join(result.output.split())
