"""Azure's how-to for FPGA web services, retold step by step: ``make example``.

Preprocess, featurize, add a classifier, save, register, convert, image, deploy, score a photograph, delete in order. What
each line was in the Azure SDK is in docs/azure.md. Everything is in a temporary folder and is deleted at the end.

The image is built and run by podman or docker where one answers and the base image is to be had; elsewhere the model is
written as an OCI layout, and served by a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import accelserve
from accelserve.deployment.errors import NoEngineError
from accelserve.deployment.images.configuration import default_base
from accelserve.deployment.images.engine import find_engine
from accelserve.kernels.cpu.isa import available
from accelserve.kernels.devices.discovery import open_device
from accelserve.kernels.preprocess import preprocess_float, preprocess_spec
from accelserve.models import featurize
from accelserve.models.heads.training import HeadOptions, train_head
from accelserve.models.samples import sample_network, write_sample_photographs
from examples.photographs import write_crops

PREPROCESS = "imagenet-torch"
PULL_SECONDS = 300


def main() -> None:
    """Run the steps; ends with an error if an answer is not what it has to be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=["auto", "docker", "podman", "process"], default="auto")
    parser.add_argument("--base", default=default_base(), help="base image with Python")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="accelserve-howto-") as folder:
        retell(Path(folder), engine_for(given.engine, given.base), given.base)


def engine_for(wanted: str, base: str) -> str:
    """What builds and runs the image; ``process`` if nothing can."""
    if wanted != "auto":
        return wanted
    try:
        engine = find_engine("auto").name
    except NoEngineError as error:
        print(error)
        return "process"
    pull = [engine, "pull", "--quiet", base]
    if (
        engine == "buildah"
        or subprocess.run(pull, capture_output=True, timeout=PULL_SECONDS, check=False).returncode
    ):
        print(f"{engine} answers, but {base} is not to be had")
        return "process"
    return engine


def retell(folder: Path, engine: str, base: str) -> None:
    """All steps, in the order of the how-to."""
    repository = folder / "servables"  # the workspace
    photographs = write_sample_photographs(folder / "photographs")

    step("Preprocess")
    tensor = preprocess_float(preprocess_spec(PREPROCESS), photographs[0].read_bytes())
    print(photographs[0].name, "->", tensor.dtype, tensor.shape)

    step("Define and save: preprocessing, featurizer and ImageNet's classifier in one file")
    saved = folder / "squeezenet.onnx"
    sample_network().save(saved)
    print(saved.name, saved.stat().st_size, "bytes")

    step("Register")
    registered = accelserve.Model.register(
        repository,
        model_path=saved,
        model_name="squeezenet",
        tags={"framework": "onnx"},
        description="as trained",
    )
    print(registered.name, registered.description, registered.version, sep="\t")

    step("Convert")
    converted = accelserve.AccelOnnxConverter.convert(registered, calibrate=folder / "photographs")
    print(converted.id, converted.url, converted.created_time)

    step("Featurize")
    features = featurize(converted.url, photographs, device="cpu")
    print(features.dtype, features.shape)

    step("Add a classifier of your own")
    classifier = own_classifier(folder, repository, Path(converted.url), photographs)
    print(classifier.id, classifier.labels or "", *accelserve.load(classifier.url).labels)

    step("Image")
    image = build(engine, repository, converted, base, folder / "image")
    print(f"{image.name} [{image.creation_state}] stored at {image.image_location}")

    step("Deploy")
    service = accelserve.Webservice.deploy_from_image(repository, "my-service", image)
    print(service.name, service.state, service.scoring_address, service.scoring_uri)

    step("Score a photograph")
    try:
        score(service, photographs[0], accelserve.load(converted.url).labels)
    finally:
        step("Delete, in this order: service, image, models")
        service.delete()
        image.delete()
        for model in (classifier, converted, registered):
            model.delete()
    left = [model.id for model in accelserve.Model.list(repository)]
    if left:
        sys.exit(f"left in the repository: {', '.join(left)}")
    print("nothing is left")


def own_classifier(folder: Path, repository: Path, base: Path, photographs: list[Path]) -> accelserve.Model:
    """A logistic regression on the network's features, trained on pieces of the photographs: one class each."""
    for photograph in photographs:
        write_crops([photograph], folder / "classes" / photograph.stem, parts=4)
    options = HeadOptions(name="photographs", repository=repository)
    trained = train_head(base, folder / "classes", options, device=open_device("cpu"))
    print(f"held-out pictures taken for what they are: {trained.accuracy['float32']:.0%}")
    return accelserve.Model(repository, name="photographs")


def build(
    engine: str, repository: Path, model: accelserve.Model, base: str, layout: Path
) -> accelserve.Image:
    """The image, with kernels for this processor; or, without an engine, the model as an OCI layout."""
    if engine == "process":
        return accelserve.Image.create_artefact(repository, None, model, layout)
    best = available()[0]
    configuration = accelserve.ImageConfiguration(
        base=base, instruction_sets=[best.name] if best.features else [], threads=[2]
    )
    name = f"localhost/accelserve-howto/{model.name}:{model.version}"
    return accelserve.Image.create(
        repository, name, models=[model], image_config=configuration, engine=engine, line=print
    )


def score(service: accelserve.Webservice, photograph: Path, labels: tuple[str, ...]) -> None:
    """Ask the service as the how-to does, and print the five best classes."""
    host, _, port = service.scoring_address.rpartition(":")
    with accelserve.PredictionClient(host, int(port), False, "", service.name) as client:
        results = np.asarray(client.score_file(str(photograph), outputs="output_alias"))
    best = np.argsort(results)[::-1][:5]
    for number in best:
        print(f"{labels[number]:30} confidence: {results[number]:.4f}")
    if "cat" not in labels[best[0]]:
        sys.exit(f"{photograph.name} shows a cat, and the service says {labels[best[0]]}")


def step(name: str) -> None:
    """Print a step's heading."""
    print(f"\n== {name}", flush=True)


if __name__ == "__main__":
    main()
