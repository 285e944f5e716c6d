"""From a device profile to the transport that reaches the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_deploy.devices.profile import DeviceProfile
from fer_deploy.devices.transports.base import Transport
from fer_deploy.errors import DeviceError

if TYPE_CHECKING:
    from fer_deploy.devices.transports.emulated import EmulatedTransport


def open_transport(profile: DeviceProfile, address: str | None = None) -> Transport:
    """Return the transport of a device profile; nothing is contacted yet.

    Args:
        profile: the device.
        address: which one it is: for ssh a host, user@host or alias of the ssh configuration; for adb a
            serial number, needed only when several phones are attached. None takes the profile's own.

    Raises:
        DeviceError: ssh without an address, an address where none applies, or a profile that no
            transport of this machine can reach.
    """
    address = address or profile.address
    match profile.transport:
        case "host":
            from fer_deploy.devices.transports.host import HostTransport

            _refuse_address(profile, address)
            return HostTransport()
        case "browser":
            from fer_deploy.devices.transports.browser import BrowserTransport

            _refuse_address(profile, address)
            return BrowserTransport()
        case "adb":
            from fer_deploy.devices.transports.adb import AdbTransport

            return AdbTransport(address, profile)
        case "devicectl":
            from fer_deploy.devices.transports.devicectl import DevicectlTransport

            return DevicectlTransport(address, profile)
        case "ssh":
            from fer_deploy.devices.transports.ssh import SshTransport

            if address is None:
                raise DeviceError(
                    f"{profile.market_name} is reached by ssh; say which one it is with --address "
                    "or by 'address' in a profile of your own: a host, user@host or an alias of ~/.ssh/config"
                )
            return SshTransport(address, profile=profile)
        case "emulated":
            _refuse_address(profile, address)
            return open_emulated(profile)
        case "estimated":
            raise DeviceError(
                f"nothing here can reach {profile.market_name}; its figures can only be estimated"
            )


def open_emulated(profile: DeviceProfile) -> EmulatedTransport:
    """Return an emulation of the profile's processor, whatever its own transport is.

    Raises:
        DeviceError: the profile names no processor model for qemu.
    """
    from fer_deploy.devices.transports.emulated import EmulatedTransport

    if profile.qemu_cpu is None:
        raise DeviceError(
            f"profile '{profile.name}' names no qemu_cpu, so {profile.market_name} is not emulated"
        )
    return EmulatedTransport(profile.qemu_cpu)


def _refuse_address(profile: DeviceProfile, address: str | None) -> None:
    if address is not None:
        raise DeviceError(f"{profile.market_name} has no address; leave --address out")
