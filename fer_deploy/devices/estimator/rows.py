"""The measurements that the estimator is calibrated on, with their sources and devices."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fer_deploy.devices.estimator.networks import DATA, architecture, network
from fer_deploy.devices.estimator.workload import workload
from fer_deploy.devices.profile_schema import CoreCluster
from fer_deploy.errors import DataError
from fer_deploy.files import read_toml
from fer_deploy.frozen import Frozen, Unknown
from fer_deploy.quantize.costs import GraphCosts

Precision = Literal["float", "int8"]

#: Runtimes whose kernels are the same library: one family of cost terms each.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {"ncnn": "ncnn", "TFLite": "TFLite", "XNNPACK": "XNNPACK", "ExecuTorch XNNPACK": "XNNPACK"}
)
_INT8 = ("int8", "uint8", "w8a8")
_FLOAT = ("fp32", "fp32/fp16 auto")


class CalibrationDevice(Frozen):
    """A phone or board that rows were measured on."""

    name: str
    family: str = Field(description="SoC; devices of one family are left out together in validation")
    socs: tuple[str, ...] = Field(default=(), description="names of the SoC for which its rows speak")
    rows: tuple[str, ...]
    cores: tuple[CoreCluster, ...]
    source: str


@dataclass(frozen=True)
class CalibrationRow:
    """One published CPU latency.

    Attributes:
        number: 1-based row in the file, for citing.
        model: as published.
        architecture: what is left out together in validation.
        costs: the network's operators.
        device: where it was measured.
        runtime: family of kernels.
        processor: which cores, in the source's words.
        threads: number of threads.
        precision: float (fp32, or fp16 where the runtime chooses it) or int8.
        milliseconds: the published latency, batch 1.
        source: repository, commit and path.
    """

    number: int
    model: str
    architecture: str
    costs: GraphCosts
    device: CalibrationDevice
    runtime: str
    processor: str
    threads: int
    precision: Precision
    milliseconds: float
    source: str

    @functools.cached_property
    def amounts(self) -> NDArray[np.float64]:
        """What the network asks of a device: float64 (8,), see :mod:`~.workload`; apart for every number of threads."""
        return workload(self.costs, threads=self.threads, precision=self.precision)

    @functools.cached_property
    def macs(self) -> int:
        """Multiply-accumulates of the network."""
        return self.costs.macs

    @property
    def group(self) -> tuple[str, str, str, int, Precision]:
        """Rows of one group differ in the network only."""
        return (self.device.name, self.runtime, self.processor, self.threads, self.precision)


@dataclass(frozen=True)
class Unused:
    """A row that cannot be used, and why."""

    number: int
    model: str
    device: str
    reason: str


@functools.cache
def calibration_devices() -> tuple[CalibrationDevice, ...]:
    """Return the devices of the calibration rows."""
    return read_devices(DATA / "calibration_devices.toml")


def read_devices(path: Path) -> tuple[CalibrationDevice, ...]:
    """Return the devices of a file with the fields of ``calibration_devices.toml``.

    Raises:
        DataError: the file cannot be read, or is no such table.
    """
    table = read_toml(path, DataError, "table of calibration devices")
    try:
        return tuple(CalibrationDevice.model_validate(device) for device in table["device"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"table of calibration devices {path} is not valid: {error}") from error


@functools.cache
def calibration_rows() -> tuple[CalibrationRow, ...]:
    """Return the usable rows of the shipped file."""
    return read_rows(DATA / "cpu_rows.csv")[0]


def read_rows(
    path: Path, devices: Sequence[CalibrationDevice] = ()
) -> tuple[tuple[CalibrationRow, ...], tuple[Unused, ...]]:
    """Return the CPU rows of a csv file with the columns of ``cpu_rows.csv``, and those that cannot be used.

    Rows of a ``verified`` column, where there is one, count when it says ``read``.

    Args:
        path: the file.
        devices: what rows may be of, beside the calibration devices.

    Raises:
        DataError: the file cannot be read, or a column is missing.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"latency rows {path} cannot be read: {error}") from error
    reader = csv.DictReader(io.StringIO(text))
    needed = {
        "model",
        "input_px",
        "device",
        "processor",
        "runtime",
        "threads",
        "precision",
        "latency_ms",
        "source",
    }
    missing = sorted(needed - set(reader.fieldnames or ()))
    if missing:
        raise DataError(f"latency rows {path} have no column '{missing[0]}'")
    rows: list[CalibrationRow] = []
    unused: list[Unused] = []
    for number, cells in enumerate(reader, start=1):
        parsed = _row(number, cells, (*calibration_devices(), *devices))
        if isinstance(parsed, CalibrationRow):
            rows.append(parsed)
        else:
            unused.append(Unused(number, cells["model"] or "", cells["device"] or "", parsed.reason))
    return tuple(rows), tuple(unused)


def _row(
    number: int, cells: Mapping[str, str], devices: Sequence[CalibrationDevice]
) -> CalibrationRow | Unknown:
    """Return the row, or why it is not used."""
    if cells.get("verified", "read") != "read":
        return Unknown(reason=f"its figure was not read at the source ({cells['verified']})")
    if not cells["processor"].startswith("CPU"):
        return Unknown(reason=f"measured on {cells['processor']}, not on the CPU")
    runtime = FAMILIES.get(cells["runtime"])
    if runtime is None:
        return Unknown(reason=f"runtime '{cells['runtime']}' is not among {', '.join(FAMILIES)}")
    precision: Precision
    if cells["precision"] in _INT8:
        precision = "int8"
    elif cells["precision"] in _FLOAT:
        precision = "float"
    else:
        return Unknown(reason=f"precision '{cells['precision']}' is neither float nor int8")
    device = next((one for one in devices if cells["device"] in one.rows), None)
    if device is None:
        return Unknown(reason="its device is not in calibration_devices.toml")
    threads = _threads(cells["threads"], device)
    if threads is None:
        return Unknown(reason="its number of threads is not stated")
    try:
        costs = network(cells["model"], int(cells["input_px"]))
        milliseconds = float(cells["latency_ms"])
    except ValueError as error:
        return Unknown(reason=f"a figure is not a number: {error}")
    name = architecture(cells["model"])
    if costs is None or name is None:
        return Unknown(reason=f"no layer table of {cells['model']}")
    return CalibrationRow(
        number,
        cells["model"],
        name,
        costs,
        device,
        runtime,
        cells["processor"],
        threads,
        precision,
        milliseconds,
        cells["source"],
    )


def _threads(text: str, device: CalibrationDevice) -> int | None:
    if text == "all_big":
        big = device.cores[0].microarchitecture
        clock = device.cores[0].max_ghz
        return sum(c.count for c in device.cores if (c.microarchitecture, c.max_ghz) == (big, clock))
    return int(text) if text.isdigit() and int(text) > 0 else None
