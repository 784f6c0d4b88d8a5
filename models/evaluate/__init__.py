"""What a servable is worth: against the truth, against its float32 original, layer by layer."""

from accelserve.models.evaluate.evaluation import EvaluateOptions, evaluate_servable
from accelserve.models.evaluate.figure import save_figure
from accelserve.models.evaluate.report import Evaluation
from accelserve.models.evaluate.truth import read_truth

__all__ = ["EvaluateOptions", "Evaluation", "evaluate_servable", "read_truth", "save_figure"]
