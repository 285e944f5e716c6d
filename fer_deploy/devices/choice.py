"""Which device a name stands for where that depends on what is attached: ``pixel`` is the Pixel on the desk."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from fer_deploy.devices.attached import READY, matching, properties_of
from fer_deploy.devices.profile import Resolved, load_profiles, resolve
from fer_deploy.devices.profile_schema import DeviceProfile, Match, Source
from fer_deploy.devices.runners.job import runners_of
from fer_deploy.devices.transports.adb import Attached, attached_devices, choose, remedy
from fer_deploy.devices.transports.devicectl import ConnectedIphone, connected_iphones
from fer_deploy.errors import DeviceError
from fer_deploy.targets.base import Runner
from fer_deploy.targets.registry import target_names

ANY_PHONE = "android"
#: Names of phones of one maker, and what Android calls that maker (ro.product.manufacturer); "": any maker's.
FAMILIES: Mapping[str, str] = {"pixel": "Google", "galaxy": "samsung", ANY_PHONE: ""}
IPHONE = "iphone"
#: Names that stand for whatever phone is there.
FAMILY_NAMES = (*FAMILIES, IPHONE)
_MAKER, _MODEL, _RELEASE = "ro.product.manufacturer", "ro.product.model", "ro.build.version.release"
#: Android 12 and later say the first two, all the last.
_SOC = ("ro.soc.manufacturer", "ro.soc.model", "ro.board.platform")
_SAYS = "what the phone says of itself (getprop)"


def chosen(asked: str, address: str | None = None) -> Resolved:
    """Return the profile that a name stands for now; a family's name stands for the phone of it that is attached.

    A phone without a profile gets one of what it says of itself, under a name made of its maker and model, which stands
    for it as long as it is attached.

    Args:
        asked: as :func:`fer_deploy.devices.profile.resolve` takes it; or ``pixel``, ``galaxy``, ``android`` or
            ``iphone``.
        address: serial number of the phone that is meant; None takes ANDROID_SERIAL, else the only one of the family.

    Raises:
        DeviceError: there is no such device; or phones are attached and none can be taken for it.
    """
    wanted = address or os.environ.get("ANDROID_SERIAL") or None
    if asked in FAMILIES:
        phone = _of_family(asked, wanted)
        if phone is not None:
            return phone
        if asked == ANY_PHONE:
            raise DeviceError("no phone is attached; plug one in with USB debugging on, or run adb connect")
        return resolve(asked)
    if asked == IPHONE:
        iphones = _connected(address)
        if len(iphones) == 1:
            found = chosen_iphone(asked, iphones[0].machine, "iOS")
            profile = found.profile.model_copy(update={"address": iphones[0].identifier})
            return Resolved(asked, profile, iphones[0].identifier)
    try:
        return resolve(asked)
    except DeviceError:
        for one in _attached():
            if one.state == "device" and wanted in (None, one.serial):
                profiles = load_profiles()
                profile = _profile(one, _properties(one, profiles), profiles)
                if profile.name == asked:
                    return Resolved(asked, profile, one.serial)
        raise


def chosen_iphone(asked: str, identifier: str, system: str) -> Resolved:
    """Return the profile of an iPhone that says what it is; ``iphone`` stands for any.

    Args:
        asked: a name of a profile, the path of one, or ``iphone``.
        identifier: the phone's hw.machine, e.g. ``iPhone16,1``.
        system: its system, e.g. ``iOS 17.5.1``.

    Raises:
        DeviceError: there is no such device, or the phone is another.
    """
    own = next((one for one in load_profiles() if identifier in one.match.apple_model), None)
    if asked != IPHONE:
        named = resolve(asked)
        accepted = named.profile.match.apple_model
        if identifier not in accepted:
            is_it = (
                f"{own.market_name}: --device {own.name}"
                if own
                else f"none with a profile: --device {IPHONE}"
            )
            raise DeviceError(
                f"the phone is {identifier}, profile '{named.profile.name}' wants {' or '.join(accepted) or 'none'}; "
                f"it is {is_it}"
            )
        return named
    if own is None:
        own = DeviceProfile(
            name=_slug(identifier),
            market_name=f"Apple {identifier}",
            soc="not known",
            os=system,
            transport="devicectl",
            targets=_run_by(Runner.IOS_DEMO),
            match=Match(apple_model=(identifier,)),
            sources=(Source(figures=("soc",), where="none: the phone does not say"),),
        )
    return Resolved(asked, own, identifier)


def profile_of(properties: Mapping[str, str], serial: str) -> DeviceProfile:
    """Return a profile of what a phone says of itself: nothing of its cores and accelerators, so nothing is estimated.

    Args:
        properties: Android's system properties, those that are set.
        serial: its serial number.
    """
    maker, model = (_line(properties.get(name, "")) for name in (_MAKER, _MODEL))
    soc = [_line(properties.get(name, "")) for name in _SOC]
    market = model if model.lower().startswith(maker.lower()) else f"{maker} {model}"
    return DeviceProfile(
        name=_slug(f"{maker} {model}") or "phone-of-no-name",
        market_name=market.strip().capitalize() if market.islower() else market.strip() or "phone of no name",
        soc=" ".join(part for part in soc[:2] if part) or soc[2] or "not known",
        os=f"Android {_line(properties.get(_RELEASE, ''))}".strip(),
        transport="adb",
        address=serial,
        targets=_run_by(Runner.CPP, Runner.ANDROID_DEMO),
        match=Match(getprop={_MODEL: (model,)} if model else {}),
        sources=(Source(figures=("soc",), where=_SAYS),),
    )


def _of_family(asked: str, wanted: str | None) -> Resolved | None:
    """Return the attached phone of a family; None where no phone is attached."""
    phones = [one for one in _attached() if not one.is_phantom]
    if not phones:
        return None
    if wanted is not None:
        serial = choose(tuple(phones), wanted)
        phones = [one for one in phones if one.serial == serial]
    usable = [one for one in phones if one.state == "device"]
    if not usable:
        said = "; ".join(f"phone {one.serial} is {one.state}: {remedy(one.state)}" for one in phones)
        raise DeviceError(f"device '{asked}' is the phone attached, which cannot be used: {said}")
    profiles = load_profiles()
    said_by = [(one, _properties(one, profiles)) for one in usable]
    found = [(one, _profile(one, properties, profiles)) for one, properties in said_by]
    of_it = [
        one
        for one, (_, properties) in zip(found, said_by, strict=True)
        if FAMILIES[asked].lower() in ("", properties.get(_MAKER, "").lower())
    ]
    if len(of_it) == 1:
        ((one, profile),) = of_it
        return Resolved(asked, profile, one.serial)
    shown = ", ".join(f"{one.serial}: {profile.market_name}" for one, profile in of_it or found)
    if of_it:
        raise DeviceError(
            f"{len(of_it)} phones that '{asked}' may stand for are attached ({shown}); choose one by --address or "
            "ANDROID_SERIAL"
        )
    raise DeviceError(
        f"no {asked.capitalize()} is attached, but {shown}; --device {ANY_PHONE} takes the phone that is attached, and "
        "unplugged, the figures are estimates"
    )


def _attached() -> tuple[Attached, ...]:
    try:
        return attached_devices()
    except DeviceError:  # no client: no phone can be attached
        return ()


def _connected(address: str | None) -> tuple[ConnectedIphone, ...]:
    try:
        found = connected_iphones()
    except DeviceError:  # no Mac, or no Xcode: no iPhone can be connected
        return ()
    return tuple(one for one in found if address in (None, one.identifier))


def _properties(phone: Attached, profiles: tuple[DeviceProfile, ...]) -> dict[str, str]:
    """Return what tells a phone's profile and maker, as it says it.

    Raises:
        DeviceError: it does not answer.
    """
    keys = {_MAKER, _MODEL, _RELEASE, *_SOC, *(key for one in profiles for key in one.match.getprop)}
    properties, state = properties_of(phone.serial, sorted(keys))
    if state != READY:
        raise DeviceError(f"phone {phone.serial} {state}")
    return properties


def _profile(
    phone: Attached, properties: dict[str, str], profiles: tuple[DeviceProfile, ...]
) -> DeviceProfile:
    found = matching(properties, profiles)
    if found is None:
        return profile_of(properties, phone.serial)
    return found.model_copy(update={"address": phone.serial})


def _run_by(*runners: Runner) -> tuple[str, ...]:
    return tuple(name for name in target_names() if runners_of(name) & set(runners))


def _slug(text: str) -> str:
    """Return text as a profile's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].strip("-")


def _line(text: str) -> str:
    """Return text as a profile may hold it: one line without control characters."""
    return "".join(letter for letter in text.strip() if letter.isprintable())[:100]
