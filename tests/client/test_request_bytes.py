"""The same call makes the same bytes in Python and in C#: one file of calls and their requests holds both.

``clients/csharp/tests`` reads it too. To write it anew after an intended change:
``python -m tests.client.test_request_bytes``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelserve.client import ModelSelection
from accelserve.client.prediction import arrays_request, images_request, tensors_request
from accelserve.protos import tensorflow as tf

FILE = Path(__file__).parents[1] / "data" / "client_requests.json"
CALLS: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))


def request_of(call: dict[str, Any]) -> bytes:
    """The message of a call, in hexadecimal."""
    model = ModelSelection(**call.get("model", {}))
    outputs = call.get("outputs")
    if "images" in call:
        images = [bytes.fromhex(image) for image in call["images"]]
        request = images_request(images, input_name=call.get("input", "images"), model=model, outputs=outputs)
    elif "strings" in call:
        strings = [text.encode() for text in call["strings"]]
        raw = (strings, call["shape"], tf.DT_STRING)
        request = tensors_request({call["input"]: raw}, model=model, outputs=outputs)
    else:
        array = np.array(call["numbers"], call["dtype"]).reshape(call["shape"])
        request = arrays_request({call["input"]: array}, model=model, outputs=outputs)
    return request.SerializeToString(deterministic=True)


@pytest.mark.parametrize("call", CALLS, ids=[call["name"] for call in CALLS])
def test_the_bytes_are_those_of_the_file(call: dict[str, Any]) -> None:
    assert request_of(call).hex() == call["request"]


def test_a_request_is_the_callers_own() -> None:
    model = ModelSelection(name="flowers", version=3)
    first = images_request([b"a"], input_name="images", model=model, outputs=["classes"])
    first.model_spec.name = "other"
    first.inputs["images"].string_val[0] = b"z"
    second = images_request([b"b"], input_name="images", model=model, outputs=["classes"])
    assert second.model_spec.name == "flowers"
    assert list(second.inputs["images"].string_val) == [b"b"]


if __name__ == "__main__":
    for each in CALLS:
        each["request"] = request_of(each).hex()
    FILE.write_text("[\n  " + ",\n  ".join(map(json.dumps, CALLS)) + "\n]\n", encoding="utf-8")
