"""From LLVM IR to the address of a function, through a cache of object files.

A kernel's object file is named by a hash of its name, its target, this room's sources and the compiler's version, so
nothing in the cache is ever stale, and any number of processes may fill it at once.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from accelserve.kernels.cpu.jit import source_hash
from accelserve.kernels.kept_files import keep, kept


@dataclass(frozen=True, slots=True)
class CodeTarget:
    """What machine code is made for.

    Attributes:
        cpu: LLVM's name of the oldest processor that can run it.
        features: added to those of ``cpu``, as ``+name,...``.
        triple: of the machine; empty for the host.
    """

    cpu: str
    features: str
    triple: str = ""

    @property
    def resolved_triple(self) -> str:
        """The triple, the host's if none is given."""
        return self.triple or str(llvm.get_process_triple())


@cache
def _machine(target: CodeTarget) -> Any:
    if target.triple:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    else:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    found = llvm.Target.from_triple(target.resolved_triple)
    # PIC, since the object is loaded wherever there is room.
    return found.create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="small"
    )


def _optimised(text: str, target: CodeTarget) -> Any:
    module = llvm.parse_assembly(text)
    machine = _machine(target)
    module.triple = target.resolved_triple
    module.data_layout = str(machine.target_data)
    module.verify()
    # Variables become registers, constants fold; nothing reorders the hand-made inner loops.
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    builder = llvm.create_pass_builder(machine, options)
    passes = llvm.create_new_module_pass_manager()
    for add in ("add_sroa_pass", "add_instruction_combine_pass", "add_simplify_cfg_pass"):
        getattr(passes, add)()
    passes.run(module, builder)
    return module


def assembly(text: str, target: CodeTarget) -> str:
    """Assembly of a module, for any target that LLVM was built with."""
    return str(_machine(target).emit_assembly(_optimised(text, target)))


def object_code(text: str, target: CodeTarget) -> bytes:
    """A relocatable object file."""
    return bytes(_machine(target).emit_object(_optimised(text, target)))


class KernelLoader:
    """Machine code of this process: every kernel is compiled or read at most once, then stays.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._addresses: dict[tuple[str, CodeTarget], int] = {}
        self._engine: Any = None

    def address(self, name: str, emit: Callable[[str], str], target: CodeTarget, folder: Path | None) -> int:
        """Address of a kernel.

        Args:
            name: unique among kernels of different code.
            emit: makes the IR of a module with one function of the name that it is given.
            target: what to compile for.
            folder: where object files are kept between processes; None to keep none.
        """
        with self._lock:
            key = (name, target)
            if key not in self._addresses:
                self._addresses[key] = self._load(name, emit, target, folder)
            return self._addresses[key]

    def _load(self, name: str, emit: Callable[[str], str], target: CodeTarget, folder: Path | None) -> int:
        # The name and the sources determine the IR, which therefore is not even made when the object is there.
        identity = f"{source_hash()}\n{target}\n{name}"
        digest = hashlib.sha256(identity.encode()).hexdigest()[:24]
        path = folder / "objects" / f"{name}-{digest}.o" if folder is not None else None
        code = None if path is None else kept(path)
        if code is None:
            code = object_code(emit(name), target)
            if path is not None:
                keep(path, code)
        if self._engine is None:
            self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(CodeTarget("", "")))
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        return int(self._engine.get_function_address(name))


KERNELS = KernelLoader()
"""The process's loader."""
