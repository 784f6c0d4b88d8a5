"""Judge: the grammar of references, https://pkg.go.dev/github.com/distribution/reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelserve.deployment.errors import DeploymentError, ImageNameError
from accelserve.deployment.images.names import base_image, image_name, model_version
from accelserve.models.errors import (
    CorruptVersionError,
    ModelNameError,
    ModelNotFoundError,
    RecordNotFoundError,
    RegistryError,
)
from tests.deployment.servables import published


@pytest.mark.parametrize(
    ("text", "name", "tag"),
    [
        ("resnet50", "resnet50", "latest"),
        ("resnet50:3", "resnet50", "3"),
        ("localhost/team/resnet50:v1.0_b", "localhost/team/resnet50", "v1.0_b"),
        ("registry.example:5000/a/b", "registry.example:5000/a/b", "latest"),
        ("Registry.Example/a__b-c:1", "Registry.Example/a__b-c", "1"),
        ("host:5000/a:1", "host:5000/a", "1"),
    ],
)
def test_names_are_read_as_engines_read_them(text: str, name: str, tag: str) -> None:
    assert image_name(text) == (name, tag)


@pytest.mark.parametrize(
    "text",
    ["", "ResNet", "a b", "a:", ":1", "a/", "/a", "a//b", "a:-1", "a:" + "x" * 129, "../a", "a..b", "-a", "a;b", "x" * 201],
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ImageNameError):
        image_name(text)


def test_a_base_may_be_pinned_by_its_digest() -> None:
    pinned = f"registry.example/python@sha256:{'a' * 64}"
    assert base_image(pinned) == pinned
    for text in ("python@sha256:abc", "python@md5:1", "python:3.11\nRUN evil"):
        with pytest.raises(ImageNameError):
            base_image(text)


def test_a_model_is_its_latest_version_or_the_one_that_is_named(tmp_path: Path) -> None:
    published(tmp_path)
    published(tmp_path, content=b"another")
    assert [
        model_version(str(tmp_path), text).version for text in ("cats", "cats:latest", "cats:2", "cats:1")
    ] == [2, 2, 2, 1]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("dogs", ModelNotFoundError),
        ("cats:9", ModelNotFoundError),
        ("cats:stable", RecordNotFoundError),
        ("cats:-", RegistryError),
        ("../cats", ModelNameError),
        ("", ModelNameError),
    ],
)
def test_a_model_that_is_missing_is_refused(tmp_path: Path, text: str, error: type[Exception]) -> None:
    published(tmp_path)
    with pytest.raises(error):
        model_version(str(tmp_path), text)


def test_a_model_that_was_altered_is_refused(tmp_path: Path) -> None:
    (published(tmp_path) / "model.onnx").write_bytes(b"a netw0rk")
    with pytest.raises(CorruptVersionError):
        model_version(str(tmp_path), "cats")


def test_an_object_store_is_refused_with_the_next_step() -> None:
    with pytest.raises(DeploymentError, match="pull the model from s3://bucket/models first"):
        model_version("s3://bucket/models", "cats")
