"""From a checked ONNX file to a graph: every node in turn, by its handler."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from accelserve.kernels.errors import GraphError, UnsupportedNodesError
from accelserve.kernels.ir import DType, Graph, TensorType
from accelserve.models.errors import ModelFileError
from accelserve.models.importing import operators
from accelserve.models.importing.folding import FOLDABLE, fold
from accelserve.models.importing.image_layout import image_layout
from accelserve.models.importing.onnx_file import OnnxFile, OnnxInput, OnnxNode, read_onnx
from accelserve.models.importing.registry import HANDLERS, Call, UnsupportedFormError, dequantized
from accelserve.models.importing.scope import Scope, identity
from accelserve.models.importing.stand_ins import result_types
from accelserve.models.importing.standard import check_standard
from accelserve.models.importing.tensor_data import FLOATS, MAX_TENSOR_BYTES, element_type_name
from accelserve.models.importing.values import IMAGE, Absent, Known, Order, Stored, Tensor, Value

__all__ = ["ImportOptions", "ImportedModel", "import_onnx", "operators"]

# What to do about operators that are not ONNX's own.
_ADVICE = {"com.microsoft": ", which onnxruntime's optimiser writes: give the file as it was before that"}
_MOVES_DATA = frozenset(("Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"))
# Where quantized files keep QuantizeLinear and DequantizeLinear besides ONNX's own set; the meaning is the same.
_CONTRIBUTED = {("com.microsoft", "QuantizeLinear"), ("com.microsoft", "DequantizeLinear")}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What a file may leave open.

    Attributes:
        input_shapes: input name -> its full shape in the file's own axis order; the batch is made 1.
    """

    input_shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A network and what its file said about itself.

    Attributes:
        graph: float32, or with Quantize and Dequantize nodes where the file has them; inputs that are images are
            NHWC, whatever they are in the file; outputs have the file's names and shapes.
        input_layouts: input name -> ``NCHW`` or ``NHWC``, as in the file; other inputs are absent.
        integer_inputs: name -> type in the file of inputs that are integers there and that it makes floats of: float32
            here.
        of_batches: whether the file is for several images at once: its batch is open, or fixed at more than one.
        sha256: of the file, hexadecimal.
        opset: of the file.
        producer: the exporter that wrote it.
        metadata: the file's own key -> value properties.
    """

    graph: Graph
    input_layouts: Mapping[str, str]
    sha256: str
    opset: int
    producer: str
    metadata: Mapping[str, str]
    integer_inputs: Mapping[str, DType] = field(default_factory=dict)
    of_batches: bool = False


def import_onnx(source: Path | bytes, options: ImportOptions | None = None) -> ImportedModel:
    """Import an ONNX file of any opset.

    Args:
        source: a path, or the bytes of a file without external data.
        options: shapes that the file leaves open.

    Raises:
        ModelFileError: the file cannot be read as a network; one sentence says why.
        UnsupportedNodesError: operators, or forms of them, that no kernel implements; every such node is named.
    """
    file = read_onnx(source)
    importer = _Importer(file, options or ImportOptions())
    # Constants that are not finite are refused by name; numpy's warnings on the way there would say less.
    with np.errstate(all="ignore"):
        graph = importer.graph()
    return ImportedModel(
        graph,
        importer.layouts,
        file.sha256,
        file.opset,
        file.producer,
        file.metadata,
        importer.integer_inputs,
        importer.of_batches,
    )


class _Importer:
    def __init__(self, file: OnnxFile, options: ImportOptions) -> None:
        self._file = file
        self.layouts: dict[str, str] = {}
        self.integer_inputs: dict[str, DType] = {}
        self._values: dict[str, Value] = {k: Known(k, v) for k, v in file.initializers.items()}
        readers: dict[str, list[OnnxNode]] = {}
        for node in file.nodes:
            for value in node.inputs:
                readers.setdefault(value, []).append(node)
        self._check_names(options)
        self._batch = 1
        self.of_batches = False
        types = {}
        for given in file.inputs:
            if given.name not in readers and given.name not in file.outputs:
                continue
            shape, dtype = self._input_type(given, options)
            if dtype in {DType.U8, DType.S8} and self._becomes_float(given.name, readers):
                self.integer_inputs[given.name] = dtype
                dtype = DType.F32
            order = self._input_order(given.name, shape, readers)
            types[given.name] = TensorType(tuple(shape[axis] for axis in order), dtype)
            self._values[given.name] = Tensor(given.name, shape, order)
        reserved = {value for node in file.nodes for value in node.outputs}
        self._scope = Scope(types, frozenset(reserved), self._batch, of_batches=self.of_batches)
        self._unsupported: dict[str, tuple[str, str]] = {}

    def graph(self) -> Graph:
        for node in self._file.nodes:
            self._import(node)
        missing = [v for name in self._file.outputs if isinstance(v := self._values[name], Absent)]
        for absent in missing:
            self._blame(absent.node, absent.operator)
        if self._unsupported:
            raise UnsupportedNodesError(list(self._unsupported.values()))
        try:
            graph = self._scope.graph({name: self._output(name) for name in self._file.outputs})
        except UnsupportedFormError as error:
            name, op = error.blame or ("", "output")
            raise UnsupportedNodesError([(name, f"{op} {error.reason}")]) from error
        self._check_finite(graph)
        return graph

    def _check_finite(self, graph: Graph) -> None:
        for name, array in graph.constants.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                count = array.size - np.count_nonzero(np.isfinite(array))
                raise ModelFileError(
                    self._file.source,
                    f"{count} of {array.size} values of '{name}' are not finite; did the training diverge?",
                )

    def _output(self, name: str) -> str:
        value = self._values[name]
        call = Call(
            self._scope, OnnxNode(name, "output", "", (name,), (name,), {}), self._file.opset, (value,)
        )
        tensor = call.tensor(0)
        return self._scope.arranged(tensor, identity(tensor.shape))

    def _import(self, node: OnnxNode) -> None:
        operands = [self._values[name] if name else None for name in node.inputs]
        absent = [value for value in operands if isinstance(value, Absent)]
        if node.domain and (node.domain, node.op) not in _CONTRIBUTED:
            return self._refuse(node, f"{node.domain}.{node.op}{_ADVICE.get(node.domain, '')}", operands)
        if node.op not in HANDLERS and not self._folds(node) and not (absent and node.op in FOLDABLE):
            return self._refuse(node, node.op, operands)
        for value in absent:
            self._blame(value.node, value.operator)
        if absent:
            return self._mark(node, Absent(absent[0].node, absent[0].operator))
        try:
            results = self._results(node, operands)
        except UnsupportedFormError as error:
            name, op = error.blame or (node.name, node.op)
            return self._refuse(node, f"{op} {error.reason}", operands, name)
        except GraphError as error:
            if self._unsupported:  # it may be the fault of what stands in for a refused node
                return self._mark(node, Absent(*next(iter(self._unsupported.values()))))
            raise ModelFileError(
                self._file.source, f"node '{node.name}' ({node.op}): {error}{self._batch_advice()}"
            ) from error
        for position, output in enumerate(node.outputs):
            other = Absent(node.name, f"{node.op}, result {position}")
            self._store(node, output, results[position] if position < len(results) else other)
        return None

    def _store(self, node: OnnxNode, output: str, value: Value) -> None:
        if isinstance(value, Tensor):
            kind = self._scope.type_of(value.value)
            if kind.size_bytes > MAX_TENSOR_BYTES:
                raise ModelFileError(
                    self._file.source, f"node '{node.name}' ({node.op}) makes {kind}, more than 2 GB"
                )
        self._values[output] = value

    def _folds(self, node: OnnxNode) -> bool:
        values = [self._values[name] for name in node.inputs if name]
        return (
            node.op in FOLDABLE
            and not node.domain
            and bool(values)
            and all(isinstance(value, Known | Stored) for value in values)
            # Quantized weights that are only transposed stay quantized.
            and not (node.op in {"Transpose", "Identity"} and isinstance(values[0], Stored))
        )

    def _batch_advice(self) -> str:
        if self._batch == 1:
            return ""
        return f"; the file fixes a batch of {self._batch}, and one image is served at a time: export it with an open batch"

    def _results(self, node: OnnxNode, operands: list[Value | None]) -> Sequence[Value]:
        if not node.domain:
            check_standard(node, self._file.opset)
        if self._folds(node):
            arrays = [
                v.array if isinstance(v, Known) else dequantized(v) if isinstance(v, Stored) else None
                for v in operands
            ]
            folded = fold(node, self._file.opset, arrays)
            return [Known(name, array) for name, array in zip(node.outputs, folded, strict=False)]
        handler = HANDLERS[node.op]
        handler.check(node)
        result = handler.handle(Call(self._scope, node, self._file.opset, operands))
        return result if isinstance(result, Sequence) else (result,)

    def _refuse(
        self, node: OnnxNode, operator: str, operands: Sequence[Value | None], blamed: str | None = None
    ) -> None:
        self._blame(blamed or node.name, operator)
        self._mark(node, Absent(blamed or node.name, operator))
        tensors = [(n, v) for n, v in zip(node.inputs, operands, strict=True) if isinstance(v, Tensor)]
        dtypes = {name: self._scope.type_of(value.value).dtype for name, value in tensors}
        for name, kind in result_types(node, self._file.opset, operands, dtypes).items():
            order = IMAGE if len(kind.shape) == 4 else identity(kind.shape)
            ours = TensorType(tuple(kind.shape[axis] for axis in order), kind.dtype)
            self._values[name] = Tensor(self._scope.stand_in(ours, name), kind.shape, order)

    def _blame(self, name: str, operator: str) -> None:
        self._unsupported.setdefault(name, (name, operator))

    def _mark(self, node: OnnxNode, absent: Absent) -> None:
        for output in node.outputs:
            self._values[output] = absent

    def _input_type(self, given: OnnxInput, options: ImportOptions) -> tuple[tuple[int, ...], DType]:
        kinds = {"FLOAT": DType.F32, "FLOAT16": DType.F32, "DOUBLE": DType.F32, "BFLOAT16": DType.F32}
        kinds |= {"UINT8": DType.U8, "INT8": DType.S8}
        kind = element_type_name(given.elem_type)
        if kind not in kinds:
            raise ModelFileError(
                self._file.source, f"input '{given.name}' is of {kind}; expected {', '.join(kinds)}"
            )
        override = options.input_shapes.get(given.name)
        if override is not None and given.shape and len(override) != len(given.shape):
            raise ModelFileError(
                self._file.source,
                f"input '{given.name}' has {len(given.shape)} dimensions, not the {len(override)} of --input-shape",
            )
        shape = given.shape if override is None else tuple(override)
        if not shape:
            raise ModelFileError(
                self._file.source,
                f"input '{given.name}' has no shape; give one (--input-shape NAME=1,224,224,3)",
            )
        self.of_batches |= shape[0] != 1
        if shape[0] is not None:
            self._batch = max(self._batch, shape[0])
        sizes = (1, *(0 if size is None else size for size in shape[1:]))
        self._check_sizes(given.name, shape, sizes, kinds[kind])
        return sizes, kinds[kind]

    def _check_names(self, options: ImportOptions) -> None:
        known = [given.name for given in self._file.inputs]
        if unknown := sorted(options.input_shapes.keys() - known):
            raise ModelFileError(
                self._file.source,
                f"has no input '{unknown[0]}' to give a shape to; its inputs are {', '.join(known)}",
            )

    def _check_sizes(
        self, name: str, shape: Sequence[int | None], sizes: Sequence[int], dtype: DType
    ) -> None:
        listed = "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"
        if min(sizes) < 1:
            raise ModelFileError(
                self._file.source,
                f"input '{name}' has shape {listed}; only the batch may be open, give the rest (--input-shape {name}=...)",
            )
        if math.prod(sizes) * dtype.size_bytes > MAX_TENSOR_BYTES:
            raise ModelFileError(self._file.source, f"input '{name}' of shape {listed} exceeds 2 GB")

    def _becomes_float(self, name: str, readers: Mapping[str, list[OnnxNode]]) -> bool:
        """Whether integers from outside are made floats before anything computes with them: their codes are values."""
        waiting = [name]
        while waiting:
            value = waiting.pop()
            if value in self._file.outputs:
                return False
            for node in readers.get(value, ()):
                target = node.attributes.get("to")
                if node.op == "Cast" and isinstance(target, int) and element_type_name(target) in FLOATS:
                    continue
                if node.op not in _MOVES_DATA or node.inputs[0] != value:
                    return False
                waiting.extend(node.outputs)
        return True

    def _input_order(self, name: str, shape: tuple[int, ...], readers: Mapping[str, list[OnnxNode]]) -> Order:
        if len(shape) != 4:
            return identity(shape)
        self.layouts[name] = layout = image_layout(name, shape, readers)
        return IMAGE if layout == "NCHW" else identity(shape)
