"""What an artifact answers on an emulated NPU: against this machine, step by step, and against the float model.

A run of all test images takes long. The images whose two best classes the float model puts closest are run first: a
logit that moves by a little changes the class of those alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fer_deploy.data.faces import Faces
from fer_deploy.devices.transports.htp import EMULATION, HtpTransport
from fer_deploy.errors import DeviceError
from fer_deploy.frozen import Frozen
from fer_deploy.measure.counted import NO_PEOPLE, proportion
from fer_deploy.measure.figures import Flip, NpuFigures
from fer_deploy.measure.measurement import Measurement, Unit, as_emulated, measured, not_measured
from fer_deploy.measure.parity import Logits
from fer_deploy.targets.artifact import Artifact

#: Pictures on which steps are compared: a step's share is over thousands of values a picture.
STEP_PICTURES = 4
#: Images that are not run count as unchanged when their margin is so many times the largest shift seen.
SAFETY = 2.0


class NpuStep(Frozen):
    """One step of a quantized graph on an NPU, against this machine; shares are of the values of its output."""

    name: str = Field(description="the module's path in the float model, or the operation")
    operators: tuple[str, ...]
    alone: float = Field(description="share that differs when the step is fed with this machine's values")
    lean: float = Field(description="mean difference then, in output steps: rounding that leans to one side")
    together: float = Field(description="share that differs with all steps before it on the NPU as well")
    largest: int = Field(description="largest difference then, in output steps")


class NpuParity(Frozen):
    """An artifact's logits on an emulated NPU against those of this machine."""

    artifact: str
    npu: str
    activations: int = Field(description="bits")
    images: int
    identical: Measurement = Field(
        description="share of the images whose logits are the same to the last bit"
    )
    same_class: Measurement = Field(description="share of the images with the same most probable class")
    difference: Measurement = Field(description="largest difference of a logit")
    output_steps: float | None = Field(
        description="the same in steps of the output's scale; None of a float graph"
    )
    not_taken: tuple[str, ...] = Field(
        description="nodes that the NPU leaves to the CPU; figures are missing then"
    )
    steps: tuple[NpuStep, ...] = Field(default=(), description="of a quantized graph, in order")


def closest_calls(reference: Logits, count: int) -> NDArray[np.int64]:
    """Return the rows of the ``count`` images whose two best of the logits (N, K) are closest, closest first."""
    order: NDArray[np.int64] = np.argsort(margins(reference), kind="stable")[:count].astype(np.int64)
    return order


def margins(logits: Logits) -> NDArray[np.float64]:
    """Return by how much each image's best logit is above the next."""
    best = np.sort(logits.astype(np.float64), axis=1)[:, -2:]
    distance: NDArray[np.float64] = best[:, 1] - best[:, 0]
    return distance


def npu_figures(
    npu: str,
    answers: Logits,
    chosen: NDArray[np.int64],
    reference: Logits,
    here: Logits,
    faces: Faces,
    output_step: float | None = None,
    emulation: str = EMULATION,
) -> NpuFigures:
    """Return how an NPU's logits compare with the float model's.

    Args:
        npu: its name.
        answers: its logits (n, K) of the images ``chosen``.
        chosen: rows of the test images, :func:`closest_calls`.
        reference: the float model's logits (N, K) of all test images.
        here: this machine's of the same artifact.
        faces: the N test images.
        output_step: the scale of the quantized logits.
        emulation: what computed them.
    """
    change = answers.astype(np.float64) - reference[chosen]
    shift = float((change.max(axis=1) - change.min(axis=1)).max())
    rest = np.setdiff1d(np.arange(len(faces)), chosen)
    margin = float(margins(reference)[rest].min()) if len(rest) else None
    classes = reference.argmax(axis=1)
    classes[chosen] = answers.argmax(axis=1)
    changed = np.flatnonzero(classes != reference.argmax(axis=1))
    conditions = {"images run": f"{len(chosen):,}"}
    why = _too_few(margin, shift, reference)
    if len(rest):
        conditions["others"] = (
            f"taken as unchanged: margin at least {margin:.2f}, largest shift seen {shift:.2f}"
        )
    agreement = proportion(classes == reference.argmax(axis=1), conditions)
    accuracy = proportion(classes == faces.targets, conditions)
    if faces.drawn:
        accuracy = not_measured(Unit.FRACTION, NO_PEOPLE)
    if why is not None:
        agreement = not_measured(Unit.FRACTION, why)
        accuracy = accuracy if faces.drawn else agreement
    found = NpuFigures(
        npu=npu,
        images=len(chosen),
        of=len(faces),
        margin=margin,
        shift=shift,
        accuracy=accuracy,
        agreement=agreement,
        same_as_here=proportion(answers.argmax(axis=1) == here[chosen].argmax(axis=1)),
        max_logit_difference=measured(float(np.abs(change).max()), Unit.LOGITS, conditions=conditions),
        output_step=output_step,
        flips=tuple(_flip(row, faces, reference, classes) for row in changed),
    )
    return as_emulated(found, emulation)


def _too_few(margin: float | None, shift: float, reference: Logits) -> str | None:
    """Return why images that were not run cannot be taken as unchanged, and how many must be run; None: they can."""
    if margin is None or margin >= SAFETY * shift:
        return None
    needed = int((margins(reference) < SAFETY * shift).sum())
    return (
        f"logits moved by up to {shift:.2f} against each other, and images that were not run have a margin of "
        f"{margin:.2f} only; set npu_images = {needed} in [profile] and run again: what is answered is kept"
    )


def _flip(row: int, faces: Faces, reference: Logits, classes: NDArray[np.int64]) -> Flip:
    return Flip(
        row=int(faces.rows[row]),
        label=faces.labels[int(faces.targets[row])],
        reference=faces.labels[int(reference[row].argmax())],
        artifact=faces.labels[int(classes[row])],
    )


def missing_npu(npu: str, images: int, reason: str, not_taken: tuple[str, ...] = ()) -> NpuFigures:
    """Return figures that are all "not measured" for one reason."""
    gap = not_measured(Unit.FRACTION, reason)
    return NpuFigures(
        npu=npu,
        images=0,
        of=images,
        accuracy=gap,
        agreement=gap,
        same_as_here=gap,
        max_logit_difference=not_measured(Unit.LOGITS, reason),
        not_taken=not_taken,
    )


def npu_model(artifact: Artifact, activations: int) -> bytes:
    """Return what of an ONNX artifact is run on an NPU: its file, or the same graph with activations of 16 bits."""
    import onnx

    from fer_deploy.targets.onnx.sixteen import sixteen_bit

    content = artifact.file.read_bytes()
    if activations == 8:
        return content
    return bytes(sixteen_bit(onnx.load_from_string(content)).SerializeToString(deterministic=True))


def npu_parity(
    artifact: Artifact, transport: HtpTransport, pixels: NDArray[np.uint8], activations: int = 8
) -> NpuParity:
    """Return how an artifact's logits of uint8 pixels (N, C, H, W) differ between an emulated NPU and this machine.

    Both run the same graph; with ``activations`` of 16 bits it is :func:`npu_model`'s.

    Raises:
        DeviceError: something is missing to emulate, or a run failed.
    """
    obstacle = transport.obstacle(artifact.info.target)
    if obstacle:
        raise DeviceError(obstacle)
    model = npu_model(artifact, activations)
    left = transport.not_taken(model)
    conditions = {"images": len(pixels), "against": "this machine"}
    gap = f"{transport.device} leaves to the CPU: {', '.join(left)}"
    fraction = not_measured(Unit.FRACTION, gap)
    identical, same, difference, steps = fraction, fraction, not_measured(Unit.LOGITS, gap), None
    if not left:
        there = transport.logits_of(artifact, model, pixels)
        here = _here(model, pixels)
        largest = float(np.abs(there - here).max())
        identical = measured(float((there == here).all(axis=1).mean()), Unit.FRACTION, conditions=conditions)
        same = proportion(there.argmax(axis=1) == here.argmax(axis=1), {"against": "this machine"})
        difference = measured(largest, Unit.LOGITS, conditions=conditions)
        step = output_step(model)
        steps = None if step is None else largest / step
    found = NpuParity(
        artifact=artifact.key,
        npu=transport.device,
        activations=activations,
        images=len(pixels),
        identical=identical,
        same_class=same,
        difference=difference,
        output_steps=steps,
        not_taken=left,
        steps=() if left else npu_steps(model, transport, pixels[:STEP_PICTURES]),
    )
    return as_emulated(found, EMULATION)


def _here(model: bytes, pixels: NDArray[np.uint8]) -> Logits:
    import onnx

    from fer_deploy.targets.onnx.apart import run_here

    loaded = onnx.load_from_string(model)
    (logits,) = run_here(loaded, {loaded.graph.input[0].name: pixels.astype(np.float32)}).values()
    return logits.astype(np.float32)


def output_step(model: bytes) -> float | None:
    """Return the scale of the last quantized tensor of an ONNX file, in logits; None of a float one."""
    import onnx

    from fer_deploy.targets.onnx.apart import scale_of, steps_of

    loaded = onnx.load_from_string(model)
    steps = steps_of(loaded)
    return scale_of(loaded, steps[-1].output)[0] if steps else None


def npu_steps(model: bytes, transport: HtpTransport, pixels: NDArray[np.uint8]) -> tuple[NpuStep, ...]:
    """Return every step of a quantized ONNX file on an NPU against this machine; none of a float one.

    Raises:
        DeviceError: the NPU does not take the graph with its steps as outputs.
    """
    import onnx

    from fer_deploy.targets.onnx.apart import apart, run_here, steps_of, with_every_output

    loaded = onnx.load_from_string(model)
    steps = steps_of(loaded)
    if not steps:
        return ()
    source = {loaded.graph.input[0].name: pixels.astype(np.float32)}
    whole = with_every_output(loaded)
    here = run_here(whole, source)
    split, feeds = apart(loaded, here)
    found = []
    for copy, given in ((whole, source), (split, source | feeds)):
        answer = transport.run(copy.SerializeToString(), given)
        if answer.refused is not None:
            raise DeviceError(f"{transport.device} does not take the graph step by step: {answer.refused}")
        found.append({name: array.astype(np.int64) for name, array in answer.outputs.items()})
    together, alone = found
    return tuple(
        NpuStep(
            name=step.name,
            operators=step.operators,
            alone=float((alone[step.output] != here[step.output]).mean()),
            lean=float((alone[step.output] - here[step.output].astype(np.int64)).mean()),
            together=float((together[step.output] != here[step.output]).mean()),
            largest=int(np.abs(together[step.output] - here[step.output].astype(np.int64)).max()),
        )
        for step in steps
    )
