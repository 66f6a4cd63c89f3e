"""Functions around kernels: the loop over a table of calls, and copies between a batch and the memory."""

from collections.abc import Sequence

from llvmlite import ir

from .builder import F64, I64, KERNEL, POINTER, SIZE, VOID, Loops


def call_each(f: Loops, records: ir.Value, count: ir.Value, memory: ir.Value, examples: ir.Value) -> None:
    """Calls the function of each record in turn."""

    def call(i: ir.Value, _: Sequence[ir.Value]) -> None:
        record = f.b.gep(records, [f.times(i, SIZE)], source_etype=I64)
        target = f.b.inttoptr(f.read(record), KERNEL.as_pointer())
        f.b.call(target, [record, memory, examples])

    f.loop(f.whole(0), count, 1, call)


def run(module: ir.Module, name: str) -> None:
    """(records, how many, memory, examples): calls the function of each record in turn."""
    f = Loops(module, name, ir.FunctionType(VOID, [POINTER, I64, POINTER, I64]))
    call_each(f, *f.arguments)
    f.done()


def copy(module: ir.Module, name: str) -> None:
    """(from, its strides by column and example, to, its strides, columns, examples): numbers of a row for each example
    are laid out so that examples lie side by side, or the other way round."""
    f = Loops(module, name, ir.FunctionType(VOID, [POINTER, I64, I64, POINTER, I64, I64, I64, I64]))
    source, source_column, source_example, target, target_column, target_example, columns, examples = f.arguments

    def column(c: ir.Value, _: Sequence[ir.Value]) -> None:
        def example(e: ir.Value, _: Sequence[ir.Value]) -> None:
            place = f.plus(f.times(c, source_column), f.times(e, source_example))
            x = f.b.load(f.b.gep(source, [place], source_etype=F64), typ=F64)
            place = f.plus(f.times(c, target_column), f.times(e, target_example))
            f.b.store(x, f.b.gep(target, [place], source_etype=F64))

        f.loop(f.whole(0), examples, 1, example)

    f.loop(f.whole(0), columns, 1, column)
    f.done()
