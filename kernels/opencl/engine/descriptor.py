"""The layer descriptor: what the host writes and the engine's sequencer reads, declared once for both.

The numpy record and the C struct come from one table, so they cannot drift apart; the hash of the table is the
interface version that a bitstream's manifest carries.
"""

from __future__ import annotations

import enum
import hashlib

import numpy as np


class LayerKind(enum.IntEnum):
    """What the engine does for one descriptor."""

    CONVOLUTION = 0
    POOL_MAXIMUM = 1
    POOL_AVERAGE = 2
    ADD = 3
    SCALE = 4
    LOOK_UP = 5
    MOVE = 6


# fmt: off
_INTEGERS = (
    "kind",
    "source", "source_step", "source_row_step", "second", "second_step", "target", "target_step",
    "rows_begin", "rows_end", "columns", "channels", "input_rows", "input_columns",
    "stride_rows", "stride_columns", "pad_top", "pad_left", "dilation_rows", "dilation_columns", "tap_rows", "tap_columns",
    "vectors", "pixel_vectors", "blocks_begin", "blocks_end", "strip_rows", "weights", "parameters",
    "input_zero_point", "zero_point", "low", "high",
    "has_residual", "has_intermediate", "float_result", "residual_zero_point", "middle_low", "middle_high",
    "move_size0", "move_size1", "move_size2", "move_size3",
    "move_source0", "move_source1", "move_source2", "move_source3",
    "move_target0", "move_target1", "move_target2", "move_target3",
    "element_bytes",
)
# fmt: on
"""Units: source, second, target and every *step are bytes of the arena; weights counts taps of VEC * LANE bytes;
parameters counts 32-bit words; vectors and pixel_vectors count VEC channels (of one tap, and of a whole pixel)."""
_FLOATS = ("residual_multiplier", "middle_multiplier")

DESCRIPTOR = np.dtype([(name, "<i4") for name in _INTEGERS] + [(name, "<f4") for name in _FLOATS])
"""One record a layer, or a piece of one."""


def c_declarations() -> str:
    """The struct ``descriptor_t`` and the ``KIND_*`` constants, in OpenCL C."""
    kinds = "\n".join(f"#define KIND_{kind.name} {kind.value}" for kind in LayerKind)
    fields = "\n".join(f"  int {name};" for name in _INTEGERS) + "\n"
    fields += "\n".join(f"  float {name};" for name in _FLOATS)
    return f"{kinds}\ntypedef struct {{\n{fields}\n}} descriptor_t;\n"


_PACKING = "weights [block][tap][VEC][LANE], parameters [block][bias LANE, scale LANE, start, 3]"
"""Changes by hand with whatever else the two sides agree on."""


def interface_version() -> str:
    """Twelve hexadecimal digits that change whenever host and engine would no longer understand each other."""
    return hashlib.sha256((c_declarations() + _PACKING).encode()).hexdigest()[:12]
