"""Encoded pictures to the network's input tensor, several at a time."""

from __future__ import annotations

import dataclasses
import math
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import cached_property, lru_cache
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from accelserve.kernels.ir import QuantParams
from accelserve.kernels.native.compiled import ArrayFunction
from accelserve.kernels.preprocess import transform
from accelserve.kernels.preprocess.clock import StageClock
from accelserve.kernels.preprocess.decode import decode_image
from accelserve.kernels.preprocess.decoded import DecodedBatch
from accelserve.kernels.preprocess.errors import ImageError, PreprocessSpecError
from accelserve.kernels.preprocess.formats import jpeg
from accelserve.kernels.preprocess.geometry import crop_window
from accelserve.kernels.preprocess.limits import ImageLimits
from accelserve.kernels.preprocess.sampling import Axis, filter_taps, two_taps
from accelserve.kernels.preprocess.spec import PreprocessSpec
from accelserve.kernels.preprocess.transform import CHANNELS

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

_SIDE_OF_WARM_UP = 9
# As for the tables themselves (``sampling``), which these hold on to.
_LARGEST_KEPT_SIDE = 16_384
_KEPT_SIZES = 32


class Preprocessor:
    """Decode, resize, crop, normalize and quantize as one description says.

    Safe to use from several threads at once. The same bytes in give the same bytes out, whatever the batch, the
    threads, the CPU.

    Args:
        spec: the network's preprocessing.
        input_scale: the scale of the quantized input; positive.
        input_zero_point: the zero point of the quantized input, 0..255.
        limits: bounds on each picture.
        executor: runs pictures beside the calling thread, which works too; None works in the calling thread alone.
            Calling ``run`` from a thread of this same executor cannot deadlock.

    Attributes:
        shape: height, width and channels of one picture in the result.

    Raises:
        PreprocessSpecError: if the scale or the zero point is out of its range.
    """

    def __init__(
        self,
        spec: PreprocessSpec,
        *,
        input_scale: float,
        input_zero_point: int,
        limits: ImageLimits | None = None,
        executor: Executor | None = None,
    ) -> None:
        if not (math.isfinite(input_scale) and float(np.float32(input_scale)) > 0.0):
            raise PreprocessSpecError("input_scale", f"got {input_scale!r}, expected a positive float32.")
        if not 0 <= input_zero_point <= 255:
            raise PreprocessSpecError("input_zero_point", f"got {input_zero_point!r}, expected 0 to 255.")
        self.spec = spec
        self.limits = limits or ImageLimits()
        self._to = QuantParams(float(np.float32(input_scale)), int(input_zero_point))
        self._executor = executor
        self._mean_row, self._scale_row = _rows_of(spec)
        self._border = self.quantize(_border(spec)) if spec.pad else None
        self._kept_fit = lru_cache(maxsize=_KEPT_SIZES)(self._fit)
        self.shape = spec.crop_height, spec.crop_width, spec.channels

    @cached_property
    def _levels(self) -> transform.Levels:
        return transform.Levels.of(self._mean_row, self._scale_row, self._to)

    def run(self, images: Sequence[bytes], out: U8 | None = None) -> U8:
        """The quantized input of a batch.

        Args:
            images: encoded pictures, N of them.
            out: uint8 [N, height, width, channels] of any strides, written; a new array if None.

        Returns:
            uint8 [N, height, width, channels]: ``out``, or the new array.

        Raises:
            ImageError: for the first picture that cannot be used, naming its element; the others have been written.
            ValueError: if ``out`` has another shape or dtype.
        """
        return self.run_each(images, out).complete()

    def run_each(
        self, images: Sequence[bytes], out: U8 | None = None, clock: StageClock | None = None
    ) -> DecodedBatch[np.uint8]:
        """As ``run``, but a bad picture spoils nothing else.

        Args:
            images: as for ``run``.
            out: as for ``run``.
            clock: told how long each picture took to decode and to transform.

        Returns:
            uint8 pixels [N, height, width, channels], in ``out`` if there is one.

        Raises:
            ValueError: if ``out`` has another shape or dtype.
        """
        expected = (len(images), *self.shape)
        result = np.empty(expected, np.uint8) if out is None else out
        if result.shape != expected or result.dtype != np.uint8:
            raise ValueError(f"out: got {result.dtype} {result.shape}, expected uint8 {expected}")
        errors: dict[int, ImageError] = {}

        def one(index: int) -> None:
            begin = perf_counter()
            try:
                pixels = decode_image(images[index], self.spec.color_order, self.limits)
            except ImageError as error:
                errors[index] = error.with_element(index)
                return
            decoded = perf_counter()
            self.transform(pixels, result[index])
            if clock is not None:
                clock.add(decoded - begin, perf_counter() - decoded)

        _for_each(len(images), one, self._executor)
        return DecodedBatch(result, _in_order(errors) if errors else errors)

    def run_float(self, images: Sequence[bytes]) -> F32:
        """What the network would see before quantization; quantizing it gives what ``run`` gives.

        Returns:
            float32 [N, height, width, channels].

        Raises:
            ImageError: for the first picture that cannot be used, naming its element.
        """
        return preprocess_each_float(self.spec, images, self.limits, self._executor).complete()

    def transform(self, pixels: U8, out: U8) -> None:
        """Resize, crop, normalize and quantize a decoded picture.

        Args:
            pixels: uint8 [any height, any width, channels], C-contiguous, channels in the description's order.
            out: uint8 [height, width, channels] of any strides, written.
        """
        height, width, channels = pixels.shape
        kept = height <= _LARGEST_KEPT_SIDE and width <= _LARGEST_KEPT_SIDE
        fit = (self._kept_fit if kept else self._fit)(height, width)
        if self._border is None:
            inner = out
        else:
            out[:] = self._border
            inner = out[fit.placed.rows, fit.placed.columns]
        if channels != CHANNELS:
            dense = np.empty((*inner.shape[:2], CHANNELS), np.uint8)
            _fill(fit, _widened(pixels), dense)
            inner[:] = dense[..., :1]
        else:
            _fill(fit, pixels, inner)

    def _fit(self, height: int, width: int) -> _Fit:
        placed = _placed(self.spec, height, width)
        values = placed.x.count * CHANNELS
        mean, scale = self._mean_row[:values], self._scale_row[:values]
        match self.spec.interpolation:
            case "bilinear-legacy" | "bilinear" as linear:
                taps = two_taps(placed.y, linear), two_taps(placed.x, linear)

                def interpolate(pixels: U8, out: U8) -> None:
                    transform.bilinear_quantized(pixels, *taps, mean, scale, self._to, out)

                return _Fit(placed, interpolate)
            case "bilinear-antialias" | "bicubic-antialias" as smooth:
                filters = filter_taps(placed.y, smooth), filter_taps(placed.x, smooth)
                return _Fit(placed, transform.QuantizingFilter(*filters, self._levels))

    def quantize(self, values: npt.ArrayLike) -> U8:
        """Quantize values that were preprocessed elsewhere.

        Args:
            values: float32, any shape; infinities saturate and NaN becomes 0.

        Returns:
            uint8 of the same shape, ``clamp(rne(value / scale) + zero_point, 0, 255)``.
        """
        return transform.quantize(values, self._to)

    def warm_up(self, cache: Path | None = None) -> None:
        """Compile, or read from ``cache``, what a request needs, so that the first one is as fast as the rest."""
        load_code(self.spec, cache)
        pixels = np.zeros((_SIDE_OF_WARM_UP, _SIDE_OF_WARM_UP, CHANNELS), np.uint8)
        padded = np.empty((*self.shape[:2], CHANNELS + 1), np.uint8)
        fit = self._fit(_SIDE_OF_WARM_UP, _SIDE_OF_WARM_UP)
        _fill(fit, pixels, padded[fit.placed.rows, fit.placed.columns, :CHANNELS])
        self.quantize(np.zeros((1, 1), np.float32))


def load_code(spec: PreprocessSpec, cache: Path | None) -> None:
    """Compile, or read from ``cache``, what quantized networks of this description need, and run nothing of it."""
    for each in functions_of(spec):
        each.load(cache)


def functions_of(spec: PreprocessSpec) -> tuple[ArrayFunction, ...]:
    """The compiled functions that quantized networks of this description need."""
    antialiased = spec.interpolation in {"bilinear-antialias", "bicubic-antialias"}
    return *jpeg.FUNCTIONS, *transform.functions(antialiased=antialiased)


def preprocess_float(spec: PreprocessSpec, image: bytes, limits: ImageLimits | None = None) -> F32:
    """What a network with this description sees of one picture, before quantization.

    Args:
        spec: the description.
        image: the encoded picture.
        limits: bounds on the picture; the defaults if None.

    Returns:
        float32 [crop height, crop width, channels].

    Raises:
        ImageError: if the picture cannot be used.
    """
    return transform_float(spec, decode_image(image, spec.color_order, limits))


def preprocess_each_float(
    spec: PreprocessSpec,
    images: Sequence[bytes],
    limits: ImageLimits | None = None,
    executor: Executor | None = None,
) -> DecodedBatch[np.float32]:
    """As ``preprocess_float``, for several pictures, of which a bad one spoils nothing else.

    Args:
        spec: the description.
        images: encoded pictures, N of them.
        limits: bounds on every picture; the defaults if None.
        executor: helpers of the calling thread; None works in it alone.

    Returns:
        float32 pixels [N, crop height, crop width, channels].
    """
    result = np.empty((len(images), spec.crop_height, spec.crop_width, spec.channels), np.float32)
    errors: dict[int, ImageError] = {}

    def one(index: int) -> None:
        try:
            result[index] = preprocess_float(spec, images[index], limits)
        except ImageError as error:
            errors[index] = error.with_element(index)

    _for_each(len(images), one, executor)
    return DecodedBatch(result, _in_order(errors))


def transform_float(spec: PreprocessSpec, pixels: U8) -> F32:
    """Resize, crop and normalize a decoded picture.

    Args:
        spec: the description.
        pixels: uint8 [height, width, channels], C-contiguous, channels in the description's order.

    Returns:
        float32 [crop height, crop width, channels].
    """
    placed = _placed(spec, *pixels.shape[:2])
    whole = np.empty((spec.crop_height, spec.crop_width, CHANNELS), np.float32)
    if spec.pad:
        whole[:] = _border(spec)
    inner = whole[placed.rows, placed.columns]
    out = np.ascontiguousarray(inner).reshape(inner.shape[0], -1)  # of ``whole`` itself, unless that is wider
    mean, scale = (row[: out.shape[1]] for row in _rows_of(spec))
    match spec.interpolation:
        case "bilinear-legacy" | "bilinear" as linear:
            taps = two_taps(placed.y, linear), two_taps(placed.x, linear)
            transform.bilinear_float(_flat_rows(_widened(pixels)), *taps, mean, scale, out)
        case "bilinear-antialias" | "bicubic-antialias" as smooth:
            filters = filter_taps(placed.y, smooth), filter_taps(placed.x, smooth)
            transform.filtered_float(_flat_rows(_widened(pixels)), *filters, mean, scale, out)
    if spec.pad:
        inner[:] = out.reshape(inner.shape)
    return whole if spec.channels == CHANNELS else np.ascontiguousarray(whole[..., :1])


def _border(spec: PreprocessSpec) -> F32:
    """The normalized pixel around a letterboxed picture, float32 [channels]."""
    pad, mean, scale = (np.array(values, np.float32) for values in (spec.pad, spec.mean, spec.scale))
    return np.asarray((pad - mean) * scale, np.float32)


def _rows_of(spec: PreprocessSpec) -> tuple[F32, F32]:
    """Mean and scale of every value of a row."""
    mean, scale = (np.resize(np.array(values, np.float32), CHANNELS) for values in (spec.mean, spec.scale))
    return np.tile(mean, spec.crop_width), np.tile(scale, spec.crop_width)


def _widened(pixels: U8) -> U8:
    """Grey as three equal channels: the compiled passes take three, and each channel goes its own way."""
    return pixels if pixels.shape[2] == CHANNELS else np.repeat(pixels, CHANNELS, axis=2)


@dataclasses.dataclass(frozen=True, slots=True)
class _Placed:
    """Where a picture lies in the result, and which part of the resized picture that is.

    Attributes:
        rows: of the result; all of them unless the picture is letterboxed.
        columns: likewise.
        y: the resize of the vertical axis.
        x: of the horizontal axis.
    """

    rows: slice
    columns: slice
    y: Axis
    x: Axis


@dataclasses.dataclass(frozen=True, slots=True)
class _Fit:
    """How pictures of one size become the result.

    Attributes:
        placed: where they lie in it.
        transform: flat rows of three channels, uint8 [height, width * 3], to flat rows of the result.
    """

    placed: _Placed
    transform: Callable[[U8, U8], None]


def _fill(fit: _Fit, pixels: U8, out: U8) -> None:
    """Transform pixels of three channels into an array of any strides."""
    if out.flags.c_contiguous:
        fit.transform(pixels.reshape(pixels.shape[0], -1), out.reshape(out.shape[0], -1))
        return
    dense = np.empty((*out.shape[:2], CHANNELS), np.uint8)
    fit.transform(_flat_rows(pixels), _flat_rows(dense))
    transform.spread(dense, out)


def _placed(spec: PreprocessSpec, height: int, width: int) -> _Placed:
    window = crop_window(spec, height, width)
    rows, y = _along(height, window.resized_height, window.top, spec.crop_height)
    columns, x = _along(width, window.resized_width, window.left, spec.crop_width)
    return _Placed(rows, columns, y, x)


def _along(source: int, resized: int, start: int, wanted: int) -> tuple[slice, Axis]:
    """One axis: the wanted pixels from ``start`` on, of which those outside the resized picture are padding."""
    before, first = max(-start, 0), max(start, 0)
    count = min(resized - first, wanted - before)
    return slice(before, before + count), Axis(source, resized, first, count)


def _flat_rows(pixels: U8) -> U8:
    return pixels.reshape(pixels.shape[0], -1)


def _in_order(errors: dict[int, ImageError]) -> dict[int, ImageError]:
    return dict(sorted(errors.items()))  # threads found them in any order


def _for_each(count: int, work: Callable[[int], None], executor: Executor | None) -> None:
    """Call ``work`` with 0..count-1, in this thread and in helpers that the executor may start in time."""
    if count == 1:
        work(0)
        return
    pending = deque(range(count))

    def drain() -> None:
        while True:
            try:
                index = pending.popleft()
            except IndexError:
                return
            work(index)

    wanted = 0 if executor is None else min(count - 1, os.cpu_count() or 1)
    helpers = [executor.submit(drain) for _ in range(wanted)] if executor is not None else []
    try:
        drain()
    finally:
        # a helper that has not started finds nothing to do, and waiting for it could be waiting for ourselves
        started = [helper for helper in helpers if not helper.cancel()]
        for helper in started:
            helper.result()
