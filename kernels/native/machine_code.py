"""From LLVM IR to the address of a function, through a cache of object files.

An object file is named by a hash of its function's name, its target, the sources and the compilers' versions, so
nothing in the cache is ever stale, and any number of processes may fill it at once.

``ACCELSERVE_OBJECT_CACHE`` in the environment names a folder that is asked before anything is compiled, whatever the
cache of the program: for processes with caches of their own that run the same code, such as those of one run of the tests.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import llvmlite.binding as llvm

from accelserve.kernels.file_cache import read_cached, write_cached
from accelserve.kernels.native.sources import source_hash

if TYPE_CHECKING:
    from accelserve.kernels.native.compiled import Function

VARIABLE = "ACCELSERVE_OBJECT_CACHE"
_log = logging.getLogger(__name__)


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
def host_target() -> CodeTarget:
    """This very processor."""
    return CodeTarget(str(llvm.get_host_cpu_name()), str(llvm.get_host_cpu_features().flatten()))


@cache
def machine_of(target: CodeTarget) -> Any:
    """LLVM's code generator for a target."""
    return _new_machine(target)


def _new_machine(target: CodeTarget) -> Any:
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
    machine = machine_of(target)
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
    return str(machine_of(target).emit_assembly(_optimised(text, target)))


def object_code(text: str, target: CodeTarget) -> bytes:
    """A relocatable object file."""
    return bytes(machine_of(target).emit_object(_optimised(text, target)))


class Second(Protocol):
    """Compiles some functions elsewhere, in time for who asks for them; see ``second_compiler``."""

    def expect(self, functions: Sequence[Function]) -> None:
        """These are going to be asked for, in this order."""

    def claim(self, symbol: str) -> None:
        """Return once nobody else compiles a function, and nobody else will."""


class KernelLoader:
    """Machine code of this process: every function is compiled or read at most once, then stays.

    Thread-safe.

    Attributes:
        second: helps to compile, if it is there.
    """

    def __init__(self) -> None:
        self.second: Second | None = None
        self._lock = threading.RLock()
        self._addresses: dict[tuple[str, CodeTarget], int] = {}
        self._code: dict[tuple[str, CodeTarget], bytes | Path] = {}  # itself, or the file it was read from
        self._engine: Any = None

    def address(
        self,
        name: str,
        make: Callable[[], bytes],
        target: CodeTarget,
        folder: Path | None,
        others: Sequence[CodeTarget] = (),
    ) -> int:
        """Address of a function, which is in the folder from then on.

        Args:
            name: unique among functions of different code.
            make: compiles it; gives an object file that defines ``name``.
            target: what it is compiled for.
            folder: where object files are cached between processes; None to cache none.
            others: targets whose code, if it is cached, runs as well.
        """
        with self._lock:
            if self.second is not None and (name, target) not in self._addresses:
                self.second.claim(name)
            for each in (target, *others):
                found = self.known(name, each, folder)
                if found is not None:
                    target = each
                    break
            if found is None:
                began = time.perf_counter()
                code = self._code[name, target] = made(name, target, make)
                report_compiled(name, time.perf_counter() - began)
                if folder is not None:
                    write_cached(object_path(name, target, folder), code)
                found = self._addresses[name, target] = self._link(name, code)
            elif folder is not None:
                self._copy(object_path(name, target, folder), self._code[name, target])
            return found

    @staticmethod
    def _copy(path: Path, code: bytes | Path) -> None:
        """Cache what was loaded before anybody named this folder, such as what calibration shares with serving."""
        if path.exists():
            return
        content = read_cached(code) if isinstance(code, Path) else code
        if content is not None:
            write_cached(path, content)

    def known(self, name: str, target: CodeTarget, folder: Path | None) -> int | None:
        """Address of a function that is loaded or cached; None if it would have to be compiled."""
        with self._lock:
            key = (name, target)
            if key not in self._addresses:
                path = None if folder is None else object_path(name, target, folder)
                code = None if path is None else read_cached(path)
                if path is None or code is None:
                    return None
                self._code[key] = path
                self._addresses[key] = self._link(name, code)
            return self._addresses[key]

    def expect(self, functions: Sequence[Function]) -> None:
        """Functions that are going to be asked for, in this order, and before all that were expected so far."""
        if self.second is not None:
            self.second.expect(functions)

    def at_hand(self, name: str, folder: Path) -> bool:
        """Whether a function of a name is loaded, or seems to be cached for a target that runs here."""
        from accelserve.kernels.native.levels import code_targets

        folders = [folder, *([Path(shared)] if (shared := os.environ.get(VARIABLE)) else [])]
        return any(
            (name, target) in self._addresses
            or any(object_path(name, target, each).exists() for each in folders)
            for target in code_targets()
        )

    def _link(self, name: str, code: bytes) -> int:
        if self._engine is None:
            # An engine owns its machine, and releases it.
            machine = _new_machine(CodeTarget("", ""))
            self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        return int(self._engine.get_function_address(name))


def report_compiled(name: str, seconds: float) -> None:
    """Log that a function was compiled, by whomever; progress is counted by these lines."""
    _log.info("compiled %s in %.2f s", name, seconds)


def made(name: str, target: CodeTarget, make: Callable[[], bytes]) -> bytes:
    """The object file that ``make`` compiles, or that another process did, where the environment says so."""
    if not (folder := os.environ.get(VARIABLE)):
        return make()
    path = object_path(name, target, Path(folder))
    code = read_cached(path)
    if code is None:
        code = make()
        write_cached(path, code)
    return code


def object_path(name: str, target: CodeTarget, folder: Path) -> Path:
    """Where the object file of a function is cached: its name and the sources determine the code."""
    digest = hashlib.sha256(f"{source_hash()}\n{target}\n{name}".encode()).hexdigest()[:24]
    readable = re.sub(r"[^\w.-]+", "-", name)[:120]
    return folder / "objects" / f"{readable}-{digest}.o"


KERNELS = KernelLoader()
"""The process's loader."""
