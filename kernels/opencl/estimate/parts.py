"""FPGA parts: their resources by the vendor's product tables, and the clock and memory bandwidth that designs reach."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType

from accelserve.kernels.errors import PlanError


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part on a board.

    Attributes:
        name: what ``--part`` calls it.
        dsps: DSP blocks.
        m20ks: memory blocks of 512 x 40 bits.
        macs_per_dsp: int8 multiply-accumulates a block does in one cycle.
        clock_mhz: what designs of this kind reach.
        memory_gbps: of the board's external memory, 10**9 bytes a second, peak.
        shell_share: of DSPs and memory blocks taken by the board's own logic.
    """

    name: str
    dsps: int
    m20ks: int
    macs_per_dsp: int
    clock_mhz: float
    memory_gbps: float
    shell_share: float = 0.1


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        part.name: part
        for part in (
            # Intel Arria 10, Stratix 10 and Agilex device overviews; two DDR4-2133, four DDR4-2400, four DDR4-2666.
            Part(
                name="arria10-gx1150", dsps=1518, m20ks=2713, macs_per_dsp=2, clock_mhz=300, memory_gbps=34.1
            ),
            Part(
                name="stratix10-2800", dsps=5760, m20ks=11721, macs_per_dsp=2, clock_mhz=350, memory_gbps=76.8
            ),
            Part(
                name="agilex-agf014", dsps=4510, m20ks=7110, macs_per_dsp=4, clock_mhz=450, memory_gbps=85.3
            ),
        )
    }
)


def find_part(name: str) -> Part:
    """A part of the table, or one described by a JSON file with ``Part``'s fields.

    Raises:
        PlanError: neither.
    """
    if name in PARTS:
        return PARTS[name]
    path = Path(name)
    if not path.is_file():
        raise PlanError(f"no part is called '{name}'; there are {', '.join(PARTS)}, or give a JSON file")
    try:
        return Part(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        wanted = ", ".join(field.name for field in fields(Part))
        raise PlanError(f"{path}: a part has the fields {wanted}; {error}") from error


def example_part() -> str:
    """A part's file, to start from."""
    return json.dumps(asdict(PARTS["arria10-gx1150"]), indent=2)
