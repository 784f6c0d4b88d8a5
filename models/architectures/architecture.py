"""What an architecture is: a function that writes the network down, and the facts that belong to its weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from accelserve.kernels.preprocess import PreprocessSpec, preprocess_spec
from accelserve.kernels.preprocess.spec import Interpolation
from accelserve.models.architectures.blueprint import Blueprint, Weights
from accelserve.models.architectures.network import Network

Define: TypeAlias = Callable[..., None]
"""Called with a Network, ``classes`` and an architecture's own options; writes layers and outputs."""

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.\w+$")

KERAS_SUFFIXES = (".h5", ".hdf5")
KERAS_PREPROCESS = "imagenet-caffe-bgr"
"""What keras.applications trains the networks with that it shares with torchvision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedWeights:
    """Weights that someone published.

    Attributes:
        url: where they are, or the file's name where nobody pulls them; it ends in ``-HASH.pth``, HASH being the first 8 digits of its SHA-256.
        resize: pixels of the shorter side before the central crop, as they were evaluated.
        interpolation: of that resize; the preset's if None.
    """

    url: str
    resize: int = 256
    interpolation: Interpolation | None = None

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def sha256(self) -> str:
        """The first digits of the file's SHA-256, as its name has them; empty if it has none."""
        found = _HASH_IN_NAME.search(self.file_name)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierWeight:
    """The weight whose rows tell how many classes a checkpoint was trained for.

    Attributes:
        name: its name in the ``state_dict``.
        rows_per_class: rows it has for each class (an SSD head has one per anchor).
    """

    name: str
    rows_per_class: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network that can be built by name.

    Attributes:
        name: as torchvision or timm spells it.
        define: writes the network down.
        image_size: rows and columns of its pictures, pixels.
        preprocess: name of the preset in ``kernels.preprocess`` that its weights were trained with.
        classes: classes of the published weights.
        outputs: what its ONNX file answers with unless asked otherwise.
        classifier: where to see the number of classes in a checkpoint; None if it has no classifier.
        pixel_scale: standard deviation of a preprocessed pixel, roughly; random weights start from it.
        published: the weights to pull, or None.
        also_published: other weights of the same network, which a file is recognised as by its SHA-256.
        renames: (pattern, replacement) for names that other publishers of the same network use.
        detection: name of the preset in ``kernels.postprocess`` that decodes its outputs; None if it detects nothing.
        labels: name of the list in ``models.labels`` that its published weights, or those of its contract, were trained
            for; None for none.
        keras_layers: Keras layer name -> prefix of the ``state_dict``, where Keras' network is the same.
    """

    name: str
    define: Define
    image_size: int
    preprocess: str
    classes: int
    outputs: tuple[str, ...]
    classifier: ClassifierWeight | None
    pixel_scale: float = 1.0
    published: PublishedWeights | None = None
    also_published: tuple[PublishedWeights, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    detection: str | None = None
    labels: str | None = None
    keras_layers: Mapping[str, str] = field(default_factory=dict)

    def blueprint(
        self, *, classes: int | None = None, image_size: int | None = None, **options: int | tuple[int, ...]
    ) -> Blueprint:
        """The network without weights, with every output it can give.

        Args:
            classes: number of classes; the published number if None.
            image_size: rows and columns of the pictures, pixels; the usual size if None.
            options: the architecture's own, such as ``width`` and ``depths`` for a smaller network of its kind.

        Raises:
            ValueError: if the size or an option leaves some layer no room.
        """
        size = image_size or self.image_size
        network = Network(self.name, (size, size, 3))
        self.define(network, classes=classes or self.classes, **options)
        return network.blueprint()

    @property
    def published_files(self) -> tuple[PublishedWeights, ...]:
        """All weights of this network that are known, those to pull first."""
        return (*((self.published,) if self.published else ()), *self.also_published)

    def preprocess_for(self, weights: PublishedWeights | None = None) -> PreprocessSpec:
        """How pictures are prepared for published weights; the usual way for this network if None."""
        spec = preprocess_spec(self.preprocess)
        if weights is None:
            return spec
        interpolation = weights.interpolation or spec.interpolation
        return replace(
            spec, resize_height=weights.resize, resize_width=weights.resize, interpolation=interpolation
        )

    def canonical_name(self, name: str) -> str:
        """The ``state_dict`` name that another publisher's name stands for."""
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name

    def count_classes(self, weights: Weights) -> int | None:
        """Number of classes that ``weights`` were trained for; None if they do not tell."""
        if self.classifier is None or self.classifier.name not in weights:
            return None
        shape = weights[self.classifier.name].shape
        return shape[0] // self.classifier.rows_per_class if shape else None
