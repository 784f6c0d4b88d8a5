"""``accelserve predict``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
@click.option("--timeout", default=30.0, show_default=True, help="Seconds a picture.")
@click.option("--token", default="", envvar="ACCELSERVE_TOKEN", help="Key to send. Also ACCELSERVE_TOKEN.")
@click.option("--tls", is_flag=True, help="Encrypt.")
def predict(
    pictures: Sequence[Path],
    input_name: str,
    output: str | None,
    labels: Path | None,
    top: int,
    timeout: float,
    **target: Any,
) -> None:
    """Send pictures to a server and print what it sees, with the milliseconds each took."""
    where = _Target(**target)
    names = labels.read_text(encoding="utf-8").splitlines() if labels else where.labels(timeout)
    with where.client(timeout) as client:
        answers = [_ask(client, picture, input_name, output) for picture in pictures]
    _print(answers, names, top)


def _ask(client: PredictionClient, picture: Path, input_name: str, output: str | None) -> _Answer:
    image = picture.read_bytes()
    begin = time.perf_counter()
    scores = client.score_image(image, input_name, output)
    milliseconds = 1000 * (time.perf_counter() - begin)
    outputs = scores if isinstance(scores, dict) else {output or "output": scores}
    return _Answer(picture, outputs, milliseconds)


def _print(answers: Sequence[_Answer], names: Sequence[str], top: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("picture", "output", "result"):
        table.add_column(heading, overflow="fold")
    table.add_column("score", justify="right")
    table.add_column("ms", justify="right")
    for answer in answers:
        results = [
            (output, result, score)
            for output, array in answer.outputs.items()
            for result, score in results_of(array, names, top)
        ]
        for row, (output, result, score) in enumerate(results):
            first = row == 0
            repeated = not first and output == results[row - 1][0]
            table.add_row(
                answer.picture.name if first else "",
                "" if repeated else output,
                result,
                score,
                f"{answer.milliseconds:.1f}" if first else "",
            )
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
