"""PyTorch's files are read without PyTorch, to the bit, and nothing in them is run."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accelserve.models.errors import ModelFileError
from accelserve.models.weights.torch_file import Placeholder, read_torch_file

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(DATA / "expected.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize("file", ["archive.pth", "stream.pth"])
def test_both_formats_give_what_was_saved(file: str, expected: dict[str, np.ndarray]) -> None:
    root = read_torch_file(DATA / file)
    assert isinstance(root, dict)
    assert list(root) == list(expected)
    for name, values in expected.items():
        assert root[name].shape == values.shape, name
        np.testing.assert_array_equal(root[name].astype(np.float32), values, err_msg=name)


def test_dtypes_stay_except_bfloat16() -> None:
    root = read_torch_file(DATA / "archive.pth")
    assert isinstance(root, dict)
    found = {
        name: root[name].dtype.name for name in ("float64", "float16", "bfloat16", "int64", "uint8", "bool")
    }
    assert found == {
        "float64": "float64",
        "float16": "float16",
        "bfloat16": "float32",
        "int64": "int64",
        "uint8": "uint8",
        "bool": "bool",
    }


def test_training_arguments_beside_the_weights_are_placeholders() -> None:
    root = read_torch_file(DATA / "training.pth")
    assert isinstance(root, dict)
    assert root["epoch"] == 3
    assert isinstance(root["args"], Placeholder)
    assert root["state_dict"]["module.row"].shape == (6,)


def test_torchscript_is_refused_with_the_way_out() -> None:
    with pytest.raises(ModelFileError, match=r"TorchScript.*state_dict"):
        read_torch_file(DATA / "script.pt")


class _Runs:
    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, ...]:
        return self.call[0], self.call[1:]


def archive(
    tmp_path: Path, root: object, members: dict[str, bytes] | None = None, compress: bool = False
) -> Path:
    path = tmp_path / "made.pth"
    content = root if isinstance(root, bytes) else pickle.dumps(root, protocol=2)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as file:
        file.writestr("made/data.pkl", content)
        for name, data in (members or {}).items():
            file.writestr(f"made/{name}", data)
    return path


def test_a_pickle_that_would_run_a_command_runs_nothing(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    path = archive(tmp_path, {"weights": _Runs(open, str(target), "w"), "more": _Runs(eval, "1 / 0")})
    root = read_torch_file(path)
    assert isinstance(root, dict)
    assert isinstance(root["weights"], Placeholder)
    assert not target.exists()


def tensor_pickle(elements: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """A pickle of ``{"w": tensor}``, written opcode by opcode."""

    def raw(value: object) -> bytes:
        return pickle.dumps(value, protocol=2)[2:-1]

    storage = (
        b"(" + raw("storage") + b"ctorch\nFloatStorage\n" + raw("0") + raw("cpu") + raw(elements) + b"tQ"
    )
    arguments = b"(" + storage + raw(offset) + raw(shape) + raw(strides) + raw(False) + raw(None) + b"t"
    return b"\x80\x02}" + raw("w") + b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"Rs."


def test_the_handmade_pickle_is_a_checkpoint(tmp_path: Path) -> None:
    path = archive(tmp_path, tensor_pickle(4, 1, (3,), (1,)), {"data/0": np.arange(4, dtype="<f4").tobytes()})
    root = read_torch_file(path)
    assert isinstance(root, dict)
    np.testing.assert_array_equal(root["w"], [1, 2, 3])


@pytest.mark.parametrize(
    ("claim", "size"),
    [
        pytest.param((4, 2, (3,), (1,)), 16, id="offset-beyond-the-end"),
        pytest.param((4, 0, (2, 2), (3, 1)), 16, id="strides-beyond-the-end"),
        pytest.param((4, 0, (2, 2), (-1, 1)), 16, id="negative-stride"),
        pytest.param((4, -1, (2,), (1,)), 16, id="negative-offset"),
        pytest.param((4, 0, (10**9, 10**9), (0, 0)), 16, id="exabytes-of-one-element"),
        pytest.param((4, 0, (2**62, 4), (1, 1)), 16, id="overflowing-shape"),
        pytest.param((8, 0, (2,), (1,)), 16, id="storage-shorter-than-claimed"),
        pytest.param((2**60, 0, (2,), (1,)), 16, id="storage-of-exabytes"),
        pytest.param((4, 0, (2, 2), (1,)), 16, id="ranks-differ"),
    ],
)
def test_tensors_that_claim_more_than_there_is_are_refused(
    tmp_path: Path, claim: tuple[int, int, tuple[int, ...], tuple[int, ...]], size: int
) -> None:
    path = archive(tmp_path, tensor_pickle(*claim), {"data/0": bytes(size)})
    with pytest.raises(ModelFileError, match="damaged"):
        read_torch_file(path)


def test_a_compressed_member_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, tensor_pickle(4, 0, (4,), (1,)), {"data/0": bytes(16)}, compress=True)
    with pytest.raises(ModelFileError, match="compressed"):
        read_torch_file(path)


def test_big_endian_tensors_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, tensor_pickle(4, 0, (4,), (1,)), {"data/0": bytes(16), "byteorder": b"big"})
    with pytest.raises(ModelFileError, match="big-endian"):
        read_torch_file(path)


@pytest.mark.parametrize("store", [b"r\x00\x04\x00\x00", b"p1024\n", b"q\x80"])
@pytest.mark.parametrize("streamed", [False, True])
def test_more_objects_than_there_are_bytes_are_refused_before_a_table_is_made_for_them(
    store: bytes, streamed: bool, tmp_path: Path
) -> None:
    content = b"\x80\x02}" + store + b"."
    if streamed:
        whole = (DATA / "stream.pth").read_bytes()
        head = whole.index(b"}", whole.index(b".", 15)) - 2
        path = tmp_path / "made.pth"
        path.write_bytes(whole[:head] + content)
    else:
        path = archive(tmp_path, content)
    with pytest.raises(
        ModelFileError, match=r"damaged one: a pickle's object number \d+ is stored after 3 bytes"
    ):
        read_torch_file(path)


def test_containers_that_contain_themselves_end(tmp_path: Path) -> None:
    loop: dict[str, object] = {"w": 1}
    loop["self"] = loop
    root = read_torch_file(archive(tmp_path, loop))
    assert root == {"w": 1, "self": None}


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04", pickle.dumps({"a": 1})])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"not a PyTorch checkpoint"):
        read_torch_file(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="No such file"):
        read_torch_file(tmp_path / "none.pth")


@pytest.mark.parametrize("file", ["archive.pth", "stream.pth"])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damage_is_an_error_or_harmless_but_never_a_crash(
    file: str, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray((DATA / file).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.pth"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        root = read_torch_file(path)
    except ModelFileError:
        return
    # what is left must be whole arrays inside their storage: reading every element must work
    if isinstance(root, dict):
        io.BytesIO(b"".join(v.tobytes() for v in root.values() if isinstance(v, np.ndarray)))
