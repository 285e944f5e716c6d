"""Core ML ML Programs: one ``model.mlpackage`` folder."""

from fer_deploy.targets.coreml.options import CoreMLOptions
from fer_deploy.targets.coreml.target import CoreMLTarget

__all__ = ["CoreMLOptions", "CoreMLTarget"]
