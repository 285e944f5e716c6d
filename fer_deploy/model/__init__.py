"""Models: a network and its Contract, from a zoo folder, an exported program, or a factory."""

from fer_deploy.model.contract_file import contract_file, write_confidence
from fer_deploy.model.definition import Model, check_against_contract, count_parameters, deployable
from fer_deploy.model.folder import (
    MODEL_FILE,
    WEIGHTS_FILE,
    Architecture,
    Weights,
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
    "contract_file",
    "count_parameters",
    "deployable",
    "load_model",
    "save_model",
    "write_confidence",
]
