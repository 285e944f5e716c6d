"""Examples at the end of every command's help; a test reads each as the command itself would."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Command name to command lines, without the program's name, each with what it is for.
EXAMPLES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "init": (
            (
                "init --model my_net:build --size 64 --data faces",
                "a network in my_net.py, faces/train/<label>/ beside it",
            ),
            ("init --model net.pt2 --labels sad,happy --size 48", "an exported program"),
        ),
        "run": (
            ("run", "all that fer-deploy.toml says"),
            ("run --target onnx --recipe float --recipe w8a8-ptq", "one target, two recipes"),
            ("run --dataset sample", "without any data: on faces drawn by code"),
        ),
        "check": (
            ("check", "the budget of fer-deploy.toml"),
            (
                "check {limit} 0.5 --accept emulated",
                "one limit, Core ML's emulated accuracy included",
            ),
            ("check --plan {limit} 0.5", "how many test images that limit needs"),
            ("check --against main/dist/fer_s --max-slowdown 5", "timed beside an earlier run's artifacts"),
        ),
        "baseline": (("baseline", "after a run that is good enough to hold later ones to"),),
        "report": (
            ("report dist/fer_s/report.json", "every table of one report"),
            ("report main.json branch.json", "what got worse and better"),
        ),
        "export": (
            ("export --target coreml", "every recipe of the configuration"),
            ("export --target onnx --model my_net:build --contract contract.toml", "a network of your own"),
        ),
        "calibrate": (("calibrate models/fer_s", "writes models/fer_s/calibration.json"),),
        "confidence": (("confidence models/fer_s --coverage 0.9", "one face in ten may stay unanswered"),),
        "bundle": (("bundle dist/fer_s/onnx-w8a8-ptq --app android", "into android_demo, once it fits"),),
        "profile": (
            ("profile --device host", "every artifact in dist"),
            ("profile --device pixel dist/fer_s/executorch-w8a8-ptq", "a phone at USB, else its estimate"),
        ),
        "layers": (("layers dist/fer_s/onnx-w8a8-ptq", "where its time goes"),),
        "emulate": (("emulate --device raspberry-pi-5 dist/fer_s/onnx-w8a8-ptq", "the same answers there?"),),
        "predict": (
            ("predict face.png", "the float model's answer"),
            ("predict face.png --artifact dist/fer_s/coreml-w8a8-ptq", "an artifact's"),
        ),
        "evaluate": (
            ("evaluate models/fer_s", "accuracy on the test split"),
            (
                "evaluate dist/fer_s/onnx-w8a8-ptq --dataset folder --data faces",
                "an artifact, on your own images",
            ),
        ),
        "compare": (("compare models/fer_s dist/fer_s/onnx-w8a8-ptq", "which images flip, where they part"),),
        "sensitivity": (
            ("sensitivity models/fer_s --images 512", "what each layer costs in int8"),
            ("sensitivity models/fer_s --max-drop 0.2", "the fewest layers to leave in float"),
        ),
        "data": (
            (
                "data import fer2013.csv fer2013new.csv --output fer2013_ferplus_48.npz",
                "FER2013 with FER+'s votes",
            ),
            ("data check --dataset folder --data faces", "what a folder holds, split by split"),
        ),
        "train": (
            ("train studies/votes/fer_s/train.toml --work-dir runs/fer_s", "goes on where it was stopped"),
        ),
        "train-family": (
            ("train-family models/family/train.toml --device cuda", "all shipped models at once"),
        ),
        "split-student": (
            ("split-student runs/family/students/fer_s models/my_s --head ferplus", "one head of two"),
        ),
        "study": (("study studies/small.toml", "accuracy, size and time of every architecture"),),
        "search": (("search studies/search.toml", "the best for each cost"),),
        "frame": (
            ("frame --device pixel-8 dist/fer_s/executorch-w8a8-ptq", "detect, crop, classify, smooth"),
        ),
        "card": (("card models/fer_s", "measures it and writes models/fer_s/card.md"),),
        "inspect": (("inspect dist/fer_s/coreml-w8a8-ptq", "operations, parameters, memory, advice"),),
        "devices": (("devices pixel-8", "one profile in full"),),
        "schema": (("schema config", "for an editor that completes fer-deploy.toml"),),
        "build-runner": (("build-runner --arch aarch64", "for phones and boards"),),
        "doctor": (("doctor", "what is missing, and the command that adds it"),),
    }
)


def examples(name: str) -> tuple[tuple[str, str], ...]:
    """Return the examples of a command, a limit called as its row calls it."""
    if not any("{limit}" in line for line, _ in EXAMPLES[name]):
        return EXAMPLES[name]
    from fer_deploy.gate.limits import ACCURACY_DROP

    return tuple((line.replace("{limit}", ACCURACY_DROP.option), what) for line, what in EXAMPLES[name])


def epilog(name: str) -> str:
    """Return the examples of a command as the end of its help."""
    lines = [f"  fer-deploy {line}\n      {what}" for line, what in examples(name)]
    return "\b\nExamples:\n" + "\n".join(lines)
