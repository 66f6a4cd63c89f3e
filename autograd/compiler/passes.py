"""Passes: Program -> Program. Each leaves every output as it was, to the last bit, unless it says otherwise."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import ops
from ..graph import arguments as arguments_of
from ..graph import topological_order
from ..modes import plainly, symbolic
from ..primitives import TABLE, Primitive
from ..value import Value
from .program import Builder, Operands, Program, bits, by_identity

Pass = Callable[[Program], Program]

ONE, NOTHING, ZERO = bits(1.0), bits(-0.0), bits(0.0)
NEUTRAL = {
    (ops.mul, 0, ONE), (ops.mul, 1, ONE), (ops.div, 1, ONE), (ops.pow, 1, ONE),
    (ops.add, 0, NOTHING), (ops.add, 1, NOTHING), (ops.sub, 1, ZERO),
}  # fmt: skip
"""A primitive, which of its two operands, and the number there that makes the result the other operand, exactly."""
COMMUTATIVE = (ops.add, ops.mul)


class _Rewriter:
    """Makes a new program of another one, instruction by instruction: `moved` gives an old instruction's operands, and
    `take` says where its result is now."""

    def __init__(self, program: Program) -> None:
        self.old = program
        self.new = Builder(program.inputs, program.shared)
        self.constant = self.new.constant
        self.slots = program.slots(range(program.first), [self.constant(x) for x in program.constants])
        self._next = program.first
        self._vectors: dict[int, tuple[int, ...]] = {}  # by the old one's identity: a layer's rows share one

    def number(self, slot: int) -> float | None:
        """The constant in a slot of the new program; None for other slots."""
        return self.new.constants[-1 - slot] if slot < 0 else None

    def moved(self, operands: Operands) -> Operands:
        slots, vectors = self.slots, self._vectors
        result: list[Any] = []
        for x in operands:
            if type(x) is not tuple:
                result.append(slots[x])
            else:
                if (found := vectors.get(id(x))) is None:
                    vectors[id(x)] = found = tuple([slots[y] for y in x])
                result.append(found)
        return tuple(result)

    def take(self, slot: int) -> None:
        self.slots[self._next] = slot
        self._next += 1

    def program(self) -> Program:
        return self.new.program([self.slots[y] for y in self.old.outputs])


def fold(program: Program) -> Program:
    """What depends on constants alone becomes a constant; x * 1, x / 1, x ** 1, x - 0 and x + -0.0 become x."""
    work = _Rewriter(program)
    largest = by_identity(max)
    for primitive, operands in program.instructions:
        xs = work.moved(operands)
        work.take(_folded(work, primitive, xs, largest))
    return work.program()


def _folded(work: _Rewriter, primitive: Any, xs: Operands, largest: Callable[[Any], int]) -> Any:
    if primitive is ops.identity:
        return xs[0]
    if len(xs) == 2 and not primitive.vectors:
        for i, x in enumerate(xs):
            number = work.number(x)
            if number is not None and (primitive, i, bits(number)) in NEUTRAL:
                return xs[1 - i]
    if all((largest(x) if type(x) is tuple else x) < 0 for x in xs):
        numbers = [[work.number(y) for y in x] if type(x) is tuple else work.number(x) for x in xs]
        return work.constant(primitive.forward(*numbers))
    if primitive is ops.where and (condition := work.number(xs[0])) is not None:
        return xs[1] if condition else xs[2]
    return work.new.append(primitive, xs)


def powers(program: Program) -> Program:
    """x ** 2, x ** -1 and x ** +-0.5 become products, quotients and roots, which are off by a unit or two in the last
    place at most, rather than be asked of a library."""
    work = _Rewriter(program)
    for primitive, operands in program.instructions:
        xs = work.moved(operands)
        exponent = work.number(xs[1]) if primitive is ops.pow else None
        work.take(POWERS[exponent](work, xs[0]) if exponent in POWERS else work.new.append(primitive, xs))
    return work.program()


def _root(work: _Rewriter, x: int) -> int:
    """x ** 0.5, which differs from the root of x at -inf and -0."""
    append = work.new.append
    root = append(ops.add, (append(ops.sqrt, (x,)), work.constant(0.0)))
    lowest = append(ops.equal, (x, work.constant(-math.inf)))
    return append(ops.where, (lowest, work.constant(math.inf), root))


def _inverse(work: _Rewriter, x: int) -> int:
    return work.new.append(ops.div, (work.constant(1.0), x))


POWERS: dict[float | None, Callable[[_Rewriter, int], int]] = {
    2.0: lambda work, x: work.new.append(ops.mul, (x, x)),
    -1.0: _inverse,
    0.5: _root,
    -0.5: lambda work, x: _inverse(work, _root(work, x)),
}


def merge(program: Program) -> Program:
    """Instructions that compute the same from the same become one."""
    work, seen = _Rewriter(program), dict[Any, int]()
    for primitive, operands in program.instructions:
        xs = work.moved(operands)
        if primitive in COMMUTATIVE:
            key = primitive, *sorted(xs)
        elif primitive.vectors:
            key = primitive, *[work.new.vector(x) if type(x) is tuple else x for x in xs]
        else:
            key = primitive, *xs
        slot = seen.get(key)
        if slot is None:
            seen[key] = slot = work.new.append(primitive, xs)
        work.take(slot)
    return work.program()


def prune(program: Program) -> Program:
    """Instructions that no output needs are dropped."""
    first = program.first
    total = first + len(program.instructions)
    needed = [False] * (total + len(program.constants))
    for y in program.outputs:
        needed[y] = True
    done = set[int]()
    for slot in range(total - 1, first - 1, -1):
        if needed[slot]:
            for x in program.instructions[slot - first].operands:
                if type(x) is not tuple:
                    needed[x] = True
                elif id(x) not in done:
                    done.add(id(x))
                    for y in x:
                        needed[y] = True
    work = _Rewriter(program)
    for slot, (primitive, operands) in enumerate(program.instructions, first):
        work.take(work.new.append(primitive, work.moved(operands)) if needed[slot] else -1)
    return work.program()


def sums_to_dots(program: Program) -> Program:
    """Chains ((b + w1 x1) + w2 x2) + ..., as loops write them and as gradients add up, become one `dot`.

    Only sums with two products or more, or with a `dot` that they go on with: others keep their order of summation. In
    a `dot` the order is free: a term that is no product may become the bias.
    """
    first, instructions = program.first, program.instructions
    total = first + len(instructions)
    uses = program.uses()
    for y in program.outputs:
        uses[y] += 1

    def once(slot: int, primitive: Any) -> Any:
        """The operands of a result of this primitive that is used once, and so can be swallowed."""
        if slot >= first and uses[slot] == 1 and instructions[slot - first].primitive is primitive:
            return instructions[slot - first].operands
        return None

    swallowed = [False] * total
    dots: dict[int, Any] = {}  # by the slot of the last sum: ws, in which None is 1, xs, and the bias or None
    for slot in range(total - 1, first - 1, -1):
        if instructions[slot - first].primitive is not ops.add or swallowed[slot]:
            continue
        chain, (start, term) = [slot], instructions[slot - first].operands
        terms: list[int] = [term]
        while (inner := once(start, ops.add)) is not None:
            chain.append(start)
            start, term = inner
            terms.append(term)
        for inner_sum in chain[1:]:
            swallowed[inner_sum] = True  # whatever becomes of the chain, it is not looked at again
        ws, xs, bias = list[int | None](), list[int](), start
        if (before := once(start, ops.dot)) is not None:
            chain.append(start)
            ws, xs, bias = [*before[0]], [*before[1]], before[2]
        elif once(start, ops.mul) is not None:
            terms.append(start)
            bias = None
        products = len(ws)
        if bias is None and (plain := [term for term in terms if once(term, ops.mul) is None]):
            bias = plain[0]
            terms.remove(bias)
        for term in reversed(terms):
            if (factors := once(term, ops.mul)) is not None:
                chain.append(term)
                products += 1
            w, x = factors or (None, term)
            ws.append(w)
            xs.append(x)
        if products >= 2:
            dots[slot] = ws, xs, bias
            for x in chain[1:]:
                swallowed[x] = True
        else:
            for x in chain[1:]:
                swallowed[x] = False
    work = _Rewriter(program)
    for slot, (primitive, operands) in enumerate(instructions, first):
        if swallowed[slot]:
            work.take(-1)  # nobody asks for it
        elif slot in dots:
            ws, xs, bias = dots[slot]
            one, nothing = work.constant(1.0), work.constant(-0.0)
            moved = tuple([one if w is None else work.slots[w] for w in ws]), tuple([work.slots[x] for x in xs])
            work.take(work.new.append(ops.dot, (*moved, nothing if bias is None else work.slots[bias])))
        else:
            work.take(work.new.append(primitive, work.moved(operands)))
    return work.program()


def lower(program: Program) -> Program:
    """Vectors are left to `dot` and `gather`: `sum`, `amax` and `logsumexp` become what they are made of, and so does
    an operation of a user's own, whose forward rule is traced.

    Raises TypeError, with a remedy, if a forward rule wants to know a number.
    """
    work = _Rewriter(program)
    for primitive, operands in program.instructions:
        work.take(_lowered(work, primitive, work.moved(operands)))
    return work.program()


def _lowered(work: _Rewriter, primitive: Primitive, xs: Operands) -> int:
    if primitive.module != TABLE:
        return _traced(work, primitive, xs)
    return VECTORS[primitive](work, list(xs[0])) if primitive in VECTORS else work.new.append(primitive, xs)


def _sum(work: _Rewriter, xs: list[int]) -> int:
    ones = (work.constant(1.0),) * len(xs)
    return work.new.append(ops.dot, (ones, tuple(xs), work.constant(0.0)))


def _amax(work: _Rewriter, xs: list[int]) -> int:
    """A tree of `maximum`."""
    while len(xs) > 1:
        pairs = zip(xs[::2], xs[1::2], strict=False)
        xs = [work.new.append(ops.maximum, pair) for pair in pairs] + xs[len(xs) // 2 * 2 :]
    return xs[0]


def _logsumexp(work: _Rewriter, xs: list[int]) -> int:
    append = work.new.append
    largest = _amax(work, xs)
    total = _sum(work, [append(ops.exp, (append(ops.sub, (x, largest)),)) for x in xs])
    infinite = append(ops.equal, (append(ops.abs, (largest,)), work.constant(math.inf)))
    return append(ops.where, (infinite, largest, append(ops.add, (largest, append(ops.log, (total,))))))


VECTORS: dict[Primitive, Callable[[_Rewriter, list[int]], int]] = {
    ops.sum: _sum, ops.amax: _amax, ops.logsumexp: _logsumexp,
}  # fmt: skip


def _traced(work: _Rewriter, primitive: Primitive, operands: Operands) -> int:
    """The forward rule of a custom primitive, recorded."""
    leaves: dict[Any, int] = {}

    def leaf(slot: int) -> Value:
        leaves[node := Value(0.5)] = slot
        return node

    arguments = [tuple(map(leaf, x)) if type(x) is tuple else leaf(x) for x in operands]
    try:
        with plainly(), symbolic():
            result: Any = getattr(primitive.forward, "__wrapped__", primitive.forward)(*arguments)
    except TypeError as error:
        raise TypeError(
            f"the forward rule of {primitive.name} cannot be compiled: {error}; write it with operators and autograd's "
            f"functions, such as autograd.sin in the place of math.sin"
        ) from None
    if not isinstance(result, Value):
        return work.constant(float(result))
    others, interiors = topological_order(result)
    slots = {**leaves, **{x: work.constant(x._data) for x in others if x not in leaves}}

    def slot(x: Any) -> Any:
        if type(x) is tuple:
            return tuple(map(slot, x))
        return work.constant(x) if type(x) is float else slots[x]

    for node in interiors:
        assert node.primitive is not None
        slots[node] = _lowered(work, node.primitive, tuple(map(slot, arguments_of(node))))
    return slots[result]


def separate(program: Program) -> Program:
    """In each product the factor that all examples share comes first, and a `dot` has products of one kind only: of two
    shared numbers, of a shared one and one of the example, or of two of the example. The constant 1 is there."""
    work = _Rewriter(program)
    work.constant(1.0)
    own, known = program.depends(), dict[tuple[int, int], Any]()

    def split(operands: Operands, xs: Operands) -> Any:
        """The products of a `dot` by kind, the factors in order."""
        if (found := known.get(key := (id(operands[0]), id(operands[1])))) is None:
            kinds: tuple[Any, ...] = (([], []), ([], []), ([], []))
            for w, x, old_w, old_x in zip(*xs[:2], *operands[:2], strict=True):
                if own[old_w] and not own[old_x]:
                    w, x = x, w
                left, right = kinds[own[old_w] + own[old_x]]
                left.append(w)
                right.append(x)
            known[key] = found = [(tuple(left), tuple(right)) for left, right in kinds]
        return found

    for primitive, operands in program.instructions:
        xs = work.moved(operands)
        if primitive is not ops.dot and primitive is not ops.mul:
            work.take(work.new.append(primitive, xs))
            continue
        if primitive is ops.mul:
            a, b = operands
            work.take(work.new.append(primitive, xs[::-1] if own[a] and not own[b] else xs))
            continue
        kinds = split(operands, xs)
        result = xs[2]
        if kinds[0][0] and own[operands[2]]:  # what is shared is computed once, and added
            shared = work.new.append(ops.dot, (*kinds[0], work.constant(-0.0)))
            result = work.new.append(ops.add, (result, shared))
            kinds = kinds[1:]
        for left, right in kinds:
            if left:
                result = work.new.append(ops.dot, (left, right, result))
        work.take(result)
    return work.program()


PASSES: tuple[Pass, ...] = (lower, fold, powers, merge, sums_to_dots, prune, separate)


def run(program: Program, passes: Sequence[Pass] = PASSES) -> list[Program]:
    """The program before and after each pass."""
    stages = [program]
    for step in passes:
        stages.append(step(stages[-1]))
    return stages
