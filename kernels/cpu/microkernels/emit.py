"""A small layer over llvmlite's builder: addresses are int64 values, loops are context managers.

Variables live on the stack here and in registers after the optimiser's mem2reg; that spares every emitter the
bookkeeping of phi nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from llvmlite import ir

I1, I8, I16, I32, I64, F32 = (
    ir.IntType(1),
    ir.IntType(8),
    ir.IntType(16),
    ir.IntType(32),
    ir.IntType(64),
    ir.FloatType(),
)


def vector(element: ir.Type, lanes: int) -> ir.VectorType:
    """The type of ``lanes`` elements."""
    return ir.VectorType(element, lanes)


class Emitter:
    """One function ``void name(int64, ...)`` of a module of its own.

    Attributes:
        builder: llvmlite's builder, at the current insertion point.
        arguments: the function's int64 arguments.
    """

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self.module = ir.Module(name)
        kind = ir.FunctionType(ir.VoidType(), [I64] * len(arguments))
        self.function = ir.Function(self.module, kind, name)
        self.function.attributes.add("nounwind")
        self._entry = self.function.append_basic_block("entry")
        body = self.function.append_basic_block("body")
        self._allocas = ir.IRBuilder(self._entry)
        self._exit_of_entry = self._allocas.branch(body)
        self._allocas.position_before(self._exit_of_entry)
        self.builder = ir.IRBuilder(body)
        self.arguments = list(self.function.args)
        for argument, label in zip(self.arguments, arguments, strict=True):
            argument.name = label

    # --- values -------------------------------------------------------------------------------------------------

    def const(self, value: int) -> ir.Constant:
        """An int64."""
        return ir.Constant(I64, value)

    def plus(self, base: ir.Value, *terms: ir.Value | int) -> ir.Value:
        """int64 sum; zero terms vanish."""
        for term in terms:
            if not isinstance(term, int):
                base = self.builder.add(base, term)
            elif term != 0:
                base = self.builder.add(base, self.const(term))
        return base

    def times(self, value: ir.Value, factor: int) -> ir.Value:
        """int64 product with a constant."""
        return self.builder.mul(value, self.const(factor))

    def load(self, address: ir.Value, kind: ir.Type, align: int = 1) -> ir.Value:
        """Load a value of any type."""
        return self.builder.load(self.builder.inttoptr(address, kind.as_pointer()), align=align)

    def store(self, value: ir.Value, address: ir.Value, align: int = 1) -> None:
        """Store a value of any type."""
        self.builder.store(value, self.builder.inttoptr(address, value.type.as_pointer()), align=align)

    def splat(self, value: ir.Value, lanes: int) -> ir.Value:
        """A vector with the value in every lane."""
        kind = vector(value.type, lanes)
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
        return self.builder.shuffle_vector(
            one, ir.Constant(kind, ir.Undefined), ir.Constant(vector(I32, lanes), [0] * lanes)
        )

    def splat_const(self, kind: ir.Type, value: float, lanes: int) -> ir.Constant:
        """A constant vector."""
        return ir.Constant(vector(kind, lanes), [value] * lanes)

    def call(self, name: str, result: ir.Type, arguments: Sequence[ir.Value]) -> ir.Value:
        """Call an LLVM intrinsic by name, declaring it if need be."""
        function = self.module.globals.get(name)
        if function is None:
            function = ir.Function(self.module, ir.FunctionType(result, [a.type for a in arguments]), name)
        return self.builder.call(function, arguments)

    def prefetch(self, address: ir.Value, level: int = 1) -> None:
        """Ask for the cache line at an address, to be read, into the caches from ``level`` on."""
        pointer = self.builder.inttoptr(address, I8.as_pointer())
        how = [ir.Constant(I32, each) for each in (0, 4 - level, 1)]
        self.call("llvm.prefetch.p0", ir.VoidType(), [pointer, *how])

    def low_lanes(self, value: ir.Value, lanes: int) -> ir.Value:
        """The first lanes of a vector."""
        if value.type.count == lanes:
            return value
        mask = ir.Constant(vector(I32, lanes), list(range(lanes)))
        return self.builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), mask)

    # --- variables and loops ------------------------------------------------------------------------------------

    def variable(self, initial: ir.Value) -> Variable:
        """A mutable value."""
        slot = self._allocas.alloca(initial.type)
        self.builder.store(initial, slot)
        return Variable(self.builder, slot)

    def scratch(self, size_bytes: int, align: int = 64) -> ir.Value:
        """Address of bytes on the stack."""
        slot = self._allocas.alloca(I8, size_bytes)
        slot.align = align
        return self.builder.ptrtoint(slot, I64)

    @contextmanager
    def loop(self, count: ir.Value) -> Iterator[ir.Value]:
        """Run the body ``count`` times, 1 or more; yields the index."""
        index = self.variable(self.const(0))
        body = self.function.append_basic_block("loop")
        after = self.function.append_basic_block("after")
        self.builder.branch(body)
        self.builder.position_at_end(body)
        yield index.get()
        following = self.plus(index.get(), 1)
        index.set(following)
        self.builder.cbranch(self.builder.icmp_signed("<", following, count), body, after)
        self.builder.position_at_end(after)

    def finish(self) -> str:
        """Close the function; the module's text."""
        self.builder.ret_void()
        return str(self.module)


class Variable:
    """A value that later code may change."""

    def __init__(self, builder: ir.IRBuilder, slot: ir.Value) -> None:
        self._builder = builder
        self._slot = slot

    def get(self) -> ir.Value:
        """The value now."""
        return self._builder.load(self._slot)

    def set(self, value: ir.Value) -> None:
        """Change it."""
        self._builder.store(value, self._slot)
