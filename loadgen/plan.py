"""What to ask, whom, and how often. Everything here is sent to the client processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Api: TypeAlias = Literal["tfserving", "kserve"]
PixelType: TypeAlias = Literal["uint8", "float32"]
HTTP_SCHEMES = ("http://", "https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files.

    Attributes:
        ca: who signed the server's certificate; None is the authorities that the system (gRPC: that gRPC) trusts.
        key: of the client's certificate; with ``certificate`` or not at all.
        certificate: the client's.
        server_name: in the server's certificate, where it is not the address; empty if it is.
    """

    ca: Path | None = None
    key: Path | None = None
    certificate: Path | None = None
    server_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelTensor:
    """What an input takes that wants decoded pictures.

    Attributes:
        dtype: ``uint8`` for levels, ``float32`` for levels / 255.
        height: in pixels.
        width: in pixels.
        channels: 3 for red, green, blue; 1 for gray.
        channels_first: [N, C, H, W] rather than [N, H, W, C].
    """

    dtype: PixelType
    height: int
    width: int
    channels: int
    channels_first: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a picture."""
        height, width, channels = self.height, self.width, self.channels
        return (channels, height, width) if self.channels_first else (height, width, channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a server of the Open Inference Protocol wants its tensors; the first request finds out.

    Attributes:
        column: encoded pictures as [N, 1] rather than [N], which is what Triton asks of a model with a batch.
        as_json: over REST, in JSON rather than in the binary tensor data extension, which MLServer does not read.
    """

    column: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A model behind an address.

    Attributes:
        address: ``HOST:PORT`` or ``unix:PATH`` for gRPC, ``http://HOST:PORT`` or ``https://HOST:PORT`` for REST.
        api: TensorFlow Serving's Predict, or the Open Inference Protocol.
        model: empty is the server's only or default model, over gRPC.
        version: None is the server's choice.
        signature: empty is the server's default.
        input_name: of the input that takes pictures.
        pixels: what that input takes; None is encoded pictures.
        token: sent as ``authorization: Bearer``; empty sends none.
        tls: None is plain text, unless the address begins with ``https://``.
        timeout_seconds: a request without an answer counts as an error then.
    """

    address: str
    api: Api = "tfserving"
    model: str = ""
    version: int | None = None
    signature: str = ""
    input_name: str = "images"
    pixels: PixelTensor | None = None
    token: str = ""
    tls: TlsFiles | None = None
    timeout_seconds: float = 30.0

    @property
    def over_http(self) -> bool:
        """REST rather than gRPC."""
        return self.address.startswith(HTTP_SCHEMES)

    @property
    def protocol(self) -> str:
        """In words."""
        name = {"tfserving": "TensorFlow Serving", "kserve": "Open Inference Protocol"}[self.api]
        return f"{name} over {'REST' if self.over_http else 'gRPC'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A closed loop: so many callers, each of which sends its next request when it has the answer to its last."""

    callers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """An open loop: requests arrive as a Poisson process, whatever became of those before.

    Attributes:
        rate: requests a second.
        max_in_flight: arrivals beyond so many unanswered requests wait in the client; their time counts from the arrival.
    """

    rate: float
    max_in_flight: int


Load: TypeAlias = Closed | Open


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One measurement.

    Attributes:
        load: of all client processes together.
        seconds: in which requests are sent; those in flight then are waited for.
        deadline_ms: answers within it count as goodput; None counts every answer.
        seed: of the arrivals.
    """

    load: Load
    seconds: float
    deadline_ms: float | None
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What is sent.

    Attributes:
        files: encoded pictures, or the bytes of their tensors in C order, each once.
        order: indices into ``files`` in the order of sending, then again from the beginning.
        description: where they come from and how large they are.
    """

    files: Sequence[bytes]
    order: Sequence[int]
    description: str

    @property
    def mean_bytes(self) -> float:
        """Of a picture as it is sent."""
        return sum(len(self.files[index]) for index in self.order) / len(self.order)
