"""What is known of a device before anything runs on it: the schema of a profile file."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from fer_deploy.errors import DeviceError
from fer_deploy.files import read_toml
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.targets.registry import target_names

#: A name that is safe as a file name, a shell word and a command-line value.
NAME_PATTERN = r"^[a-z0-9][a-z0-9.-]{0,63}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
#: Printed text: no control characters, so that a profile cannot steer a terminal.
Text = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]

Transport = Literal["host", "adb", "devicectl", "ssh", "browser", "emulated", "estimated"]

#: A serial number of adb, an ssh host, user@host or alias; nothing that a client could take for an option.
#: A phone found over Wi-Fi has one like ``adb-2A1 (2)._adb-tls-connect._tcp``.
Address = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:@() -]{0,253}$")]

#: Figures that need a source wherever a profile states them.
SOURCED = ("soc", "cores", "memory_bandwidth_gb_s", "accelerators", "sram_bytes", "flash_bytes")
_CPUINFO = Path("/proc/cpuinfo")
#: Figures filled in from the machine at hand need none.
AUTO = "auto"


class CoreCluster(Frozen):
    """Cores of one kind."""

    count: int = Field(ge=1, le=256)
    microarchitecture: Text = Field(
        description="e.g. Cortex-X3; the estimator's device terms are keyed by it"
    )
    max_ghz: float | None = Field(default=None, gt=0, le=10, description="None: no public source")
    features: tuple[Literal["dotprod", "i8mm"], ...] = Field(
        default=(), description="instruction set extensions that int8 kernels use"
    )


class Accelerator(Frozen):
    """An NPU or a GPU and the runtimes' names for what drives it."""

    kind: Literal["npu", "gpu"]
    name: Text
    delegates: tuple[Text, ...] = Field(default=(), description="e.g. qnn, coreml, vulkan, ethos-u55-128")
    clock_mhz: float | None = Field(
        default=None,
        gt=0,
        le=10_000,
        description="turns the cycles that a compiler estimates into time; None: no public source",
    )


class Match(Frozen):
    """How an attached device is recognised as this profile: any of the values of every key given."""

    getprop: Mapping[Text, tuple[Text, ...]] = Field(
        default_factory=dict, description="adb: property name to accepted values, e.g. ro.product.model"
    )
    apple_model: tuple[Text, ...] = Field(
        default=(), description="iOS: accepted hw.machine identifiers, e.g. iPhone16,1"
    )
    device_tree_model: tuple[Text, ...] = Field(
        default=(), description="ssh: accepted beginnings of /proc/device-tree/model"
    )


class Budgets(Frozen):
    """Limits that hold on this device unless the user's configuration says otherwise; None: no limit."""

    accuracy_drop_points: float | None = Field(default=None, ge=0, le=100)
    p90_ms: float | None = Field(default=None, gt=0)
    size_bytes: int | None = Field(default=None, gt=0)
    peak_memory_bytes: int | None = Field(default=None, gt=0)
    sram_bytes: int | None = Field(default=None, gt=0, description="that an NPU's compiler plans to use")
    flash_bytes: int | None = Field(default=None, gt=0, description="likewise")


class Source(Frozen):
    """Where figures of a profile come from."""

    figures: tuple[Text, ...] = Field(min_length=1, description="keys of the profile")
    where: Text = Field(description="repository and path, or address")


class DeviceProfile(Frozen):
    """One device: what it is made of, what it runs and how it is reached. ``auto`` is read from the machine itself."""

    name: Name
    market_name: Text
    aliases: tuple[Name, ...] = ()
    soc: Text
    os: Text
    transport: Transport = Field(
        description="how artifacts get there; estimated: only estimates are possible"
    )
    address: Address | None = Field(
        default=None,
        description="of your own device: the ssh host or the phone's serial number, where --address says none",
    )
    cores: tuple[CoreCluster, ...] = Field(default=(), description="fastest first; empty: not known")
    memory_bandwidth_gb_s: float | None = Field(default=None, gt=0, le=10_000)
    sram_bytes: int | None = Field(default=None, gt=0, description="of a microcontroller; None: no source")
    flash_bytes: int | None = Field(default=None, gt=0, description="of a microcontroller; None: no source")
    accelerators: tuple[Accelerator, ...] = ()
    targets: tuple[Name, ...] = Field(min_length=1, description="``auto`` alone: every target there is")
    delegates: Mapping[Name, tuple[Text, ...]] = Field(
        default_factory=dict, description="per target: what its graph can be handed to on this device"
    )
    qemu_cpu: Name | None = Field(
        default=None, description="-cpu of qemu-aarch64 nearest to the big core; None: not to be emulated"
    )
    match: Match = Match()
    budgets: Budgets = Budgets()
    sources: tuple[Source, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> DeviceProfile:
        stray = sorted(set(self.delegates) - set(self.targets))
        if stray and self.targets != (AUTO,):
            raise ValueError(f"delegates names '{stray[0]}', which is not in targets {list(self.targets)}")
        if self.name in self.aliases:
            raise ValueError(f"aliases repeats the name '{self.name}'")
        if self.address and self.transport not in ("adb", "devicectl", "ssh"):
            raise ValueError(
                f"address is for transport adb, devicectl or ssh, not {self.transport}; leave it out"
            )
        if self.address and self.transport == "ssh" and not re.fullmatch(r"[^() ]+", self.address):
            raise ValueError(f"address '{self.address}' is no ssh host; name one, user@host or an alias")
        known = set(type(self).model_fields)
        cited = {figure for source in self.sources for figure in source.figures}
        if cited - known:
            raise ValueError(f"sources cites '{min(cited - known)}', which is not a key of a profile")
        for figure in SOURCED:
            value = getattr(self, figure)
            if value and value != AUTO and figure not in cited:
                raise ValueError(
                    f'{figure} has no source; add [[sources]] with figures = ["{figure}"] and where, '
                    f"or leave {figure} out"
                )
        return self

    @property
    def core_count(self) -> int:
        """Number of cores of all clusters, 0 when not known."""
        return sum(cluster.count for cluster in self.cores)

    def sources_of(self, figure: str) -> tuple[str, ...]:
        """Return where the figure called ``figure`` (a key of the profile) comes from."""
        return tuple(source.where for source in self.sources if figure in source.figures)


def load_profile_file(path: Path) -> DeviceProfile:
    """Return the profile in a TOML file, with ``auto`` fields filled in.

    Raises:
        DeviceError: missing, not TOML, or a key is missing, unknown or out of range.
    """
    try:
        profile = DeviceProfile.model_validate(read_toml(path, DeviceError, "device profile"))
    except ValidationError as error:
        raise DeviceError(
            f"device profile {path} is not valid: {first_problem(error, DeviceProfile)}"
        ) from None
    return _filled(profile)


def _filled(profile: DeviceProfile) -> DeviceProfile:
    auto: dict[str, object] = {
        key: value()
        for key, value in (("soc", processor_name), ("os", lambda: platform.platform(terse=True)))
        if getattr(profile, key) == AUTO
    }
    if profile.targets == (AUTO,):
        auto["targets"] = target_names()
    return profile.model_copy(update=auto) if auto else profile


def _sysctl(name: str) -> str:
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def processor_name() -> str:
    """Return the host's processor as the system names it."""
    try:
        for line in _CPUINFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        if platform.system() == "Darwin" and (said := _sysctl("machdep.cpu.brand_string")):
            return said
    return platform.processor() or platform.machine()
