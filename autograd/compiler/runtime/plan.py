"""A program as a table of calls of native functions, and the memory that they run in, checked before they run."""

import ctypes
import ctypes.util
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..codegen import batch, single, straightline
from ..codegen.builder import (
    FUNCTION,
    INNER,
    LANES,
    PLACES,
    SIZE,
    STRIDES_INNER,
    STRIDES_OUTER,
    TABLE_W,
    TABLE_X,
    Blocks,
)
from ..ir.program import Program
from ..schedule.kernels import EACH, Calls, Dot, Gather, Kernel, Kernels, Map, Total, spread
from ..schedule.loops import Nest, stride
from . import memory
from .batches import Argument, address_of
from .machine import Machine
from .memory import Extent, Span

SCALAR = Blocks(1, 4, 1)
"""For what runs once: one number at a time."""
LINE = 8
"""Numbers in a line of the cache. Places that are a power of two of them apart would share a few lines of it only."""


class Table(NamedTuple):
    """Offsets of terms from a place: where they stand, and how far they reach. Or a stride in their place."""

    address: int
    least: int
    most: int

    def extent(self, examples: int) -> Extent:
        return Extent(self.least, self.most, examples)


class Plan:
    """The records of a program for `capacity` examples at a time, and its memory. totals_at: the address of the totals,
    if they are to be somewhere else.

    RuntimeError if a call would leave the memory, or write where it must not.
    """

    def __init__(self, kernels: Kernels, capacity: int, machine: Machine, totals_at: int | None = None) -> None:
        width = machine.blocks.width if capacity > 1 else 1
        self.machine, self.kernels = machine, kernels
        self.capacity = -(-capacity // width) * width
        self.apart = self.capacity + LINE * (self.capacity % (4 * LINE) == 0)
        self.totals = kernels.totals
        self.first_own = -(-(kernels.shared + self.totals) // LINE) * LINE
        self.memory = memory.doubles(self.first_own + kernels.own * self.apart)
        self.address = ctypes.addressof(self.memory)
        self.first_total = kernels.shared if totals_at is None else (totals_at - self.address) // 8
        taken = kernels.shared_inputs
        self.memory[taken : taken + len(kernels.constants)] = list(kernels.constants)
        self._tables: list[array[int]] = []
        self._known: dict[Any, tuple[Table, Sequence[int]]] = {}
        self._used: dict[Any, str] = {}
        self._engines: list[Any] = []
        self._written = {
            False: memory.Written(kernels.shared, taken + len(kernels.constants)),
            True: memory.Written(kernels.own, kernels.inputs),
        }
        """The places that kernels have written so far: of what is shared, and of what each example has."""
        self.once = self._records(kernels.once, True)
        self.each = self._records(kernels.each, capacity == 1)

    def at(self, place: int) -> int:
        """The position of a place in the memory."""
        return place if place < EACH else self.first_own + (place - EACH) * self.apart

    def _run(self, records: "array[int]", examples: int) -> None:
        self.machine.run(records.buffer_info()[0], len(records) // SIZE, self.address, examples)

    def _records(self, kernels: Sequence[Kernel], once: bool) -> "array[int]":
        found = array("q")
        for kernel in kernels:
            if not once:
                records = self._batch(spread(kernel), None)
            elif kernel.calls is not None and kernel.calls.room >= 4:
                records = self._batch(kernel, kernel.calls)
            else:
                records = self._single(spread(kernel))
            for record in records:
                found.extend(record)
        return found

    def _function(self, key: Any, make: Callable[..., None], *args: Any, **options: Any) -> int:
        address = self.machine.function(key, make, *args, **options)
        self._used[key] = self.machine.code[key]
        if self.machine.engine not in self._engines:
            self._engines.append(self.machine.engine)
        return address

    def _single(self, kernel: Kernel) -> list[list[int]]:
        """The records of a kernel for one example."""
        if isinstance(kernel, Gather):
            return self._gathers(kernel, SCALAR, [place >= EACH for place in kernel.nests[0].start[:2]], None)
        start, records = kernel.nests[0].start, list[list[int]]()
        for piece in self._pieces(kernel):
            steps = single.steps_of(piece)
            side_by_side = piece.counts[1] > 1 and steps[-1] == single.NEXT
            blocks = self.machine.blocks if side_by_side else SCALAR
            if isinstance(kernel, Map):
                key: Any = "map of rows", kernel.expression, steps, blocks
                address = self._function(key, single.mapped, blocks, kernel.expression, steps)
                records.append(self._record(kernel, address, piece))
                continue
            lines = [list(offsets) == list(range(len(offsets))) for offsets in (kernel.ws, kernel.xs)]
            if single.OTHER in steps[:2] and all(lines) and len(kernel.ws) >= self.machine.blocks.lanes:
                blocks, same_x = self.machine.blocks, steps[1] == single.STAYS
                key = "dot of neighbours", same_x, blocks
                address = self._function(key, single.dot_of_neighbours, blocks, same_x=same_x)
            else:
                address = self._function(("dot of rows", steps, blocks), single.dot, blocks, steps)
            ws, xs = self._table(kernel.ws, start[0]), self._table(kernel.xs, start[1])
            records.append(self._record(kernel, address, piece, ws, xs))
        return records

    def _pieces(self, kernel: Kernel) -> list[Nest]:
        """The nests of a kernel. A total is its own bias, and stands where its number says."""
        if not isinstance(kernel, Total):
            return kernel.nests
        first, found = self.first_total, list[Nest]()
        for counts, (w, x, total), *strides in kernel.nests:
            outer, inner = [(*stride, stride[-1]) for stride in strides]
            found.append(Nest(counts, (w, x, first + total, first + total), outer, inner))
        return found

    def _gathers(self, kernel: Gather, blocks: Blocks, own: Sequence[bool], calls: Calls | None) -> list[list[int]]:
        key, (own_index, own_x) = ("gather", *own, blocks), own
        address = self._function(key, batch.gather, blocks, own_index=own_index, own_x=own_x)
        xs = self._table(kernel.xs, kernel.nests[0].start[1])
        return [self._record(kernel, address, piece, None, xs, calls) for piece in self._pieces(kernel)]

    def _batch(self, kernel: Kernel, calls: Calls | None) -> list[list[int]]:
        """The records of a kernel whose vectors hold a number of many examples, or of many calls for one example."""
        start, blocks = kernel.nests[0].start, self._blocks(calls)
        own = tuple([place >= EACH if calls is None else calls.strides[k] == 1 for k, place in enumerate(start[:-1])])
        if not isinstance(kernel, Dot | Total):
            blocks = blocks._replace(rows=1, vectors=1)
        if isinstance(kernel, Gather):
            return self._gathers(kernel, blocks, own, calls)
        if isinstance(kernel, Map):
            address = self._function(
                ("map", kernel.expression, own, blocks), batch.mapped, blocks, kernel.expression, own
            )
            return [self._record(kernel, address, piece, calls=calls) for piece in self._pieces(kernel)]
        ws, xs = self._table(kernel.ws, start[0]), self._table(kernel.xs, start[1])
        steps = [stride(offsets) for offsets in (kernel.ws, kernel.xs)]
        regular = isinstance(kernel, Dot) and None not in steps
        if regular:
            ws, xs = (
                table._replace(address=self._scale(place) * (step or 0))
                for table, step, place in zip((ws, xs), steps, start, strict=False)
            )
        records = []
        for piece in self._pieces(kernel):
            if isinstance(kernel, Total):
                grid = piece.inner[0] == 0 and piece.outer[1] == 0 and piece.counts != (1, 1)
                how = {"own_w": own[0], "side_by_side": grid and piece.inner[-1] == 1, "grid": grid}
                address = self._function(("total", *how.values(), blocks), batch.total, blocks, **how)
            else:
                how = {"own_w": own[0], "own_bias": own[2], "strides": regular, "shared_x": piece.inner[1] == 0}
                address = self._function(("dot", *how.values(), blocks), batch.dot, blocks, **how)
            records.append(self._record(kernel, address, piece, ws, xs, calls))
        return records

    def _blocks(self, calls: Calls | None) -> Blocks:
        """Blocks for as many vectors as fill the room of calls."""
        blocks = self.machine.blocks
        if calls is None:
            return blocks
        lanes = next(n for n in (blocks.lanes, 4, 2, 1) if n <= blocks.lanes and calls.room % n == 0)
        vectors = next(n for n in range(blocks.vectors, 0, -1) if calls.room // lanes % n == 0)
        return Blocks(lanes, blocks.rows, vectors)

    def _scale(self, place: int) -> int:
        """The distance of neighbours."""
        return self.apart if place >= EACH else 1

    def _table(self, offsets: Sequence[int], place: int) -> Table:
        """A table of offsets from a place."""
        scale = self._scale(place)
        if (known := self._known.get((id(offsets), scale))) is None:  # kernels of one program share offsets
            self._tables.append(table := array("q", [scale * x for x in offsets]))
            found = Table(table.buffer_info()[0], min(table, default=0), max(table, default=0))
            self._known[id(offsets), scale] = known = found, offsets  # kept, so that their identity stays their own
        return known[0]

    def _record(
        self,
        kernel: Kernel,
        address: int,
        piece: Nest,
        ws: Table | None = None,
        xs: Table | None = None,
        calls: Calls | None = None,
    ) -> list[int]:
        record = [0] * SIZE
        terms = 0 if xs is None or isinstance(kernel, Map) else len(kernel.xs)
        record[:4] = address, *piece.counts, terms
        for k, place in enumerate(piece.start):
            scale = self._scale(place)
            record[PLACES + k] = self.at(place)
            record[STRIDES_OUTER + k] = scale * piece.outer[k]
            record[STRIDES_INNER + k] = scale * piece.inner[k]
        record[TABLE_W], record[TABLE_X] = ws.address if ws else 0, xs.address if xs else 0
        record[LANES] = calls.number if calls else 0
        self._check(kernel, record, piece, (None, xs) if isinstance(kernel, Gather) else (ws, xs), calls)
        return record

    def _check(
        self, kernel: Kernel, record: list[int], piece: Nest, tables: Sequence[Table | None], calls: Calls | None
    ) -> None:
        """RuntimeError unless the call reads only what was written before it, and writes only what is its own."""
        last = len(piece.start) - 1
        for k, place in enumerate(piece.start):
            own = place >= EACH
            if isinstance(kernel, Total) and k > 1:
                totals = Span(self.first_total, self.first_total + self.totals)
                memory.check(kernel, "write", memory.touched(record, k, Extent()), totals)
                continue
            beside = calls is not None and (k == last or calls.strides[k] == 1)
            lanes = calls.room if calls is not None and beside else 1
            examples = self.capacity * lanes if own else lanes
            extent = table.extent(examples) if k < 2 and (table := tables[k]) else Extent(examples=examples)
            area = Span(self.first_own, self.at(EACH + self.kernels.own)) if own else Span(0, self.kernels.shared)
            memory.check(kernel, "write" if k == last else "read", memory.touched(record, k, extent), area)
            (rows, count), first, stride = piece.counts, place - EACH * own, piece.inner[k]
            starts = [first + i * piece.outer[k] for i in range(rows if piece.outer[k] else 1)]
            if k == last:
                self._written[own].write(kernel, starts, stride, count, lanes)
            else:
                least, most = extent.least // self._scale(place), extent.most // self._scale(place)
                way = stride * (count - 1)
                lowest = [x + least + min(way, 0) for x in starts]
                reach = calls.number - 1 if calls is not None and beside else 0
                self._written[own].read(kernel, lowest, abs(way) + most - least + reach)

    def code(self) -> list[str]:
        """The code of the functions that the records call."""
        return list(self._used.values())

    def _chunks(
        self, arguments: Sequence[Argument], shared: Sequence[float], examples: int
    ) -> Iterator[tuple[int, int]]:
        """Runs the program on so many examples at a time, and says which have just been computed."""
        self.memory[: len(shared)] = list(shared)
        self._run(self.once, 1)
        buffers = [(address_of(a.numbers), a.columns) for a in arguments]
        for start in range(0, examples, self.capacity):
            count, place = min(self.capacity, examples - start), EACH
            for address, columns in buffers:
                source, target = address + 8 * start * columns, self.address + 8 * self.at(place)
                self.machine.copy(source, 1, columns, target, self.apart, 1, columns, count)
                place += columns
            self._run(self.each, count)
            yield start, count

    def totals_over(self, arguments: Sequence[Argument], shared: Sequence[float], examples: int) -> list[float]:
        """The totals over the examples. arguments: see `Argument`."""
        first, last = self.first_total, self.first_total + self.totals
        self.memory[first:last] = [0.0] * self.totals
        for _ in self._chunks(arguments, shared, examples):
            pass
        return self.memory[first:last]

    def each_output(
        self, arguments: Sequence[Argument], shared: Sequence[float], examples: int, results: Sequence[tuple[int, int]]
    ) -> None:
        """Writes the outputs of each example. results: for each output the address of the first, and how far apart they
        are for following examples."""
        for start, count in self._chunks(arguments, shared, examples):
            for place, (address, apart) in zip(self.kernels.outputs, results, strict=True):
                source, target = self.address + 8 * self.at(place), address + 8 * start * apart
                self.machine.copy(source, 0, int(place >= EACH), target, 0, apart, 1, count)


class Pointwise:
    """A small program, straight through all examples: numbers are read where they lie, and results written where they
    shall be."""

    def __init__(self, program: Program, machine: Machine) -> None:
        self.machine, self.program, self.capacity = machine, program, sys.maxsize
        self.function = machine.alone(straightline.write, machine.blocks, program, strides=True)

    def each_output(
        self, arguments: Sequence[Argument], shared: Sequence[float], examples: int, results: Sequence[tuple[int, int]]
    ) -> None:
        """results: for each output the address of the first, and how far apart they are for following examples."""
        own = array("d", [*shared, 0.0])
        base = own.buffer_info()[0]
        places, apart = list[int](), list[int]()
        for a in arguments:
            places += [(address_of(a.numbers) - base) // 8 + k for k in range(a.columns)]
            apart += [a.columns] * a.columns
        places += [*range(len(shared)), *[(address - base) // 8 for address, _ in results]]
        table = array("q", [*places, *apart, *[stride for _, stride in results]])
        record = array("q", [0] * SIZE)
        record[FUNCTION], record[INNER] = self.function.address, examples
        record[TABLE_X] = table.buffer_info()[0]
        self.machine.run(record.buffer_info()[0], 1, base, examples)

    def code(self) -> list[str]:
        return [self.function.code]

    fits = staticmethod(straightline.fits)
