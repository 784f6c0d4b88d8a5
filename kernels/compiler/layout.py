"""Where every value lives: which buffer, at which pitch, with which halo, and which values share storage.

Three rules make data movement free:

1. The operands of a Concat along channels live in channel slices of its result; along an axis with only ones before
   it, in consecutive ranges. A Concat whose operands already lie side by side is a view of them.
2. A Reshape of densely stored elements is a view.
3. A node that reads an operand element by element (a residual) may write its result over it, if nothing reads the
   operand, or anything that shares its storage, afterwards.

Image tensors of uint8 are frames: rows of pixels with a halo of fill bytes that a padded window may read. One gap
after each row is the right halo of that row and the left halo of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from accelserve.kernels.errors import PlanError
from accelserve.kernels.ir import Concat, DType, Graph, Node, Padding, Reshape, Slice, TensorType

NO_HALO: Padding = (0, 0, 0, 0)
NO_FILL = -1
"""No byte: a value with it has no halo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a value lives in its buffer.

    Element [n, i, j, c] of an image tensor is at
    ``origin + (n * rows + i) * row_pitch + j * pixel_pitch + c * element bytes``; tensors of other ranks are dense from
    ``origin`` on. Where there is more than one image there is no halo.

    Attributes:
        buffer: index of the buffer.
        origin: bytes from the buffer's start to the first element.
        type: of the value.
        pixel_pitch: bytes from one pixel to the next; of all elements, for ranks other than 4.
        row_pitch: bytes from one row to the next.
        halo: cells above, left, below, right that the value's writer must set to ``fill``.
        fill: byte of the halo.
    """

    buffer: int
    origin: int
    type: TensorType
    pixel_pitch: int
    row_pitch: int
    halo: Padding = NO_HALO
    fill: int = 0

    @property
    def dense(self) -> bool:
        """Whether the elements follow each other without gaps."""
        if len(self.type.shape) != 4:
            return True
        _, _, width, channels = self.type.shape
        row = width * self.pixel_pitch
        return self.pixel_pitch == channels * self.type.dtype.size_bytes and self.row_pitch == row


class LayoutRules(Protocol):
    """What a device asks of the layout."""

    def halo(self, node: Node, operand: int) -> tuple[Padding, int] | None:
        """Cells around an operand that the node reads, and the byte they must hold; None for no halo."""

    def takes_over(self, node: Node) -> Sequence[int]:
        """Operands that the node reads element by element, each before it writes the same element."""


@dataclass(frozen=True, slots=True)
class Share:
    """A value that lives inside another one's storage.

    Attributes:
        owner: the other value.
        offset: bytes from the owner's first element to this value's.
        pitched: whether the value keeps the owner's pitches (a channel slice or the same frame), not its own.
    """

    owner: str
    offset: int
    pitched: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The result: a placement for every value that a node or the outside makes, and each buffer's bytes."""

    placements: dict[str, Placement]
    buffer_bytes: tuple[int, ...]


def with_one_fill_each(graph: Graph, rules: LayoutRules) -> Graph:
    """The same network, where no value is read with two different padding bytes, nor a join of rows with any.

    Readers that ask for another byte than the first reader does get a copy, made by a Slice of the whole; so do readers
    of a Concat along another axis than channels, whose parts have several writers in one frame.
    """
    copies: dict[tuple[str, int], str] = {}
    first = {node.output: NO_FILL for node in graph if isinstance(node.op, Concat) and node.op.axis != 3}
    nodes: list[Node] = []
    for node in graph:
        inputs = list(node.inputs)
        for operand, value in enumerate(node.inputs):
            asked = rules.halo(node, operand)
            if asked is None or asked[0] == NO_HALO or first.setdefault(value, asked[1]) == asked[1]:
                continue
            if (value, asked[1]) not in copies:
                name = f"{value}/padded with {asked[1]}"
                shape = graph.type_of(value).shape
                whole = Slice((0,) * len(shape), shape, (1,) * len(shape))
                nodes.append(Node(name, whole, (value,), name))
                copies[value, asked[1]] = name
            inputs[operand] = copies[value, asked[1]]
        nodes.append(replace(node, inputs=tuple(inputs)))
    return graph.with_nodes(nodes) if copies else graph


def lay_out(graph: Graph, rules: LayoutRules) -> Layout:
    """Decide the layout of every input and every node's result.

    Pre: no value is read with two padding bytes; see ``with_one_fill_each``.
    """
    return _Planner(graph, rules).result()


class _Planner:
    def __init__(self, graph: Graph, rules: LayoutRules) -> None:
        self.graph = graph
        self.values = [*graph.inputs, *(node.output for node in graph)]
        self.position = dict.fromkeys(graph.inputs, -1)
        self.position.update({node.output: i for i, node in enumerate(graph)})
        self.last_use = {value: self.position[value] for value in self.values}
        for i, node in enumerate(graph):
            self.last_use.update({value: i for value in node.inputs if value in self.position})
        self.last_use.update(
            {value: len(graph.nodes) for value in graph.outputs.values() if value in self.position}
        )
        self.demand: dict[str, tuple[Padding, int]] = {}
        self.shares: dict[str, Share] = {}
        self._collect_halos(rules)
        self._share_views()
        self._take_over(rules)

    # --- what consumers ask for ---------------------------------------------------------------------------------

    def _collect_halos(self, rules: LayoutRules) -> None:
        for node in self.graph:
            for operand, value in enumerate(node.inputs):
                asked = rules.halo(node, operand) if value in self.position else None
                if asked is not None and asked[0] != NO_HALO:
                    self.demand[value] = _joined(self.demand.get(value, (NO_HALO, asked[1])), asked)

    # --- which value lives in whose storage -----------------------------------------------------------------------------

    def _share_views(self) -> None:
        for node in reversed(self.graph.nodes):
            if isinstance(node.op, Concat):
                self._share_concat(node, node.op.axis)
            elif isinstance(node.op, Reshape):
                self._share_reshape(node)

    def _share_concat(self, node: Node, axis: int) -> None:
        result = self.graph.type_of(node.output)
        along_channels = axis == 3 and len(result.shape) == 4 and result.dtype is DType.U8
        contiguous = all(size == 1 for size in result.shape[:axis])
        if not along_channels and not (contiguous and self._is_dense(node.output)):
            return
        steps = [self._concat_step(value, axis, along_channels) for value in node.inputs]
        if along_channels and self._already_side_by_side(node, steps):
            return
        offset = 0
        for value, step in zip(node.inputs, steps, strict=True):
            fits = self._halo_fits(value, node.output) if along_channels else value not in self.demand
            if self._is_free(value) and node.inputs.count(value) == 1 and fits:
                self.shares[value] = Share(node.output, offset, along_channels)
            offset += step

    def _concat_step(self, value: str, axis: int, along_channels: bool) -> int:
        kind = self.graph.type_of(value)
        return kind.shape[axis] * kind.dtype.size_bytes if along_channels else kind.size_bytes

    def _already_side_by_side(self, node: Node, steps: Sequence[int]) -> bool:
        found = [self.shares.get(value) for value in node.inputs]
        first = found[0]
        if first is None or not first.pitched or node.output in self.shares:
            return False
        expected = first.offset
        for share, step in zip(found, steps, strict=True):
            if share is None or (share.owner, share.offset, share.pitched) != (first.owner, expected, True):
                return False
            expected += step
        owed = self.demand.get(node.output)
        if owed is not None:  # nothing writes a view, so what it owes its readers its operands' writers owe
            fills = {self._fill(value) for value in (*node.inputs, first.owner)} - {None, owed[1]}
            if fills or not self._keeps_frame(first.owner):
                return False
            for value in node.inputs:
                self.demand[value] = _joined(self.demand.get(value, (NO_HALO, owed[1])), owed)
        self.shares[node.output] = Share(first.owner, first.offset, True)
        return True

    def _fill(self, value: str) -> int | None:
        """The halo's byte that the value's storage is asked for, by its readers or its owners'; None for no halo."""
        if value in self.demand:
            return self.demand[value][1]
        share = self.shares.get(value)
        return self._fill(share.owner) if share is not None and share.pitched else None

    def _halo_fits(self, value: str, owner: str) -> bool:
        """Whether a slice's halo can be the owner's: the same byte, and the owner's storage has the owner's rows."""
        fills = {self._fill(value), self._fill(owner)} - {None}
        return len(fills) <= 1 and (value not in self.demand or self._keeps_frame(owner))

    def _keeps_frame(self, value: str) -> bool:
        """Whether the storage that a value lives in has the value's own rows, not those of a reshaped view."""
        share = self.shares.get(value)
        return share is None or (share.pitched and self._keeps_frame(share.owner))

    def _share_reshape(self, node: Node) -> None:
        source = node.inputs[0]
        undemanded = source not in self.demand and node.output not in self.demand
        if self._is_free(source) and undemanded and self._is_dense(node.output):
            self.shares[source] = Share(node.output, 0, False)

    def _is_free(self, value: str) -> bool:
        """Whether the value exists at run time and does not live in another value's storage yet."""
        return value in self.position and value not in self.shares

    def _is_dense(self, value: str) -> bool:
        if value in self.demand:
            return False
        share = self.shares.get(value)
        return share is None or (not share.pitched and self._is_dense(share.owner))

    def _take_over(self, rules: LayoutRules) -> None:
        members = self._members()
        for index, node in enumerate(self.graph):
            for operand in rules.takes_over(node):
                source = node.inputs[operand]
                if self._may_overwrite(index, node, source, members):
                    self.shares[node.output] = Share(source, 0, True)
                    members[self._root(source)] += members.pop(node.output)
                    break

    def _may_overwrite(self, index: int, node: Node, source: str, members: dict[str, list[str]]) -> bool:
        if source not in self.position or node.output in self.shares:
            return False
        root = self._root(source)
        sharing = members[root]
        same_frame = all(
            self.shares[value].pitched and self.shares[value].offset == 0
            for value in sharing
            if value in self.shares
        )
        alone = sum(value in sharing for value in node.inputs) == 1
        spent = all(self.last_use[value] <= index for value in sharing)
        same_type = self.graph.type_of(root) == self.graph.type_of(node.output)
        return same_frame and alone and spent and same_type and len(members[node.output]) == 1

    def _members(self) -> dict[str, list[str]]:
        members: dict[str, list[str]] = {value: [] for value in self.values if value not in self.shares}
        for value in self.values:
            members[self._root(value)].append(value)
        return members

    def _root(self, value: str) -> str:
        while value in self.shares:
            value = self.shares[value].owner
        return value

    # --- geometry -----------------------------------------------------------------------------------------------

    def result(self) -> Layout:
        """Placements, root by root."""
        roots = [value for value in self.values if value not in self.shares]
        halo = dict.fromkeys(roots, NO_HALO)
        for value, (padding, _) in self.demand.items():
            root = self._root(value)
            halo[root] = _widest(halo[root], padding)
        placements: dict[str, Placement] = {}
        sizes = []
        for index, root in enumerate(roots):
            placements[root], size = _frame(index, self.graph.type_of(root), halo[root])
            sizes.append(size)
        for value in self.values:
            self._place(value, placements)
        return Layout(placements, tuple(sizes))

    def _place(self, value: str, placements: dict[str, Placement]) -> Placement:
        share = self.shares.get(value)
        if share is None or value in placements:
            bare = placements[value]
        else:
            owner = self._place(share.owner, placements)
            kind = self.graph.type_of(value)
            pixel, row = (owner.pixel_pitch, owner.row_pitch) if share.pitched else _dense_pitches(kind)
            origin = owner.origin + share.offset
            bare = Placement(buffer=owner.buffer, origin=origin, type=kind, pixel_pitch=pixel, row_pitch=row)
        padding, fill = self._needed(value)
        placed = Placement(
            buffer=bare.buffer,
            origin=bare.origin,
            type=bare.type,
            pixel_pitch=bare.pixel_pitch,
            row_pitch=bare.row_pitch,
            halo=padding,
            fill=fill,
        )
        placements[value] = placed
        return placed

    def _needed(self, value: str) -> tuple[Padding, int]:
        """The halo that the value's writer must fill: its readers', and those of the concats it is a slice of."""
        own = self.demand.get(value, (NO_HALO, 0))
        share = self.shares.get(value)
        if share is None or not share.pitched or self.position[share.owner] < self.position[value]:
            return own
        above = self._needed(share.owner)
        return above if own[0] == NO_HALO else own if above[0] == NO_HALO else _joined(own, above)


def _joined(a: tuple[Padding, int], b: tuple[Padding, int]) -> tuple[Padding, int]:
    return _widest(a[0], b[0]), a[1]


def _widest(a: Padding, b: Padding) -> Padding:
    return max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _dense_pitches(kind: TensorType) -> tuple[int, int]:
    if len(kind.shape) != 4:
        return kind.size_bytes, kind.size_bytes
    pixel = kind.shape[3] * kind.dtype.size_bytes
    return pixel, pixel * kind.shape[2]


def _frame(buffer: int, kind: TensorType, halo: Padding) -> tuple[Placement, int]:
    pixel, row = _dense_pitches(kind)
    if len(kind.shape) != 4:
        return Placement(buffer=buffer, origin=0, type=kind, pixel_pitch=pixel, row_pitch=row), max(
            kind.size_bytes, 1
        )
    if kind.shape[0] != 1:
        if halo != NO_HALO:
            raise PlanError(f"{kind} has {kind.shape[0]} images and would need a halo around each of them")
        return Placement(
            buffer=buffer, origin=0, type=kind, pixel_pitch=pixel, row_pitch=row
        ), kind.size_bytes
    top, left, bottom, right = halo
    row += max(left, right) * pixel
    origin = top * row + left * pixel
    size = origin + (kind.shape[1] - 1 + bottom) * row + (kind.shape[2] + right) * pixel
    return Placement(buffer=buffer, origin=origin, type=kind, pixel_pitch=pixel, row_pitch=row), size
