"""What Vela estimates of an Ethos-U's program, and where it is kept: beside the program, with the TOSA graph."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import importlib.util
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from fer_deploy.files import write_atomic
from fer_deploy.frozen import Unknown
from fer_deploy.targets.inspection import CompilerEstimate

_KIB = 1024
Array = NDArray[Any]


def is_there(module: str) -> bool:
    """Return whether a module can be imported, without importing it."""
    top = module.partition(".")[0]
    return importlib.util.find_spec(top) is not None and importlib.util.find_spec(module) is not None


def estimated(summary: str, accelerator: str) -> CompilerEstimate:
    """Return what Vela estimated, from its summary (``ethosu/vela/stats_writer.py``, ethos-u-vela 5.2.0)."""
    row = next(csv.DictReader(io.StringIO(summary)))
    flash = float(row["off_chip_flash_memory_used"]) + float(row["on_chip_flash_memory_used"])
    version = importlib.metadata.version("ethos-u-vela") if is_there("ethosu.vela") else "of unknown version"
    return CompilerEstimate(
        accelerator=accelerator,
        compiler=f"Vela {version}",
        configuration=f"{row['system_config']}, {row['memory_mode']}",
        operators=int(row["passes_after_fusing"]),
        cycles=int(float(row["cycles_total"])),
        clock_mhz=float(row["core_clock"]) / 1e6,
        sram_bytes=round(float(row["sram_memory_used"]) * _KIB),
        flash_bytes=round(flash * _KIB),
        dram_bytes=round(float(row["dram_memory_used"]) * _KIB),
    )


def recorded(found: CompilerEstimate) -> dict[str, str]:
    """Return an estimate as artifact.json has it among the choices of lowering."""
    return {
        "compiler": found.compiler,
        "compiler_configuration": found.configuration,
        "estimated_sram_bytes": str(found.sram_bytes),
        "estimated_flash_bytes": str(found.flash_bytes),
        "estimated_dram_bytes": str(found.dram_bytes),
        "estimated_npu_operators": str(found.operators),
        "estimated_cycles": str(found.cycles),
        "estimated_ms": f"{found.milliseconds():.3f} at {found.clock_mhz:.0f} MHz",
    }


def _beside(file: Path, program: bytes) -> Path:
    """Return where the TOSA graph of a program lies: its name holds the program's digest, so no other's is taken."""
    return file.with_name(f"{file.stem}.{hashlib.sha256(program).hexdigest()[:16]}.tosa.npz")


def keep(file: Path, program: bytes, arrays: Mapping[str, Array]) -> None:
    """Write beside a program what is known of it; ``why`` alone where the NPU does not have it in one piece."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]  # numpy types only its own option
    write_atomic(_beside(file, program), content.getvalue())


def kept(file: Path) -> dict[str, Array] | Unknown:
    """Return what lies beside a program: its TOSA graph and Vela's estimate; or why there is none."""
    place = _beside(file, file.read_bytes())
    if not place.is_file():
        return Unknown(reason=f"its TOSA graph is not beside it as {place.name}: it was moved or changed")
    with np.load(place, allow_pickle=False) as held:
        if "why" in held.files:
            return Unknown(reason=str(held["why"]))
        return {name: held[name] for name in held.files}


def estimate_of(file: Path) -> CompilerEstimate | Unknown:
    """Return the estimate that lies beside a program, or why there is none."""
    held = kept(file)
    if isinstance(held, Unknown):
        return held
    try:
        return CompilerEstimate.model_validate_json(str(held["estimate"]))
    except (KeyError, ValidationError):
        return Unknown(reason="another version of fer-deploy wrote what lies beside it; export it again")


def advice(file: Path) -> tuple[str, ...]:
    """Return what is known of a program's cost: Vela's estimate, kept beside it."""
    found = estimate_of(file)
    if isinstance(found, Unknown):
        return (f"Vela's estimate is not known: {found.reason}",)
    return (
        f"estimated by {found.compiler} for {found.configuration}, never measured: {found.operators} NPU operators, "
        f"{found.cycles} cycles, {found.milliseconds():.3f} ms at {found.clock_mhz:.0f} MHz, {found.sram_bytes} bytes "
        f"of SRAM, {found.flash_bytes} of flash, {found.dram_bytes} of DRAM",
        "Arm says of its own simulator that its counters are no results of hardware; an estimate is less than that",
    )
