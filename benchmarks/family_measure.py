"""How the family's students answer PrivateTest, clean and corrupted: models/family/figures.json.

    python benchmarks/family_measure.py [--clean STUDENTS]

--clean names the safetensors file of students that were trained on clean views alone, keys ARCHITECTURE/SEED|PARAMETER:
they are measured beside the family's. benchmarks/family_tables.py makes the tables of docs/family.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from fer_deploy.data.corruptions import CORRUPTIONS, HELD_OUT, SEVERITIES
from fer_deploy.data.faces import data_root
from fer_deploy.data.fer2013 import FILE_NAME, leaked_twins, read_table
from fer_deploy.data.fer2013_pairs import NO_FACE, PairedFaces, load_pairs
from fer_deploy.files import sha256_of, write_json_atomic
from fer_deploy.progress import say
from fer_deploy.train.family.scores import FER2013, FERPLUS, auroc
from fer_deploy.train.family.student_file import load_student
from fer_deploy.zoo import build

#: Kinds that the students were trained with, and the severity looked at: sigma 10 of 255, sigma 2 px, 24 px.
PROBES = (("gaussian_noise", 2), ("gaussian_blur", 3), ("downscale", 2))
_BATCH = 64
_PATH = click.Path(path_type=Path)
Answer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class Test:
    """PrivateTest, and which of its images have a pixel-identical twin in the original training split."""

    faces: PairedFaces
    leaked: NDArray[np.bool_]

    @property
    def subsets(self) -> dict[str, NDArray[np.bool_]]:
        """Return which images each accuracy is over, by its name."""
        faces, fresh = self.faces, ~self.leaked
        agreed = faces.valid & faces.agreed
        return {
            "ferplus": faces.valid,
            "majority": agreed,
            "ferplus_unleaked": faces.valid & fresh,
            "majority_unleaked": agreed & fresh,
            "fer2013": np.ones(len(faces), dtype=bool),
            "fer2013_unleaked": fresh,
        }

    def scores(self, logits: NDArray[np.float32]) -> dict[str, float]:
        """Return accuracies, 0..1, and with a 16th logit the AUROC of "no face"."""
        faces = self.faces
        plus = logits[:, FERPLUS].argmax(1) == faces.target
        seven = logits[:, FER2013].argmax(1) == faces.fer2013
        found = {
            name: float((seven if name.startswith("fer2013") else plus)[subset].mean())
            for name, subset in self.subsets.items()
        }
        if logits.shape[1] > NO_FACE:
            found["no_face_auroc"] = auroc(
                torch.from_numpy(logits[:, NO_FACE].copy()), torch.from_numpy(~faces.valid)
            )
        return {name: round(value, 5) for name, value in found.items()}


def open_test() -> Test:
    faces = load_pairs("PrivateTest")
    table = read_table(data_root() / FILE_NAME)
    return Test(faces, leaked_twins(table.images, table.usage)[faces.rows])


def runner(network: nn.Module) -> Answer:
    """Return what answers pixels (N, 1, 48, 48) with float32 logits: the network in ONNX Runtime, on one thread."""
    example = torch.zeros(2, 1, 48, 48)
    batch = torch.export.Dim("batch", min=1, max=_BATCH)
    program = torch.onnx.export(network, (example,), dynamo=True, dynamic_shapes=({0: batch},), verbose=False)
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options)
    name = session.get_inputs()[0].name

    def answer(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        values = (pixels.astype(np.float32) - 128) / 64
        parts = [
            session.run(None, {name: values[start : start + _BATCH]})[0]
            for start in range(0, len(values), _BATCH)
        ]
        return np.concatenate(parts)

    noise = np.random.default_rng(0).integers(0, 256, (8, 1, 48, 48), dtype=np.uint8)
    with torch.inference_mode():
        wanted = network((torch.from_numpy(noise).float() - 128) / 64)
    torch.testing.assert_close(torch.from_numpy(answer(noise)), wanted, rtol=1e-3, atol=1e-3)
    return answer


def views(test: Test) -> dict[str, NDArray[np.uint8]]:
    """Return FER+'s images under each corruption: the probes, and the kinds held out at all severities in turn.

    Image i, in the file's order, is seen at severity 1 + i mod 3 of each kind.
    """
    pixels = torch.from_numpy(test.faces.pixels[test.faces.valid]).float()
    made = {name: _corrupted(pixels, name, severity) for name, severity in PROBES}
    for name in HELD_OUT:
        view = torch.empty_like(pixels)
        for first in range(SEVERITIES):
            view[first::SEVERITIES] = _corrupted(pixels[first::SEVERITIES], name, first + 1)
        made[name] = view
    return {name: view.byte().numpy() for name, view in made.items()}


def _corrupted(pixels: Tensor, name: str, severity: int) -> Tensor:
    return CORRUPTIONS[name](pixels, severity, torch.Generator().manual_seed(severity))


def robustness(answer: Answer, test: Test, seen: dict[str, NDArray[np.uint8]]) -> dict[str, float]:
    """Return FER+ accuracies, 0..1, of all images under each corruption."""
    target = test.faces.target[test.faces.valid]
    return {
        name: round(float((answer(view)[:, FERPLUS].argmax(1) == target).mean()), 5)
        for name, view in seen.items()
    }


def family(folder: Path) -> dict[str, nn.Module]:
    """Return the committed students by ARCHITECTURE/SEED."""
    loaded = [load_student(file) for file in sorted(folder.glob("*.safetensors"))]
    return {f"{info.architecture}/{info.seed}": network for info, network in loaded}


def clean_trained(file: Path) -> dict[str, nn.Module]:
    """Return the students in one file by ARCHITECTURE/SEED."""
    weights = load_file(file)
    networks: dict[str, nn.Module] = {}
    for name in sorted({key.split("|")[0] for key in weights}):
        state = {key.split("|")[1]: value for key, value in weights.items() if key.startswith(f"{name}|")}
        network = build(name.split("/")[0], len(state["classifier.bias"]), 1)
        network.load_state_dict(state)
        networks[name] = network.eval()
    return networks


@click.command()
@click.option("--students", type=_PATH, default=Path("models/family/students"), show_default=True)
@click.option("--clean", type=_PATH, help="Students trained on clean views alone.")
@click.option("--output", type=_PATH, default=Path("models/family/figures.json"), show_default=True)
def main(students: Path, clean: Path | None, output: Path) -> None:
    """Measure every student clean, and seed 0 of each architecture corrupted."""
    test = open_test()
    seen = views(test)
    counts = {name: int(subset.sum()) for name, subset in test.subsets.items()}
    document: dict[str, Any] = {
        "images": counts | {"no_face": int((~test.faces.valid).sum())},
        "family": {"sha256": sha256_of(students / "SHA256SUMS")},
    }
    groups = {"family": family(students)}
    if clean is not None:
        document["clean"] = {"sha256": sha256_of(clean)}
        groups["clean"] = clean_trained(clean)
    for group, networks in groups.items():
        document[group] |= {"scores": {}, "corrupted": {}}
        for name, network in networks.items():
            answer = runner(network)
            document[group]["scores"][name] = test.scores(answer(test.faces.pixels))
            say(f"{group} {name}: {document[group]['scores'][name]}")
            if name.endswith("/0"):
                document[group]["corrupted"][name] = robustness(answer, test, seen)
                say(f"{group} {name}: {document[group]['corrupted'][name]}")
    write_json_atomic(output, document)


if __name__ == "__main__":
    main()
