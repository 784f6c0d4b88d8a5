"""What each step reads and writes: one declaration a step, by which ``verifier`` proves every plan.

A file here holds the declarations of the steps of one file of ``compiler.ops`` or ``compiler.convolution``, and their records' fields where
microkernels do not read those too. ``compiler.step_function.step`` refuses a step that has none, so none can be forgotten. To add one::

    @accesses_of("ops.example.example")  # the module behind accelserve.kernels.cpu.compiler, and the step's function
    def example(record: Record) -> Iterator[Access]:
        rows = record.share(ITEMS, record.number(ROWS))  # how many rows the step's items cover
        yield Reads(Box(record.address(SOURCE), ((rows, record.number(SOURCE_ROW)),), record.number(BYTES)))
        yield Writes(Box(record.address(TARGET), ((rows, record.number(TARGET_ROW)),), record.number(BYTES)))

Everything is computed from the record's fields, as the step computes it, and in the order of the step: what it reads of
its scratch it has written before. Nothing here imports numba, since plans from the cache are proved without it. New
files are found by themselves.
"""

from __future__ import annotations

import importlib
import pkgutil

from accelserve.kernels.cpu.plan.accesses.declaration import DECLARATIONS

for _entry in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_entry.name}")

__all__ = ["DECLARATIONS"]
