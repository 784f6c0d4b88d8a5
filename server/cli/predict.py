"""``accelserve predict``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from accelserve.server.cli.flag_sources import former_names
from accelserve.server.cli.graph_outputs import outputs_option
from accelserve.server.cli.label_names import label_names
from accelserve.server.cli.server_options import server_options, tls_given, token_option

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from accelserve.client import ModelSelection, PredictionClient, TlsOptions
    from accelserve.server.cli.answers import Answer, Row, Shown

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
_FAILED = 1


@dataclass(frozen=True, slots=True)
class _Target:
    """Where to ask, and whom."""

    address: str
    model: ModelSelection
    token: str
    tls: TlsOptions | None
    timeout_seconds: float

    def client(self) -> PredictionClient:
        from accelserve.client import PredictionClient

        return PredictionClient(
            self.address, access_token=self.token, model=self.model, timeout_s=self.timeout_seconds, tls=self.tls
        )  # fmt: skip

    def labels(self) -> list[str]:
        """The server's names of the classes; none from a server that knows no such question."""
        from dataclasses import replace

        import grpc

        from accelserve.client import DEFAULT_MAX_MESSAGE_BYTES
        from accelserve.client.connection import connection
        from accelserve.client.retry import LONGEST_CALL_S
        from accelserve.protos import tensorflow as tf
        from accelserve.protos import tensorflow_serving as serving
        from accelserve.protos.services import PredictionService

        link = connection(
            self.address,
            None,
            use_ssl=False,
            tls=self.tls,
            access_token=self.token,
            service_name="",
            max_message_bytes=DEFAULT_MAX_MESSAGE_BYTES,
        )
        spec = replace(self.model, signature_name="").spec()
        request = serving.GetModelMetadataRequest(model_spec=spec, metadata_field=["labels"])
        with link.open() as channel:
            ask = PredictionService.GET_MODEL_METADATA.stub(channel)
            try:
                response = ask(
                    request, metadata=link.metadata, timeout=min(self.timeout_seconds, LONGEST_CALL_S)
                )
            except (
                grpc.RpcError
            ):  # TensorFlow Serving refuses the question; the numbers of the classes remain
                return []
        names = tf.TensorProto()
        response.metadata["labels"].Unpack(names)
        return [name.decode() for name in names.string_val]


@click.command(context_settings=former_names(output="outputs"))
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@server_options("localhost:8500")
@click.option("--model", default="", help="Name; the server's only or default model if not given.")
@click.option("--version", type=int, help="Of the model; the latest if not given.")
@click.option("--version_label", default="", help="Of the version, instead of its number.")
@click.option("--signature", default="", help="serving_default if not given.")
@click.option("--input", "input_name", default="images", show_default=True, help="The model's input.")
@outputs_option("To print, all if not given")
@click.option(
    "--labels",
    help="Names of the classes: imagenet, coco, voc, or a file, one a line; the server's if not given.",
)
@click.option("--top", default=5, show_default=True, type=click.IntRange(min=1), help="Results a picture.")
@click.option(
    "--draw",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the pictures with boxes and names; asks for the signature 'detection'.",
)
@click.option("--min-score", default=0.5, show_default=True, help="Of a detection that is shown.")
@click.option("--timeout", default=30.0, show_default=True, help="Seconds a picture.")
@token_option
@click.option(
    "--json", "as_json", is_flag=True, help="A JSON object a picture and line instead of the table."
)
def predict(
    pictures: Sequence[Path],
    input_name: str,
    outputs: Sequence[str],
    labels: str | None,
    top: int,
    draw: Path | None,
    min_score: float,
    as_json: bool,
    **target: Any,
) -> int:
    """Send pictures to a server and print what it sees, with the milliseconds each took.

    PICTURES are files, or folders of them. One that cannot be read, or that the server refuses, is named and passed
    over; the exit code is then 1.
    """
    from accelserve.server.cli.answers import Shown, json_line, print_table, rows_of
    from accelserve.server.cli.detections import file_names

    where = _target(target, "detection" if draw else "")
    files = [file for path in pictures for file in files_in(path)]
    names = label_names(labels) if labels else where.labels()
    drawings = file_names(files)
    rows: list[Row] = []

    def show(answer: Answer, number: int) -> None:
        shown = Shown(_names_for(answer, names), top, min_score)
        if as_json:
            click.echo(json_line(answer, shown))
        else:
            rows.extend(rows_of(answer, shown))
        if draw is not None:
            _draw(answer, shown, draw / drawings[number])

    try:
        failed = _ask_each(where, files, _Wanted(input_name, outputs), show, quiet=as_json)
    finally:  # what was answered before the server went away is worth printing
        if rows:
            print_table(rows)
    if draw is not None:
        click.echo(f"{len(files) - failed} pictures in {draw}", err=as_json)
    return _FAILED if failed else 0


def _names_for(answer: Answer, names: Sequence[str] | str) -> Sequence[str]:
    """The names given; those of a shipped list with the background in front, where the answer has a class for it."""
    from accelserve.models.labels import label_list_for

    if not isinstance(names, str):
        return names
    return label_list_for(names, max((a.size for a in answer.outputs.values() if a.ndim == 1), default=0))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a request says besides the picture: the input it is for, and the outputs to be answered, none for all."""

    input_name: str
    outputs: Sequence[str]


def _target(given: dict[str, Any], default_signature: str) -> _Target:
    from accelserve.client import ModelSelection

    selection = ModelSelection(
        name=given.pop("model"),
        version=given.pop("version"),
        version_label=given.pop("version_label"),
        signature_name=given.pop("signature") or default_signature,
    )
    address, token, timeout = given.pop("address"), given.pop("token"), given.pop("timeout")
    return _Target(address, selection, token, tls_given(**given), timeout)


def files_in(path: Path) -> list[Path]:
    """The pictures of a folder, by name; a file is itself, and so is what is not there, which asking reports."""
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not found:
        raise click.UsageError(
            f"{path} holds no picture ({', '.join(SUFFIXES)}); folders below it are not entered."
        )
    return found


def _ask_each(
    where: _Target,
    files: Sequence[Path],
    wanted: _Wanted,
    show: Callable[[Answer, int], None],
    *,
    quiet: bool,
) -> int:
    """Ask for every picture, and show what came; the number of those that were passed over."""
    import grpc

    from accelserve.client import CallError, InvalidRequestError, MessageTooLargeError
    from accelserve.server.cli.progress import image_progress

    failed = 0
    progress = nullcontext(_no_progress) if quiet else image_progress("asking")
    with where.client() as client, progress as report:
        for number, path in enumerate(files):
            try:
                answer = _ask(client, path, wanted)
            except (InvalidRequestError, MessageTooLargeError, OSError) as error:
                # No such signature or label: that is so for every picture, and said once.
                if isinstance(error, CallError) and error.code is grpc.StatusCode.FAILED_PRECONDITION:
                    raise
                reason = error.strerror if isinstance(error, OSError) else error
                click.echo(f"accelserve: {path}: {reason or error}", err=True)
                failed += 1
            else:
                show(answer, number)
            report(number + 1, len(files))
    return failed


def _no_progress(done: int, total: int) -> None:
    """Lines of JSON are progress enough."""


def _draw(answer: Answer, shown: Shown, target: Path) -> None:
    from accelserve.server.cli.detections import (
        are_detections,
        detections_of,
        draw_detections,
        image_size,
    )

    if not are_detections(answer.outputs):
        given = ", ".join(answer.outputs)
        raise click.UsageError(f"--draw needs detections and the model answered with {given}.")
    size = image_size(answer.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draw_detections(answer.path, detections_of(answer.outputs, shown.names, size, shown.min_score), target)


def _ask(client: PredictionClient, path: Path, wanted: _Wanted) -> Answer:
    from accelserve.client import DEFAULT_MAX_MESSAGE_BYTES
    from accelserve.client.prediction import images_request, scores, without_batch
    from accelserve.server.cli.answers import Answer

    image = path.read_bytes()
    begin = time.perf_counter()
    request = images_request(
        [image], input_name=wanted.input_name, model=client.model, outputs=wanted.outputs
    )
    response = client.predict(request)
    # Named in any case: `score_image` gives the array alone where the model has one output.
    names = wanted.outputs or sorted(response.outputs)
    outputs = without_batch(scores(response, names, limit_bytes=DEFAULT_MAX_MESSAGE_BYTES))
    spec = response.model_spec
    return Answer(
        path=path,
        outputs=cast("dict[str, NDArray[Any]]", outputs),
        milliseconds=1000 * (time.perf_counter() - begin),
        model=spec.name,
        version=spec.version.value if spec.HasField("version") else None,
        signature=client.model.signature_name,
    )
