"""A version answers the requests of its warm-up file before anybody else may ask it."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.services import ModelService
from accelserve.protos.tensors import from_array, from_strings
from accelserve.server.config import LoadingConfig
from accelserve.server.core.servable import ServableId
from accelserve.server.errors import LoadError
from accelserve.server.loading.recorded_requests import WARM_UP_FILE
from accelserve.server.warm_up.record_file import frame, masked_checksum, records

Serve = Callable[..., SimpleNamespace]
LOADING = LoadingConfig(poll_seconds=0, retry_seconds=3600)
PIXELS = from_array(np.zeros((3, 8, 8, 3), np.float32))


def predict_log(tensor: tf.TensorProto, *outputs: str, signature: str = "") -> serving.PredictionLog:
    request = serving.PredictRequest(
        model_spec=serving.ModelSpec(name="recorded-elsewhere", signature_name=signature),
        inputs={"images": tensor},
        output_filter=outputs,
    )
    return serving.PredictionLog(predict_log=serving.PredictLog(request=request))


def examples(*pictures: bytes) -> serving.Input:
    listed = [
        tf.Example(
            features=tf.Features(
                feature={"image/encoded": tf.Feature(bytes_list=tf.BytesList(value=[picture]))}
            )
        )
        for picture in pictures
    ]
    return serving.Input(example_list=serving.ExampleList(examples=listed))


def write(version: Path, *logs: serving.PredictionLog | bytes, raw: bytes = b"") -> None:
    file = version / WARM_UP_FILE
    file.parent.mkdir(parents=True)
    framed = [frame(log if isinstance(log, bytes) else log.SerializeToString()) for log in logs]
    file.write_bytes(b"".join(framed) + raw)


@pytest.fixture
def reload(serve: Serve, publish: Callable[..., Path]) -> Callable[..., SimpleNamespace]:
    """A server, and a second version with a warm-up file that it is then told to load."""

    def load_second(
        *logs: serving.PredictionLog | bytes,
        raw: bytes = b"",
        loading: LoadingConfig = LOADING,
        **more: object,
    ) -> SimpleNamespace:
        server = serve(server_settings={"loading": loading}, **more)
        hidden = publish(server.folder / "hidden", 2)
        write(hidden, *logs, raw=raw)
        hidden.rename(server.folder / "colour" / "2")
        server.second = ServableId("colour", 2)
        try:
            server.server.registry.reload(server.server.config.models)
        except LoadError as error:
            server.error = error
        return server

    return load_second


def status(server: SimpleNamespace) -> tuple[int, str]:
    request = serving.GetModelStatusRequest(model_spec=serving.ModelSpec(name="colour"))
    newest = ModelService.GET_MODEL_STATUS.stub(server.channel)(request, timeout=60).model_version_status[0]
    assert newest.version == 2
    return newest.state, newest.status.error_message


def test_every_kind_of_recorded_request_is_replayed(
    reload: Callable[..., SimpleNamespace], scoring_network: type, jpeg: bytes
) -> None:
    several = serving.MultiInferenceRequest(
        input=examples(jpeg),
        tasks=[
            serving.InferenceTask(model_spec=serving.ModelSpec(signature_name=signature))
            for signature in ("classify", "brightness")
        ],
    )
    classify = serving.ClassificationRequest(
        model_spec=serving.ModelSpec(signature_name="classify"), input=examples(jpeg, jpeg)
    )
    regress = serving.RegressionRequest(
        model_spec=serving.ModelSpec(signature_name="brightness"), input=examples(jpeg)
    )
    server = reload(
        predict_log(from_strings([jpeg] * 4), "brightest"),
        predict_log(PIXELS, signature="features"),
        serving.PredictionLog(classify_log=serving.ClassifyLog(request=classify)),
        serving.PredictionLog(regress_log=serving.RegressLog(request=regress)),
        serving.PredictionLog(multi_inference_log=serving.MultiInferenceLog(request=several)),
        network=scoring_network,
    )
    assert server.loader.loaded[server.second].batches == [4, 3, 2, 1, 1, 1]
    assert status(server) == (serving.ModelVersionStatus.AVAILABLE, "")


def test_iterations_and_large_batches(reload: Callable[..., SimpleNamespace]) -> None:
    twelve = from_array(np.zeros((12, 8, 8, 3), np.float32))
    server = reload(predict_log(twelve), loading=dataclasses.replace(LOADING, warm_up_iterations=2))
    assert server.loader.loaded[server.second].batches == [8, 4, 8, 4]


def test_the_flag_turns_it_off(reload: Callable[..., SimpleNamespace]) -> None:
    server = reload(raw=b"no records", loading=dataclasses.replace(LOADING, warm_up=False))
    assert server.loader.loaded[server.second].batches == []
    assert status(server)[0] == serving.ModelVersionStatus.AVAILABLE


GOOD = frame(predict_log(PIXELS).SerializeToString())
FAULTS = {
    "no-records": (b"x" * 40, ": corrupted record at 0. Please verify your warmup data is in TFRecord format."),
    "cut-in-the-header": (GOOD + b"x", f": truncated record at {len(GOOD)}. Please verify your warmup data"),
    "cut-in-the-record": (GOOD[:-9], ": truncated record at 0. Please verify your warmup data"),
    "altered": (
        GOOD[:40] + bytes([GOOD[40] ^ 1]) + GOOD[41:],
        ": corrupted record at 0. Please verify your warmup data",
    ),
    "no-message": (frame(b"\xff\xff"), ": no PredictionLog: "),
    "no-request": (frame(b""), ": Unsupported log_type for warmup: none"),
    "streamed": (
        frame(serving.PredictionLog(predict_streamed_log=serving.PredictStreamedLog()).SerializeToString()),
        ": Unsupported log_type for warmup: predict_streamed_log",
    ),
    "no-picture": (
        frame(predict_log(from_strings([b"no picture"])).SerializeToString()),
        ": Unknown image file format.",
    ),
    "unknown-signature": (
        frame(predict_log(PIXELS, signature="S").SerializeToString()),
        ': Serving signature key "S" not found.',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_bad_file_fails_the_load_and_says_why(
    reload: Callable[..., SimpleNamespace], raw: bytes, words: str
) -> None:
    server = reload(raw=raw)
    state, reason = status(server)
    assert state == serving.ModelVersionStatus.START  # it waits for its next try
    assert words in reason
    assert "colour/2/assets.extra/tf_serving_warmup_requests" in reason
    assert server.loader.loaded[server.second].closed
    assert not server.loader.loaded[ServableId("colour", 1)].closed  # the old version serves on


def test_more_than_a_thousand_records_are_refused(reload: Callable[..., SimpleNamespace]) -> None:
    _, reason = status(reload(raw=GOOD * 1001))
    assert reason.startswith("Number of warmup records exceeds the maximum (1000) at ")


def test_a_checksum_known_from_elsewhere() -> None:
    # RFC 3720, B.4: the CRC-32C of 32 zero bytes is 0x8a9136aa.
    crc = 0x8A9136AA
    assert masked_checksum(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_what_is_framed_is_read_back(tmp_path_factory: pytest.TempPathFactory, items: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("records") / "file"
    path.write_bytes(b"".join(map(frame, items)))
    assert list(records(path)) == items


@given(st.binary(max_size=200))
def test_a_length_that_was_never_written_asks_for_no_memory(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes
) -> None:
    path = tmp_path_factory.mktemp("records") / "file"
    length = struct.pack("<Q", 1 << 62)
    path.write_bytes(length + struct.pack("<I", masked_checksum(length)) + tail)
    with pytest.raises(LoadError, match="corrupted record at 0"):
        list(records(path))
