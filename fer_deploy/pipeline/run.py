"""``fer-deploy run``: model and data in; artifacts, figures and one report out."""

from __future__ import annotations

import dataclasses
import datetime
from functools import partial
from pathlib import Path

from fer_deploy.data.registry import at_hand
from fer_deploy.devices.paths import processor_paths
from fer_deploy.devices.profile import Resolved
from fer_deploy.errors import TargetError
from fer_deploy.forked import one_thread_each
from fer_deploy.frozen import Unknown
from fer_deploy.measure.diagnosis import explain_float_model
from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.measure.latency import all_runtime_figures, attached_device
from fer_deploy.measure.layer_times import with_layer_times
from fer_deploy.measure.parity import Logits, accuracy_figures, require_spread
from fer_deploy.measure.subject import Inference, float_inference
from fer_deploy.pipeline.artifacts import ArtifactWriter
from fer_deploy.pipeline.beside import Beside
from fer_deploy.pipeline.compiled import Compiled
from fer_deploy.pipeline.config import Config
from fer_deploy.pipeline.corrupted import corrupted_of
from fer_deploy.pipeline.export import Exported, Graphs
from fer_deploy.pipeline.inputs import load_inputs
from fer_deploy.pipeline.layer_noise import LayerComparer
from fer_deploy.pipeline.npu import on_npus
from fer_deploy.pipeline.store import ANSWERS, TIMINGS, Store, digest, only_run
from fer_deploy.pipeline.summaries import (
    artifact_report,
    between_targets,
    calibration_summary,
    dataset_summary,
    image_answers,
    model_summary,
    people_not_measured,
    run_warnings,
)
from fer_deploy.progress import Stages, say
from fer_deploy.quantize.fit import check_fit
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.report.schema import DeviceReport, MissingArtifact, Report
from fer_deploy.targets.artifact import tool_versions
from fer_deploy.views.write import write_views

#: What a second process is asked to do of the float model: its answers, and the search for known mistakes.
_FLOAT, _DIAGNOSIS = "float-model", "diagnosis"


def run(config: Config, command: str = "", fresh: bool = False) -> Report:
    """Do the whole job, as ``fer-deploy run`` does: artifacts, report.json, report.md and report.html are written.

    Args:
        config: what to do.
        command: printed in the report.
        fresh: reuse nothing of an earlier run.

    Raises:
        FerDeployError: an input is unusable, or no target takes the model.
    """
    return Run(config, command, fresh).report()


class Run:
    """One run: what it works on, what it may reuse, and where its time goes.

    What an earlier run completed from the same inputs is reused, and the report says what; see
    :mod:`fer_deploy.pipeline.store`.

    Attributes:
        stages: seconds by stage.
        views: the files of the report by format, once it is written.
    """

    def __init__(self, config: Config, command: str = "", fresh: bool = False) -> None:
        """Load and check every input; nothing is written yet. Arguments and errors as :func:`run`."""
        config = config.model_copy(update={"data": at_hand(config.data)})
        self._config, self._command = config, command
        self.stages = Stages()
        self.views: dict[str, Path] = {}
        with self.stages.stage("loading model and data"):
            self._inputs = load_inputs(config)
        self.folder = config.export.output / self._inputs.model.name
        self._store = Store(self.folder, fresh)
        # A factory is code, which may change while its weights do not.
        self._is_data = ":" not in self._inputs.model.source
        self._dataset = dataset_summary(self._inputs.test)
        self._graphs = Graphs(self._inputs.model, self._inputs.calibration, config.quantize, config.data)
        self._artifacts = ArtifactWriter(
            self._inputs, config, self._graphs, self._store, self.stages, self._is_data
        )
        self._compiled = Compiled(
            config, self._inputs, self._graphs, self._store, self.stages, self._artifacts.made_from
        )

    def report(self) -> Report:
        """Return the report, after everything is made, measured and written."""
        with only_run(self.folder), one_thread_each():
            report = self._measured()
            with self.stages.stage("writing the report"):
                self.views = write_views(report, self.folder)
            self._store.finish()
            return report

    def _measured(self) -> Report:
        model, test, calibration = self._inputs.model, self._inputs.test, self._inputs.calibration
        plain = float_graph(model)
        works = {_FLOAT: lambda: self._evaluated(plain), _DIAGNOSIS: lambda: explain_float_model(plain, test)}
        with Beside(test.pixels, works) as beside:
            with self.stages.stage("evaluating the float model"):
                self._ask_of_float(beside)
                if calibration is not None and not calibration.faces.drawn:
                    check_fit(model, calibration.faces, self._graphs.traced)
                self._artifacts.prepare(self._inputs.plan.pairs)
                reference = self._reference(beside)
                require_spread(reference, model.source)
            exported, missing = self._export(beside)
            found = {}
            # From the end: this process takes what the other, which began at the start, has not come to.
            for made in reversed(exported):
                with self.stages.stage(f"evaluating {made.artifact.key}"):
                    found[made.artifact.key] = self._answers_of(made, beside)
            answers = {made.artifact.key: found[made.artifact.key] for made in exported}
            diagnosis = None if test.drawn else beside.done(_DIAGNOSIS)
            assert diagnosis is None or isinstance(diagnosis, str)
        made_here = [made.artifact for made in exported]
        wanted = self._config.corruptions
        spoilt = corrupted_of(plain, self._inputs, made_here, wanted, self._store, self.stages)
        asked = self._config.profile
        npu = on_npus(exported, answers, reference, self._inputs, asked, self.stages, self._compiled)
        with self.stages.stage("comparing layers"):
            plainly = partial(self._graphs.of, "float")
            known = (self._dataset.sha256, self._store, self._is_data)
            comparer = LayerComparer(plainly, model.fixed_batch, test, *known)
            recipes = self._inputs.plan.recipes
            shared = comparer.graphs(
                recipes, self._graphs.of, lambda recipe: self._artifacts.made_from(None, recipe)
            )
            noise = {made.artifact.key: comparer.artifact(made) for made in exported}
        devices = [self._device_report(exported, device, comparer) for device in self._inputs.devices]
        with self.stages.stage("figures"):
            return Report(
                created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                command=self._command,
                versions=tool_versions(),
                model=model_summary(model, dataclasses.replace(plain, module=self._graphs.traced[0])),
                origin=self._inputs.origin,
                dataset=self._dataset,
                images=image_answers(reference, answers, test),
                calibration=calibration_summary(calibration, self._config.quantize.ptq.observer),
                float_accuracy=accuracy_figures(reference, test, model.contract.confidence),
                float_corrupted=spoilt.get(None),
                graphs=shared,
                artifacts=tuple(
                    artifact_report(
                        made,
                        reference,
                        answers[made.artifact.key],
                        test,
                        plain,
                        noise[made.artifact.key],
                        spoilt.get(made.artifact.key),
                        npu.get(made.artifact.key, ()),
                    )
                    for made in exported
                ),
                between_targets=between_targets(exported, answers),
                devices=tuple(devices),
                warnings=(
                    *people_not_measured(model, test),
                    *run_warnings(self._inputs.plan, calibration, exported, missing),
                ),
                missing=tuple(missing),
                diagnosis=diagnosis,
                reused=tuple(self._store.reused),
            )

    def _evaluated(self, plain: Graph) -> Inference:
        return float_inference(plain, self._inputs.test.pixels, "evaluating the float model")

    def _ask_of_float(self, beside: Beside) -> None:
        """Let ``beside`` do what is asked of the float model alone, as far as it is not known."""
        if not self._store.has(ANSWERS, _FLOAT, self._float_from(), self._is_data):
            beside.ask_work(_FLOAT)
        if not self._inputs.test.drawn:
            beside.ask_work(_DIAGNOSIS)

    def _float_from(self) -> str:
        """Return the digest of everything that the float model's answers depend on."""
        model = self._inputs.model
        return digest(
            weights=model.weights_sha256, contract=model.contract.sha256, images=self._dataset.sha256
        )

    def _reference(self, beside: Beside) -> Logits:
        """Return the float model's logits on the test images."""

        def answer() -> Inference:
            answers = beside.done(_FLOAT)
            assert isinstance(answers, Inference)
            return answers

        answers = self._store.once(ANSWERS, _FLOAT, self._float_from(), answer, self._is_data)
        assert isinstance(answers, Inference)
        return answers.logits

    def _export(self, beside: Beside) -> tuple[list[Exported], list[MissingArtifact]]:
        """Return the artifacts of the plan, and those that could not be made; ``beside`` evaluates each meanwhile.

        Raises:
            TargetError: none could be made.
        """

        def ask(made: Exported) -> None:
            if not self._store.has(ANSWERS, made.artifact.key, self._answers_from(made)):
                beside.ask(made.artifact)

        made = self._artifacts.all_of(self._inputs.plan.pairs, ask)
        exported = [one for one in made if isinstance(one, Exported)]
        missing = [one for one in made if isinstance(one, MissingArtifact)]
        if not exported:
            reasons = dict.fromkeys(artifact.reason for artifact in missing)
            raise TargetError(f"no artifact could be made: {'; '.join(reasons)}")
        return exported, missing

    def _answers_from(self, made: Exported) -> str:
        """Return the digest of everything that an artifact's answers depend on."""
        return digest(file=made.artifact.info.sha256, images=self._dataset.sha256)

    def _answers_of(self, made: Exported, beside: Beside) -> Inference | Unknown:
        """Return the artifact's answers to the test images, or why this machine cannot give them."""
        artifact = made.artifact
        return self._store.once(
            ANSWERS, artifact.key, self._answers_from(made), lambda: beside.answers(artifact)
        )

    def _device_report(
        self, exported: list[Exported], resolved: Resolved, comparer: LayerComparer
    ) -> DeviceReport:
        device = resolved.profile
        timing = self._config.profile.timing
        artifacts = [made.artifact for made in exported]
        taken = self._inputs.taken_on(device)
        if taken is not None:
            taken.require_about(artifacts)

        def measure() -> tuple[RuntimeFigures, ...]:
            compiled = self._compiled.figures(exported, device)
            if compiled is not None:
                return compiled
            with self.stages.stage(f"timing on {device.market_name}"):
                say(f"timing {len(artifacts)} artifacts on {device.market_name}")
                figures = all_runtime_figures(artifacts, device, timing, taken=taken)
            with self.stages.stage(f"profiling layers on {device.market_name}"):
                return with_layer_times(figures, artifacts, device, timing, comparer.names())

        inputs = digest(
            files={artifact.key: artifact.info.sha256 for artifact in artifacts},
            device=device.model_dump(mode="json"),
            protocol=timing.model_dump(mode="json"),
            taken=taken.digests if taken else {},
        )
        figures = self._store.once(TIMINGS, device.name, inputs, measure)
        assert not isinstance(figures, Unknown)
        return DeviceReport(
            name=device.name,
            market_name=device.market_name,
            soc=device.soc,
            os=device.os,
            transport=device.transport,
            asked=resolved.asked if resolved.serial is not None else None,
            attached=taken.there() if taken else attached_device(device),
            paths=processor_paths(device),
            figures=figures,
        )
