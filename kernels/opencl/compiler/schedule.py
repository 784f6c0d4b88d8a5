"""From records to the device's program: strips that fit the on-chip buffer, and pieces that fit the channels."""

from __future__ import annotations

from collections.abc import Iterator

from accelserve.kernels.errors import PlanError
from accelserve.kernels.opencl.compiler.layers import Record
from accelserve.kernels.opencl.engine.configuration import EngineConfiguration
from accelserve.kernels.opencl.engine.descriptor import LayerKind


def with_strips(record: Record, configuration: EngineConfiguration, name: str) -> Record:
    """A convolution's record with the greatest number of output rows whose input fits the strip buffer.

    Raises:
        PlanError: not even one row fits.
    """
    if record["kind"] != LayerKind.CONVOLUTION:
        return record
    row_vectors = int(record["input_columns"] * record["pixel_vectors"])
    reach = int((record["tap_rows"] - 1) * record["dilation_rows"])
    stride, input_rows = int(record["stride_rows"]), int(record["input_rows"])
    rows = int(record["rows_end"])
    while (
        rows > 1
        and min(input_rows, (rows - 1) * stride + reach + 1) * row_vectors > configuration.strip_vectors
    ):
        rows -= 1
    needed = min(input_rows, (rows - 1) * stride + reach + 1) * row_vectors
    if needed > configuration.strip_vectors:
        raise PlanError(
            f"layer '{name}' needs {needed} vectors of {configuration.vec} channels on chip for one row of results, "
            f"but the engine was built with strip_vectors={configuration.strip_vectors}; build it with more"
        )
    return record | {"strip_rows": rows}


def in_pieces(record: Record, configuration: EngineConfiguration, name: str) -> Iterator[Record]:
    """The record as pieces whose whole traffic fits the channels, so that the kernels may run one after another.

    A board runs the kernels at once and needs no pieces; a device that is a CPU underneath runs them in turn.

    Raises:
        PlanError: one row of one block of outputs is already too much.
    """
    if record["kind"] != LayerKind.CONVOLUTION:
        yield record
        return
    taps = int(record["tap_rows"] * record["tap_columns"] * record["vectors"])
    rows, end = _piece_rows(record, configuration, taps, name), int(record["rows_end"])
    for block in range(int(record["blocks_end"])):
        for row in range(0, end, rows):
            yield record | {
                "blocks_begin": block,
                "blocks_end": block + 1,
                "rows_begin": row,
                "rows_end": min(row + rows, end),
                "strip_rows": rows,
            }


def _piece_rows(record: Record, configuration: EngineConfiguration, taps: int, name: str) -> int:
    columns = int(record["columns"])
    rows = int(record["strip_rows"])
    while not _fits(-(-rows * columns // configuration.px), taps, configuration):
        if rows == 1:
            raise PlanError(
                f"layer '{name}' streams {taps} taps for each of {columns} pixels in a row, more than the emulated "
                "channels hold; build the engine with deeper ones (pixel_channel_depth, weight_channel_depth)"
            )
        rows -= 1
    return rows


def _fits(groups: int, taps: int, configuration: EngineConfiguration) -> bool:
    weight_taps = taps if taps <= configuration.weight_depth else taps * groups
    return (
        groups * taps <= configuration.pixel_channel_depth
        and groups <= configuration.sum_channel_depth
        and weight_taps <= configuration.weight_channel_depth
    )
