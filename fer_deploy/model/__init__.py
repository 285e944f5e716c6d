"""Models: a network and its Contract, from a zoo folder, an exported program, or a factory."""

from fer_deploy.model.definition import Model, check_against_contract, count_parameters, deployable
from fer_deploy.model.folder import (
    MODEL_FILE,
    WEIGHTS_FILE,
    Architecture,
    Weights,
    rewrite_contract,
    save_model,
)
from fer_deploy.model.load import load_model

__all__ = [
    "MODEL_FILE",
    "WEIGHTS_FILE",
    "Architecture",
    "Model",
    "Weights",
    "check_against_contract",
    "count_parameters",
    "deployable",
    "load_model",
    "rewrite_contract",
    "save_model",
]
