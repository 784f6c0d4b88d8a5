"""Every Python block of docs/client.md runs, in order, against a real server."""

import re
import shutil
from pathlib import Path

import pytest
import skimage.data

from accelserve.protos import tensorflow as tf
from accelserve.protos import tensorflow_serving as serving
from accelserve.protos.tensors import shape_proto

from .peer import Peer, image_lengths

PAGE = Path(__file__).parents[2] / "docs" / "client.md"
PHOTO = Path(skimage.data.__file__).with_name("rocket.jpg")


def test_the_examples_run(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(PHOTO, "photo.jpg")
    for name in ("ca.pem", "client.key", "client.pem"):
        Path(name).write_text("no connection is made with these")
    signatures = serving.SignatureDefMap()
    images = tf.TensorInfo(dtype=tf.DT_STRING, tensor_shape=shape_proto([-1]))
    signatures.signature_def["serving_default"].inputs["images"].CopyFrom(images)
    peer.metadata_answer.metadata["signature_def"].Pack(signatures)
    peer.status_answer.model_version_status.add(version=7, state=serving.ModelVersionStatus.AVAILABLE)
    peer.answer = lambda request, context: image_lengths(request, context, names=("output_alias", "other"))

    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(blocks) == PAGE.read_text().count("```python") == 7
    names: dict[str, object] = {}
    for block in blocks:
        program = block.replace('"localhost", 8500', f'"127.0.0.1", {peer.port}').replace(
            ":8500", f":{peer.port}"
        )
        exec(compile(program, str(PAGE), "exec"), names)  # noqa: S102 - our own page

    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["(1,)", "(3, 1) ['output_alias']"]
    assert "serving_default {'images': ('DT_STRING', (None,))}" in printed
    assert "7 AVAILABLE " in printed
    results = names["results"]
    assert isinstance(results, list)
    assert len(results) == 4
