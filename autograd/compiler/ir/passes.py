"""Passes: Program -> Program. Each leaves every output as it was, to the last bit, unless it says otherwise."""

from collections.abc import Sequence
from typing import Any

from ... import ops
from ..identity import by_identity
from .peephole import Pass, folded, lowered, merged, powered, together
from .program import Operands, Program, Rewriter


def lower(program: Program) -> Program:
    """Vectors are left to `dot` and `gather`: `sum`, `amax` and `logsumexp` become what they are made of, and so does
    an operation of a user's own, whose forward rule is traced.

    Raises TypeError, with a remedy, if a forward rule wants to know a number.
    """
    return together(lowered)(program)


def fold(program: Program) -> Program:
    """A result of constants alone becomes a constant; x * 1, x / 1, x ** 1, x - 0 and x + -0.0 become x."""
    return together(folded)(program)


def powers(program: Program) -> Program:
    """x ** 2, x ** -1 and x ** +-0.5 become products, quotients and roots, which are off by a unit or two in the last
    place at most, rather than be asked of a library."""
    return together(powered)(program)


def merge(program: Program) -> Program:
    """Instructions that compute the same from the same become one."""
    return together(merged)(program)


def simplify(program: Program) -> Program:
    """The four above in one go, which takes a third of the time."""
    return together(lowered, folded, powered, merged)(program)


def prune(program: Program) -> Program:
    """Instructions that no output needs are dropped."""
    first = program.first
    total = first + len(program.instructions)
    needed = [False] * (total + len(program.constants))
    for y in program.outputs:
        needed[y] = True

    def need(vector: tuple[int, ...]) -> None:
        for y in vector:
            needed[y] = True

    need_once = by_identity(need)
    for _, factors, rows in program.totals:
        for vector in (factors, *rows):
            need_once(vector)
    for site in program.calls:
        need_once(site.arguments)
    for slot in range(total - 1, first - 1, -1):
        if needed[slot]:
            for x in program.instructions[slot - first].operands:
                if type(x) is tuple:
                    need_once(x)
                else:
                    needed[x] = True
    work = Rewriter(program)
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
    work = Rewriter(program)
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


def separate(program: Program) -> Program:
    """In each product the factor that all examples share comes first, and a `dot` has products of one kind only: of two
    shared numbers, of a shared one and one of the example, or of two of the example. The constant 1 is there."""
    work = Rewriter(program)
    work.constant(1.0)
    own = program.depends()
    owners = by_identity(lambda vector: {own[y] for y in vector})

    def split(operands: Operands, xs: Operands) -> Any:
        """The products of a `dot` by kind, the factors in order."""
        kinds: list[tuple[Any, Any]] = [((), ()), ((), ()), ((), ())]
        of_w, of_x = owners(operands[0]), owners(operands[1])
        if len(of_w) == len(of_x) == 1:  # all are of one kind
            (w,), (x,) = of_w, of_x
            kinds[w + x] = (xs[1], xs[0]) if w and not x else (xs[0], xs[1])
            return kinds
        for kind in range(3):
            rows = [
                (x, w) if own[old_w] and not own[old_x] else (w, x)
                for w, x, old_w, old_x in zip(*xs[:2], *operands[:2], strict=True)
                if own[old_w] + own[old_x] == kind
            ]
            kinds[kind] = tuple([w for w, _ in rows]), tuple([x for _, x in rows])
        return kinds

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


def spelled_out(program: Program, totals: int) -> Program:
    """The same with an output for each of so many totals: what one example adds to it."""
    work = Rewriter(program)
    for primitive, operands in program.instructions:
        work.take(work.new.append(primitive, work.moved(operands)))
    parts = [list[int]() for _ in range(totals)]
    products = [list[tuple[int, int]]() for _ in range(totals)]
    for i, y in program.summed():
        parts[i].append(work.slots[y])
    for into, factors, rows in program.totals:
        for factor, row in zip(factors, rows, strict=True):
            for i, x in zip(into, row, strict=True):
                products[i].append((work.slots[x], work.slots[factor]))

    def total(plain: list[int], pairs: list[tuple[int, int]]) -> int:
        y = plain[0] if plain else None
        for x in plain[1:]:
            y = work.new.append(ops.add, (y, x))
        if len(pairs) == 1 and y is None:
            return work.new.append(ops.mul, pairs[0])
        if not pairs:
            return work.constant(0.0) if y is None else y
        xs, ws = zip(*pairs, strict=True)
        return work.new.append(ops.dot, (ws, xs, work.constant(-0.0) if y is None else y))

    return work.new.program(list(map(total, parts, products)))


PASSES: tuple[Pass, ...] = (lower, fold, powers, merge, sums_to_dots, prune, separate)


QUICK: tuple[Pass, ...] = (simplify, sums_to_dots, prune, separate)
"""The same in fewer steps."""


def run(program: Program, passes: Sequence[Pass] = PASSES) -> list[Program]:
    """The program before and after each pass."""
    stages = [program]
    for step in passes:
        stages.append(step(stages[-1]))
    return stages
