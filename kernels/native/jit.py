"""numba behind typed decorators: code that is inlined into its callers, and C functions as object files.

What numba compiles becomes an object file of plain machine code that needs nothing of numba's own runtime, so that it
can be cached, and loaded by a process that does not import numba.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import llvmlite.binding as llvm
import numba
from numba.core.registry import CPUDispatcher

from accelserve.kernels.native.compiled import Compiled
from accelserve.kernels.native.levels import code_targets
from accelserve.kernels.native.machine_code import machine_of

Function = TypeVar("Function", bound=Callable[..., Any])

# error_model numpy: a division by zero gives what C gives, so no exception path costs anything.
_OPTIONS: dict[str, Any] = {"nopython": True, "nogil": True, "error_model": "numpy", "boundscheck": False}
_NO_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_RUNTIME = ("NRT_", "numba_", "Py", "_Py")
_TARGET = code_targets()[0]
_SOURCES: dict[str, Callable[..., None]] = {}
"""Symbol -> Python function, of every module imported so far."""


class _OnlyFromCompiledCode(CPUDispatcher):
    """Without it, a call from Python would jump to a wrapper that was never made."""

    def __call__(self, *_arguments: object, **_named: object) -> None:
        raise TypeError(
            f"{self.py_func.__name__} is for compiled code; Python calls {self.py_func.__name__}.py_func"
        )


def inlined(function: Function) -> Function:
    """A function that compiled code may call; it is compiled into each caller. Python calls its ``py_func``.

    Nothing is made for calls from Python, which would take a fifth of the time that a first start compiles.
    """
    dispatcher: Any = numba.jit(**_OPTIONS, **_NO_WRAPPERS)(function)
    dispatcher.__class__ = _OnlyFromCompiledCode
    compiled: Function = dispatcher
    return compiled


def entry_point(arguments: int) -> Callable[[Callable[..., None]], Compiled]:
    """A C function of so many int64 arguments that Python or compiled code calls by its address."""

    def wrap(function: Callable[..., None]) -> Compiled:
        handle = Compiled(function.__module__, function.__name__, arguments)
        _SOURCES[handle.symbol] = function
        return handle

    return wrap


def object_of(handle: Compiled) -> bytes:
    """The object file of a function, whose module is imported if need be."""
    if handle.symbol not in _SOURCES:
        importlib.import_module(handle.module)
    return object_file(_SOURCES[handle.symbol], handle.arguments, handle.symbol)


def object_file(function: Callable[..., None], arguments: int, symbol: str) -> bytes:
    """Compile ``void symbol(int64, ...)``.

    Raises:
        AssertionError: the function allocates or raises, so it needs numba's runtime.
    """
    signature = (numba.int64,) * arguments
    dispatcher: Any = numba.jit(**_OPTIONS, **_NO_WRAPPERS)(function)
    with _no_collections():
        dispatcher.compile(signature)
    compiled = dispatcher.overloads[signature]
    module = llvm.parse_assembly(compiled.library.get_llvm_str())
    _call_as(symbol, compiled.fndesc.llvm_func_name, arguments, module)
    _keep_only(symbol, module)
    needed = [each.name for each in module.functions if each.is_declaration]
    if unfit := [name for name in needed if name.startswith(_RUNTIME)]:
        raise AssertionError(f"{symbol} needs numba's runtime: {', '.join(unfit)}")
    return bytes(machine_of(_TARGET).emit_object(module))


@contextmanager
def _no_collections() -> Iterator[None]:
    """Numba makes many objects that live until it ends: to look through them again and again takes a tenth of its time.

    One function is compiled at a time.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _call_as(symbol: str, native: str, arguments: int, module: Any) -> None:
    """Add ``symbol``, which calls numba's function and passes over its status: it cannot fail.

    Views give an owner's reference back, but no array has an owner, since none is allocated here.
    """
    types = ", ".join(["i64"] * arguments)
    names = ", ".join(f"i64 %a{index}" for index in range(arguments))
    text = f"""
        declare i32 @"{native}"(ptr, ptr, {types})
        define void @"{symbol}"({names}) {{
          %result = alloca i64
          %exception = alloca ptr
          %status = call i32 @"{native}"(ptr %result, ptr %exception, {names})
          ret void
        }}
        define void @NRT_MemInfo_call_dtor(ptr %owner) {{
          unreachable
        }}"""
    wrapper = llvm.parse_assembly(text)
    wrapper.triple, wrapper.data_layout = module.triple, module.data_layout
    module.link_in(wrapper)


def _keep_only(symbol: str, module: Any) -> None:
    """Make everything else private to the module, and drop what is not used."""
    for each in (*module.functions, *module.global_variables):
        if not each.is_declaration and each.name != symbol:
            each.linkage = "internal"
    builder = llvm.create_pass_builder(
        machine_of(_TARGET), llvm.create_pipeline_tuning_options(speed_level=2)
    )
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_strip_dead_prototype_pass()
    passes.run(module, builder)
    _rename_private(symbol, module)


def _rename_private(symbol: str, module: Any) -> None:
    """Number what is private: numba's names count what the process compiled before, and would stand in the object file."""
    private = [
        each
        for each in (*module.functions, *module.global_variables)
        if not each.is_declaration and each.name != symbol
    ]
    for index, each in enumerate(private):
        each.name = f"private.{index}"
