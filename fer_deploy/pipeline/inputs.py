"""What a run works on: model, data sets, calibration set and devices, loaded and checked."""

from __future__ import annotations

from dataclasses import dataclass

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import open_dataset
from fer_deploy.devices.choice import FAMILIES, IPHONE, chosen, chosen_iphone
from fer_deploy.devices.profile import DeviceProfile, Resolved, load_profile
from fer_deploy.devices.transports.taken import TakenTransport
from fer_deploy.errors import ConfigError
from fer_deploy.files import require_writable_folder
from fer_deploy.model import Model, load_model
from fer_deploy.model.origin import Origin, read_model_files
from fer_deploy.pipeline.config import Config
from fer_deploy.pipeline.export import Plan, draw_calibration, plan_exports
from fer_deploy.progress import say
from fer_deploy.quantize.recipe import CalibrationSet

_IPHONES = "devicectl"


@dataclass(frozen=True)
class Inputs:
    """What a run works on, all of it checked before anything is written."""

    model: Model
    origin: Origin
    plan: Plan
    test: Faces
    calibration: CalibrationSet | None
    devices: tuple[Resolved, ...]
    taken: TakenTransport | None
    """What was taken on the iPhone among ``devices``."""

    def taken_on(self, device: DeviceProfile) -> TakenTransport | None:
        """Return what was taken on a device; None: it is timed now."""
        return self.taken if device.transport == _IPHONES else None


def load_inputs(config: Config) -> Inputs:
    """Return the run's inputs.

    Raises:
        FerDeployError: a model, dataset, target, recipe, device or the output folder is missing or unusable.
    """
    taken = TakenTransport(config.profile.results) if config.profile.results else None
    resolved = [_device(name, taken) for name in config.profile.devices]
    if taken is not None and not any(one.profile.transport == _IPHONES for one in resolved):
        raise ConfigError(
            "[profile] results are of an iPhone, and devices names none; add the iPhone's profile, or iphone"
        )
    for one in resolved:
        if one.notice is not None:
            say(one.notice)
    plan = plan_exports(config.export.targets, config.export.recipes)
    named = (config.model.path, config.model.contract, config.model.weights, config.model.name)
    model = load_model(*named)
    # at once: the files may be edited while the run goes on
    origin = read_model_files(*named).origin
    require_writable_folder(config.export.output)
    labels, spec = model.contract.labels, model.contract.input
    test = open_dataset(config.data, "test", labels, spec)
    calibration = draw_calibration(model, plan, config.data, config.quantize)
    return Inputs(model, origin, plan, test, calibration, tuple(resolved), taken)


def _device(asked: str, taken: TakenTransport | None) -> Resolved:
    """Return the device that is meant; an iPhone is the one that results were taken on, where there are any."""
    if taken is None or asked in FAMILIES or (asked != IPHONE and load_profile(asked).transport != _IPHONES):
        return chosen(asked)
    return chosen_iphone(asked, taken.identifier, taken.system)
