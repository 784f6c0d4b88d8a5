"""Images and deployments, and the order in which they are deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelserve.models.errors import (
    ModelNotFoundError,
    RecordExistsError,
    RecordNotFoundError,
    RegistryError,
    StillUsedError,
)
from accelserve.models.registry.records import DeploymentRecord, ImageRecord, Records, split_reference
from tests.models.repository.test_store import published

IMAGE = ImageRecord(name="registry.example:5000/team/net", tag="1", model="net", version=1)
EDGE = DeploymentRecord(
    name="door", kind="edge", model="net", version=1, image=IMAGE.reference, files="/srv/door"
)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """Of a repository with versions 1 and 2 of 'net'."""
    published(tmp_path)
    published(tmp_path)
    return Records(str(tmp_path))


def test_an_image_is_found_by_its_name_and_by_its_model(records: Records) -> None:
    records.add_image(IMAGE)
    other = ImageRecord(name="net", tag="latest", model="net", version=2)
    records.add_image(other)
    assert records.image(IMAGE.name, "1") == IMAGE
    assert records.images() == records.images("net") == [other, IMAGE]
    assert records.images("net", 1) == [IMAGE]
    assert records.images("cat") == records.images("net", 3) == []
    built = records.change_image(IMAGE.name, "1", state="succeeded", size_bytes=5, digest="sha256:0")
    assert records.image(IMAGE.name, "1") == built
    assert (built.state, built.size_bytes, built.created) == ("succeeded", 5, IMAGE.created)


def test_a_second_image_of_a_name_is_refused_unless_it_replaces(records: Records) -> None:
    records.add_image(IMAGE)
    with pytest.raises(
        RecordExistsError, match=f"image '{IMAGE.reference}' is recorded already, creating; take another tag"
    ):
        records.add_image(IMAGE)
    records.add_image(ImageRecord(name=IMAGE.name, tag="1", model="net", version=2), replace=True)
    assert records.image(IMAGE.name, "1").version == 2


def test_an_image_of_a_version_that_is_not_there_is_refused(records: Records, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=f"{tmp_path} has no version 7 of model 'net'"):
        records.add_image(ImageRecord(name="net", tag="1", model="net", version=7))
    assert records.images() == []


def test_what_is_used_is_deleted_after_what_uses_it(records: Records) -> None:
    records.add_image(IMAGE)
    records.add_deployment(EDGE)
    assert records.deployments(image=IMAGE.reference) == records.deployments(model="net", version=1) == [EDGE]
    with pytest.raises(
        StillUsedError, match=r"is still used by edge deployment 'door'; delete deployments first"
    ):
        records.delete_image(IMAGE.name, "1")
    assert records.image(IMAGE.name, "1") == IMAGE
    with pytest.raises(
        StillUsedError, match=r"version 1 of model 'net' is still used by edge deployment 'door'"
    ):
        records.refuse_used("net", 1)
    records.delete_deployment("door")
    with pytest.raises(
        StillUsedError, match=r"by image 'registry.example:5000/team/net:1'; delete images first"
    ):
        records.refuse_used("net", 1)
    records.delete_image(IMAGE.name, "1")
    records.refuse_used("net", 1)
    assert records.images() == []
    assert records.deployments() == []


def test_an_image_that_cannot_be_removed_stays_recorded(records: Records) -> None:
    records.add_image(IMAGE)

    def fails(_image: ImageRecord) -> None:
        raise OSError("the engine is away")

    with pytest.raises(OSError, match="the engine is away"):
        records.delete_image(IMAGE.name, "1", fails)
    assert records.image(IMAGE.name, "1") == IMAGE


def test_nothing_is_deployed_from_an_image_that_goes(records: Records) -> None:
    records.add_image(IMAGE)

    def meanwhile(_image: ImageRecord) -> None:
        with pytest.raises(RecordNotFoundError):
            records.add_deployment(EDGE)

    records.delete_image(IMAGE.name, "1", meanwhile)
    assert records.deployments() == []


def test_what_is_not_there_is_said_with_what_is(records: Records, tmp_path: Path) -> None:
    records.add_image(IMAGE)
    with pytest.raises(
        RecordNotFoundError, match=f"{tmp_path} has no image 'net:1'; there are {IMAGE.reference}"
    ):
        records.image("net", "1")
    with pytest.raises(RecordNotFoundError, match=f"{tmp_path} has no deployment 'door'$"):
        records.delete_deployment("door")
    with pytest.raises(RecordNotFoundError, match="has no image 'cat:1'"):
        records.add_deployment(
            DeploymentRecord(name="cat", kind="process", model="net", version=1, image="cat:1")
        )
    assert records.deployments() == []


@pytest.mark.parametrize("name", ["", "../x", "a/../b", ".a", "a//b", "a:b", "a b", "-a", "a/", "x" * 201])
@pytest.mark.parametrize("tag", ["1"])
def test_names_that_engines_refuse_are_refused(name: str, tag: str, records: Records) -> None:
    with pytest.raises(RegistryError, match="is no image name"):
        records.add_image(ImageRecord(name=name, tag=tag, model="net", version=1))


@given(text=st.text(max_size=30))
def test_any_name_is_recorded_as_it_is_or_refused(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("outside") / "repository"
    published(folder)
    records = Records(str(folder))
    image = ImageRecord(name=text, tag="1", model="net", version=1)
    try:
        records.add_image(image)
    except RegistryError:
        assert records.images() == []
    else:
        assert records.images() == [image]
    assert [path.name for path in folder.parent.iterdir()] == ["repository"]


def test_references() -> None:
    assert split_reference("net") == ("net", "latest")
    assert split_reference("net:3") == ("net", "3")
    assert split_reference("host:5000/net") == ("host:5000/net", "latest")
    assert split_reference("host:5000/net:3") == ("host:5000/net", "3")
