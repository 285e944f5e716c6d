"""A run's quantized graphs on devices whose NPU needs a program of its own: compiled, estimated and emulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.profile import DeviceProfile
from fer_deploy.errors import TargetError
from fer_deploy.files import sha256_of
from fer_deploy.frozen import Unknown
from fer_deploy.measure.compiled import compiled_delegates, compiled_runtime, missing_runtime
from fer_deploy.measure.figures import NpuFigures, RuntimeFigures
from fer_deploy.measure.npu import missing_npu, npu_figures
from fer_deploy.measure.parity import Logits
from fer_deploy.measure.subject import Inference
from fer_deploy.pipeline.artifacts import storable
from fer_deploy.pipeline.config import Config
from fer_deploy.pipeline.export import Exported, Graphs, write_artifact_of
from fer_deploy.pipeline.inputs import Inputs
from fer_deploy.pipeline.store import ANSWERS, Store, artifact_in, digest
from fer_deploy.progress import Stages, say
from fer_deploy.quantize.recipe import parse_recipe
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import Delegation
from fer_deploy.targets.proof import answers
from fer_deploy.targets.registry import get_target, target_class

_INTEGERS = "the NPU of {} computes in integers: quantized recipes have a program for it"


class Compiled:
    """The programs of a run for the NPUs of its devices: each made once, in ``<output>/<model>/npu/<delegate>/``."""

    def __init__(
        self,
        config: Config,
        inputs: Inputs,
        graphs: Graphs,
        store: Store,
        stages: Stages,
        made_from: Callable[[str, str], str],
    ) -> None:
        """Compile nothing yet; ``made_from`` gives the digest of what a target's artifact of a recipe depends on."""
        self._config, self._inputs, self._graphs = config, inputs, graphs
        self._folder = config.export.output / inputs.model.name / "npu"
        self._store, self._stages, self._made_from = store, stages, made_from
        self._made: dict[tuple[str, str, str], Artifact | Unknown] = {}

    def figures(
        self, exported: Sequence[Exported], device: DeviceProfile
    ) -> tuple[RuntimeFigures, ...] | None:
        """Return the figures of every artifact's graph, compiled for a device's NPUs; None where it needs no such."""
        if not any(compiled_delegates(device, target) for target in device.targets):
            return None
        found: list[RuntimeFigures] = []
        for made in exported:
            info = made.artifact.info
            delegates = compiled_delegates(device, info.target)
            if not delegates:
                found.append(
                    missing_runtime(made.artifact, f"{device.market_name} does not run {info.target}")
                )
            elif not parse_recipe(info.recipe).quantized:
                found.append(missing_runtime(made.artifact, _INTEGERS.format(device.market_name)))
            elif len(delegates) > 1:
                found.append(
                    missing_runtime(
                        made.artifact,
                        f"profile '{device.name}' names {len(delegates)} NPUs that programs are compiled for; make a "
                        "profile for each",
                        for_npu=True,
                    )
                )
            else:
                found.append(self._on(made.artifact, delegates[0], device))
        return tuple(found)

    def _on(self, artifact: Artifact, delegate: str, device: DeviceProfile) -> RuntimeFigures:
        program = self.program(artifact, delegate)
        if isinstance(program, Unknown):
            return missing_runtime(artifact, program.reason, for_npu=True)
        found = compiled_runtime(program, device)
        assert found is not None  # the device names its delegate
        return found

    def program(self, artifact: Artifact, delegate: str) -> Artifact | Unknown:
        """Return an artifact's graph as compiled for one NPU, or why it is not."""
        target, recipe = artifact.info.target, artifact.info.recipe
        key = (target, recipe, delegate)
        if key not in self._made:
            self._made[key] = self._compiled(target, recipe, delegate)
        return self._made[key]

    def on_npus(
        self,
        exported: Sequence[Exported],
        here: Mapping[str, Inference | Unknown],
        reference: Logits,
        chosen: NDArray[np.int64],
    ) -> dict[str, tuple[NpuFigures, ...]]:
        """Return, by artifact, the figures of what its programs answer where they are emulated; none of float ones.

        Args:
            exported: what was made.
            here: this machine's answers, by artifact.
            reference: the float model's logits (N, K).
            chosen: rows of the test images that are run.
        """
        devices = [one.profile for one in self._inputs.devices]
        found: dict[str, tuple[NpuFigures, ...]] = {}
        for made in exported:
            artifact = made.artifact
            if not parse_recipe(artifact.info.recipe).quantized:
                continue
            named = (compiled_delegates(device, artifact.info.target) for device in devices)
            delegates = dict.fromkeys(delegate for several in named for delegate in several)
            if delegates:
                found[artifact.key] = tuple(
                    self._emulated(artifact, delegate, here[artifact.key], reference, chosen)
                    for delegate in delegates
                )
        return found

    @property
    def wanted(self) -> bool:
        """Whether a device of the run has an NPU that programs are compiled for."""
        devices = (one.profile for one in self._inputs.devices)
        return any(compiled_delegates(device, target) for device in devices for target in device.targets)

    def _emulated(
        self,
        artifact: Artifact,
        delegate: str,
        here: Inference | Unknown,
        reference: Logits,
        chosen: NDArray[np.int64],
    ) -> NpuFigures:
        test, program = self._inputs.test, self.program(artifact, delegate)
        if isinstance(program, Unknown):
            return missing_npu(delegate, len(test), program.reason)
        if isinstance(here, Unknown):
            return missing_npu(delegate, len(test), here.reason)

        def run() -> Inference | Unknown:
            try:
                session = get_target(program.info.target).open(program.file, 1)
                return Inference(answers(session, test.pixels[chosen]), session.emulation)
            except TargetError as error:
                return Unknown(reason=str(error))

        name = f"{artifact.key}-on-{delegate}"
        with self._stages.stage(f"{artifact.key} on {delegate}"):
            say(f"{artifact.key} on {delegate}, emulated: {len(chosen):,} images")
            inputs = digest(
                file=sha256_of(program.folder), pixels=sha256(test.pixels[chosen].tobytes()).hexdigest()
            )
            given = self._store.once(ANSWERS, name, inputs, run)
        if isinstance(given, Unknown):
            return missing_npu(delegate, len(test), given.reason)
        scales = program.info.scales
        return npu_figures(
            delegate,
            given.logits,
            chosen,
            reference,
            here.logits,
            test,
            scales.activations[-1].scale if scales else None,
            given.emulation or "an emulation",
        )

    def _compiled(self, target: str, recipe: str, delegate: str) -> Artifact | Unknown:
        options = target_class(target).npu_options(delegate)
        assert options is not None  # else the delegate is none of these
        section = self._config.export
        chosen = section.model_copy(update={"options": {**section.options, target: options}})
        root = self._folder / delegate

        def lower() -> tuple[Artifact, Delegation] | Unknown:
            with self._stages.stage(f"compiling {target}-{recipe} for {delegate}"):
                return storable(
                    write_artifact_of(
                        self._inputs.model,
                        (target, recipe),
                        self._graphs,
                        self._inputs.calibration,
                        chosen,
                        root,
                    )
                )

        name = f"{target}-{recipe}-for-{delegate}"
        inputs = digest(made_from=self._made_from(target, recipe), delegate=delegate)
        made = self._store.once(artifact_in(root / f"{target}-{recipe}"), name, inputs, lower)
        return made if isinstance(made, Unknown) else made[0]
