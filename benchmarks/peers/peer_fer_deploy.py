"""fer-deploy, as its page on Python shows it, with the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_deploy import Faces, Model


def quantize(model: Model, faces: Faces, output: Path, target: str) -> None:
    """Export one artifact."""
    import fer_deploy as fd

    artifact = fd.export(model, target=target, recipe="w8a8-ptq", calibration=faces)
    output.write_bytes(artifact.file.read_bytes())
