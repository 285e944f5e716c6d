"""What Vela's summary says, and what is kept of it beside a program."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_deploy.frozen import Unknown
from fer_deploy.targets.executorch.ethos_u_vela import advice, estimate_of, estimated, keep, kept, recorded

_SUMMARY = (
    "core_clock,system_config,memory_mode,sram_memory_used,dram_memory_used,on_chip_flash_memory_used,"
    "off_chip_flash_memory_used,passes_after_fusing,cycles_total\n"
    "500000000.0,Ethos_U55_High_End_Embedded,Shared_Sram,12.046875,0.0,0.0,31.875,17,43979.0\n"
)


def test_estimated() -> None:
    found = estimated(_SUMMARY, "ethos-u55-128")
    assert (found.cycles, found.clock_mhz, found.operators) == (43979, 500.0, 17)
    assert found.milliseconds(250) == 2 * found.milliseconds()
    said = recorded(found)
    assert said.pop("compiler").startswith("Vela ")
    assert said == {
        "compiler_configuration": "Ethos_U55_High_End_Embedded, Shared_Sram",
        "estimated_sram_bytes": "12336",
        "estimated_flash_bytes": "32640",
        "estimated_dram_bytes": "0",
        "estimated_npu_operators": "17",
        "estimated_cycles": "43979",
        "estimated_ms": "0.088 at 500 MHz",
    }


def test_beside_a_program(tmp_path: Path) -> None:
    file = tmp_path / "model.pte"
    file.write_bytes(b"program")
    found = estimated(_SUMMARY, "ethos-u55-128")
    keep(file, b"program", {"tosa": np.zeros(3, np.uint8), "estimate": np.array(found.model_dump_json())})
    assert estimate_of(file) == found
    assert "43979 cycles, 0.088 ms at 500 MHz" in advice(file)[0]

    file.write_bytes(b"another")
    missing = kept(file)
    assert isinstance(missing, Unknown)
    assert "it was moved or changed" in missing.reason
    keep(file, b"another", {"why": np.array("the network is in 2 pieces")})
    assert estimate_of(file) == Unknown(reason="the network is in 2 pieces")
    assert advice(file) == ("Vela's estimate is not known: the network is in 2 pieces",)


def test_of_another_version(tmp_path: Path) -> None:
    file = tmp_path / "model.pte"
    file.write_bytes(b"program")
    keep(file, b"program", {"tosa": np.zeros(3, np.uint8), "estimates": np.array("{}")})
    found = estimate_of(file)
    assert isinstance(found, Unknown)
    assert "export it again" in found.reason
