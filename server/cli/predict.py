"""``accelserve predict``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from accelserve.client import PredictionClient


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back for one picture, and how long it took."""

    picture: Path
    outputs: Mapping[str, NDArray[Any]]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class _Target:
    """Where to ask, and whom."""

    address: str
    model: str
    version: int | None
    signature: str
    token: str
    tls: bool

    def client(self, timeout_seconds: float) -> PredictionClient:
        from accelserve.client import ModelSelection, PredictionClient

        selection = ModelSelection(name=self.model, version=self.version, signature_name=self.signature)
        return PredictionClient(
            self.address,
            use_ssl=self.tls,
            access_token=self.token,
            model=selection,
            timeout_s=timeout_seconds,
        )

    def labels(self, timeout_seconds: float) -> list[str]:
        """The server's names of the classes; none from a server that knows no such question."""
        import grpc

        from accelserve.client import DEFAULT_MAX_MESSAGE_BYTES, ModelSelection
        from accelserve.client.connection import connection
        from accelserve.protos import tensorflow as tf
        from accelserve.protos import tensorflow_serving as serving
        from accelserve.protos.services import PredictionService

        link = connection(
            self.address,
            None,
            use_ssl=self.tls,
            tls=None,
            access_token=self.token,
            service_name="",
            max_message_bytes=DEFAULT_MAX_MESSAGE_BYTES,
        )
        spec = ModelSelection(name=self.model, version=self.version).spec()
        request = serving.GetModelMetadataRequest(model_spec=spec, metadata_field=["labels"])
        with link.open() as channel:
            ask = PredictionService.GET_MODEL_METADATA.stub(channel)
            try:
                response = ask(request, metadata=link.metadata, timeout=timeout_seconds)
            except (
                grpc.RpcError
            ):  # TensorFlow Serving refuses the question; the numbers of the classes remain
                return []
        names = tf.TensorProto()
        response.metadata["labels"].Unpack(names)
        return [name.decode() for name in names.string_val]


_PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command
@click.argument("pictures", nargs=-1, required=True, type=_PICTURE)
@click.option("--address", default="localhost:8500", show_default=True, help="HOST:PORT.")
@click.option("--model", default="", help="Name; empty means the server's only or default model.")
@click.option("--version", type=int, help="Of the model; the latest if not given.")
@click.option("--signature", default="", help="Signature; empty means serving_default.")
@click.option("--input", "input_name", default="images", show_default=True, help="The model's input.")
@click.option("--output", help="The output to print; all if not given.")
@click.option("--labels", type=_PICTURE, help="Names of the classes, one a line; the server's if not given.")
@click.option("--top", default=5, show_default=True, help="Results a picture.")
@click.option(
    "--draw",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the pictures with boxes and names; asks for the signature 'detection'.",
)
@click.option("--min-score", default=0.5, show_default=True, help="Of a detection that is shown.")
@click.option("--timeout", default=30.0, show_default=True, help="Seconds a picture.")
@click.option("--token", default="", envvar="ACCELSERVE_TOKEN", help="Key to send. Also ACCELSERVE_TOKEN.")
@click.option("--tls", is_flag=True, help="Encrypt.")
def predict(
    pictures: Sequence[Path],
    input_name: str,
    output: str | None,
    labels: Path | None,
    top: int,
    draw: Path | None,
    min_score: float,
    timeout: float,
    **target: Any,
) -> None:
    """Send pictures to a server and print what it sees, with the milliseconds each took."""
    if draw is not None and not target["signature"]:
        target["signature"] = "detection"
    where = _Target(**target)
    names = labels.read_text(encoding="utf-8").splitlines() if labels else where.labels(timeout)
    with where.client(timeout) as client:
        answers = [_ask(client, picture, input_name, output) for picture in pictures]
    print_table([row for answer in answers for row in _rows(answer, names, top, min_score)])
    if draw is not None:
        _draw(answers, names, min_score, draw)


def _draw(answers: Sequence[_Answer], names: Sequence[str], min_score: float, folder: Path) -> None:
    from accelserve.server.cli.detections import (
        are_detections,
        detections_of,
        draw_detections,
        file_names,
        picture_size,
    )

    if not are_detections(answers[0].outputs):
        given = ", ".join(answers[0].outputs)
        raise click.UsageError(f"--draw needs detections and the model answered with {given}.")
    folder.mkdir(parents=True, exist_ok=True)
    for answer, name in zip(answers, file_names([answer.picture for answer in answers]), strict=True):
        found = detections_of(answer.outputs, names, picture_size(answer.picture), min_score)
        draw_detections(answer.picture, found, folder / name)
    click.echo(f"{len(answers)} pictures in {folder}")


def _ask(client: PredictionClient, picture: Path, input_name: str, output: str | None) -> _Answer:
    from accelserve.client import DEFAULT_MAX_MESSAGE_BYTES
    from accelserve.client.prediction import images_request, scores, without_batch

    image = picture.read_bytes()
    begin = time.perf_counter()
    request = images_request([image], input_name=input_name, model=client.model, outputs=output)
    response = client.predict(request)
    # Named in any case: `score_image` gives the array alone where the model has one output.
    wanted = [output] if output else sorted(response.outputs)
    outputs = without_batch(scores(response, wanted, limit_bytes=DEFAULT_MAX_MESSAGE_BYTES))
    milliseconds = 1000 * (time.perf_counter() - begin)
    return _Answer(picture, cast("dict[str, NDArray[Any]]", outputs), milliseconds)


_Row = tuple[str, str, str, str, str]


def _rows(answer: _Answer, names: Sequence[str], top: int, min_score: float) -> list[_Row]:
    """The table's lines for one picture; what repeats the line above is left empty."""
    from accelserve.server.cli.detections import are_detections, detections_of, picture_size

    results: list[tuple[str, str, str]]
    if are_detections(answer.outputs):
        found = detections_of(answer.outputs, names, picture_size(answer.picture), min_score)
        results = [("detections", str(each), f"{each.score:.4f}") for each in found[:top]]
        results = results or [("detections", f"none of {min_score:g} or more", "")]
    else:
        results = [
            (output, result, score)
            for output, array in answer.outputs.items()
            for result, score in results_of(array, names, top)
        ]
    rows = []
    for row, (output, result, score) in enumerate(results):
        repeated = row > 0 and output == results[row - 1][0]
        first = (answer.picture.name, f"{answer.milliseconds:.1f}") if row == 0 else ("", "")
        rows.append((first[0], "" if repeated else output, result, score, first[1]))
    return rows


def print_table(rows: Sequence[_Row]) -> None:
    """Print lines of picture, output, result, score and milliseconds, folded where the terminal is too narrow."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("picture", "output", "result"):
        table.add_column(heading, overflow="fold")
    table.add_column("score", justify="right")
    table.add_column("ms", justify="right")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def results_of(array: NDArray[Any], names: Sequence[str], top: int) -> list[tuple[str, str]]:
    """The best classes of a vector of scores as (label, score); for any other array its shape and range."""
    import numpy as np

    scores = np.squeeze(array)
    if (
        scores.ndim == 1
        and np.issubdtype(scores.dtype, np.floating)
        and (scores.size == len(names) or not names)
    ):
        # Stable on the negated scores: equal ones stay in the order of the classes.
        best = np.argsort(-scores, kind="stable")[:top]
        return [(names[i] if names else f"class {i}", f"{scores[i]:.4f}") for i in best.tolist()]
    described = f"{array.dtype.name} {list(array.shape)}"
    if array.size == 0 or not np.issubdtype(array.dtype, np.number):
        return [(described, "")]
    return [(f"{described}, {float(array.min()):.4g} to {float(array.max()):.4g}", "")]
