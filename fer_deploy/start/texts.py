"""The texts of a new project's files."""

from __future__ import annotations

import json
from typing import Any

from fer_deploy.contract import Contract
from fer_deploy.gate.limit import PairLimit
from fer_deploy.gate.limits import LIMITS
from fer_deploy.start.project import Project

#: Stands for the repository of the action until the user says which it is.
OWNER = "OWNER"
ACTION = f"{OWNER}/fer-deploy@main"
HOOK = "fer-deploy-check"
#: Line of a TOML file by which Taplo, and with it most editors, finds its schema.
_SCHEMA = "#:schema ./{}"

_CONFIG = """{schema}
# What `fer-deploy run` makes and `fer-deploy check` holds it to. Paths are relative to this file.

[model]
{model}
[data]
{data}
[export]
targets = {targets}
recipes = {recipes}     # also fp16, w8, w8a8-qat
output = "dist"         # artifacts and reports go to dist/{called}

[budget]
# `fer-deploy check` is red unless every figure is shown to be within its limit: how far an artifact may fall behind
# the float model on the test images. `fer-deploy check --plan` says how many images that takes.
{budget}"""

_CONTRACT = """{schema}
# What {source} expects and answers. It travels in every artifact: apps crop, resize and read the answer by it.

[contract]
# In the order of the network's outputs: training numbered the classes so.{order}
labels = {labels}

[contract.input]
height = {height:<14} # pixels
width = {width}
color = {color:<15} # "grey" or "rgb"
resize = "bilinear"     # or "bicubic", as training resized
crop_margin = 0.0       # fraction of the face box that training added on each side
# The network is given (pixel - mean) / std of pixels 0..255; 0 and 255 make that 0..1.
# SET BOTH TO WHAT TRAINING USED: wrong ones raise no error anywhere, they only cost accuracy. Where training had them
# for pixels of 0..1, as torchvision's Normalize does, multiply both by 255.
mean = {mean}
std = {std}

[contract.trained_on]
dataset = {dataset}
"""

_WORKFLOW = """# Red unless every figure of [budget] in fer-deploy.toml passes. Written by `fer-deploy init`.
name: fer-deploy
on: [push, pull_request]
permissions:
  contents: read
jobs:
  fer-deploy:
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    steps:
      - uses: actions/checkout@v4
      # The images of [data] must be here too: commit them, or fetch them in a step of your own.
      - uses: {action}  # `fer-deploy run`, then `fer-deploy check`
        with:
          config: fer-deploy.toml
"""

_HOOKS = """  - repo: local
    hooks:
      - id: {hook}
        name: fer-deploy check
        entry: fer-deploy check
        language: system
        pass_filenames: false
        always_run: true
"""


def config_text(project: Project, targets: tuple[str, ...], recipes: tuple[str, ...], schema: str) -> str:
    """Return the text of fer-deploy.toml; ``schema`` is the path of its schema."""
    return _CONFIG.format(
        schema=_SCHEMA.format(schema),
        model=_model(project),
        data=_data(project),
        targets=_toml(targets),
        recipes=_toml(recipes),
        called=project.called,
        budget=_budget(targets),
    )


def contract_text(project: Project, schema: str) -> str:
    """Return the text of contract.toml; ``schema`` is the path of its schema."""
    contract: Contract = project.contract
    spec = contract.input
    sorted_too = contract.labels == tuple(sorted(contract.labels))
    return _CONTRACT.format(
        schema=_SCHEMA.format(schema),
        source=project.reference,
        order="\n# These are sorted, as torchvision's ImageFolder numbers its folders." if sorted_too else "",
        labels=_toml(contract.labels),
        height=spec.height,
        width=spec.width,
        color=_toml(spec.color),
        mean=_toml(spec.mean),
        std=_toml(spec.std),
        dataset=_toml(contract.trained_on.dataset),
    )


def workflow_text(action: str) -> str:
    """Return the text of the workflow for GitHub; ``action`` is OWNER/REPOSITORY@REF of fer-deploy's own."""
    return _WORKFLOW.format(action=action)


def hook_text() -> str:
    """Return the entry of fer-deploy in ``repos`` of a .pre-commit-config.yaml."""
    return _HOOKS.format(hook=HOOK)


def _model(project: Project) -> str:
    lines = [f"path = {_toml(project.reference)}"]
    if project.contract_file is not None:
        lines.append(f"contract = {_toml(project.contract_file.as_posix())}")
    if project.weights is not None:
        lines.append(f"weights = {_toml(project.weights.as_posix())}")
    named = f"name = {_toml(project.called)}"
    lines.append(
        f"{named if project.name is not None else '# ' + named}   # in reports, and of the folder in output"
    )
    return "\n".join(lines) + "\n"


def _data(project: Project) -> str:
    lines = [f"kind = {_toml(project.data.kind)}"]
    if project.data.kind == "folder":
        lines[0] += "         # train/<label>/ and test/<label>/; each image is the crop of one face"
    if project.data.path is not None:
        lines.append(f"path = {_toml(project.data.path.as_posix())}")
    return "\n".join(lines) + "\n"


def _budget(targets: tuple[str, ...]) -> str:
    lines = [
        f"{f'{kind.key} = {kind.suggested}':<28} # {kind.about}"
        for kind in LIMITS.values()
        if kind.suggested is not None and (len(targets) > 1 or not isinstance(kind, PairLimit))
    ]
    if "coreml" in targets:
        lines.append('accept = ["emulated"]        # on Linux, Core ML\'s accuracy is emulated')
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Return a text, a number or a list of them as TOML on one line."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
