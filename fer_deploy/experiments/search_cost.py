"""What a candidate of a search costs before it is trained, and which of the search's limits that breaks."""

from __future__ import annotations

from pathlib import Path

from fer_deploy.contract import Contract, TrainedOn
from fer_deploy.data.faces import Faces
from fer_deploy.devices.profile import load_profile
from fer_deploy.experiments.search_schema import Candidate, SearchSpec
from fer_deploy.experiments.study import host_latencies, int8_artifact
from fer_deploy.frozen import Frozen
from fer_deploy.measure.estimate import estimated_latency
from fer_deploy.measure.measurement import Measurement, Unit, measured
from fer_deploy.model import Model, count_parameters
from fer_deploy.pipeline.export import calibration_for
from fer_deploy.quantize.costs import graph_costs
from fer_deploy.quantize.ptq import float_graph

_CALIBRATION_IMAGES = 64


class CandidateCost(Frozen):
    """A candidate's costs; None for what the search has no use of."""

    parameters: Measurement
    macs: Measurement
    latency: Measurement | None = None
    estimate: Measurement | None = None

    def excess(self, spec: SearchSpec) -> dict[str, float]:
        """Return each limit of the search, and by what share of it the candidate is above (negative: below).

        That there is no estimate to go by counts as one more limit, which is broken.
        """
        limits = spec.limits
        pairs = {
            "parameters": (self.parameters, limits.parameters),
            "macs": (self.macs, limits.macs),
            "latency_ms": (self.latency, limits.latency_ms),
            "estimate_ms": (self.estimate, limits.estimate_ms),
        }
        found = {
            name: figure.value / limit - 1
            for name, (figure, limit) in pairs.items()
            if limit is not None and figure is not None and figure.value is not None
        }
        # An objective that is not known can be neither good nor bad: the network is outside of what was published.
        return found | ({"no estimate": 1.0} if self.estimate is not None and not self.estimate.known else {})


def candidate_cost(spec: SearchSpec, candidate: Candidate, training: Faces, folder: Path) -> CandidateCost:
    """Return what a candidate costs; the latency on this machine only where the search limits it.

    Args:
        spec: the search.
        candidate: one point of its space.
        training: the faces that it would be trained on.
        folder: gets the untrained artifact that is timed.
    """
    model = _untrained(spec, candidate, training)
    parameters = measured(count_parameters(model.network), Unit.COUNT)
    costs = graph_costs(float_graph(model))
    cost = CandidateCost(parameters=parameters, macs=measured(costs.macs, Unit.COUNT))
    if (asked := spec.estimate) is not None:
        estimate = estimated_latency(
            load_profile(asked.profile), costs, asked.precision, asked.target, asked.threads
        )
        cost = cost.model_copy(update={"estimate": estimate})
    # the one cost that takes long: not where another limit is broken already
    if spec.limits.latency_ms is not None and not any(over > 0 for over in cost.excess(spec).values()):
        artifact = folder / "untrained"
        int8_artifact(model, calibration_for(training, _CALIBRATION_IMAGES, 0), artifact)
        cost = cost.model_copy(update={"latency": host_latencies([artifact], spec.timing)[0]})
    return cost


def _untrained(spec: SearchSpec, candidate: Candidate, training: Faces) -> Model:
    """Return the candidate with drawn weights: what it costs does not depend on them."""
    import torch

    torch.manual_seed(spec.seed)
    form = spec.recipe(candidate).input
    network = candidate.architecture.build(len(training.labels), form.channels).eval()
    contract = Contract(labels=training.labels, input=form, trained_on=TrainedOn(dataset="nothing"))
    return Model(candidate.label, candidate.label, network, contract, weights_sha256="0" * 64)
