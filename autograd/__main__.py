"""The tour: `python -m autograd`. One expression from its graph to its gradients, then a network on real digits. And
`python -m autograd step "tanh(a*b + c)" a=2 b=-3 c=10` steps through an expression of yours, and
`python -m autograd release notebooks/exercises -o build/release` writes assignments as students get them, which
`python -m autograd grade submissions -o scores.csv` grades. `python -m autograd course -o build/course` writes
the notebooks as pages."""

import argparse
import importlib.util
import io
import keyword
import math
import re
import sys
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from . import Value
from .drawing import draw_dot, step_through, table
from .expressions import FUNCTIONS, evaluate
from .files import write_file
from .snapshots import snapshot

if TYPE_CHECKING:
    from nn import Trainer


def main() -> None:
    """Gives the tour; with the word `step` steps through an expression, with `release` and `grade` works with
    assignments, with `course` writes the site of the notebooks.
    """
    if sys.argv[1:2] == ["step"]:
        step(sys.argv[2:])
    elif sys.argv[1:2] == ["release"]:
        from .exercises import release  # which the tour does not need

        release.main(sys.argv[2:])
    elif sys.argv[1:2] == ["grade"]:
        from .exercises import gradebook  # which the tour does not need

        gradebook.main(sys.argv[2:])
    elif sys.argv[1:2] == ["course"]:
        from .course import site  # which the tour does not need

        site.main(sys.argv[2:])
    else:
        tour(sys.argv[1:])


def step(arguments: list[str]) -> None:
    """Prints both passes of an expression, and writes the page or the picture. Raises ValueError for a name that does
    not end in .svg.
    """
    parser = argparse.ArgumentParser(
        prog="python -m autograd step",
        description="Prints the forward and the backward pass of an expression, step by step.",
        epilog='example: python -m autograd step "tanh(a*b + c)" a=2 b=-3 c=10 --html lesson.html. Functions: '
        + ", ".join(sorted(FUNCTIONS)),
    )
    parser.add_argument(
        "expression", help="names, numbers, + - * / **, brackets, and functions such as tanh; lines or ; may name parts"
    )
    parser.add_argument("values", nargs="*", metavar="name=number", help="a number for each name")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the page that plays the steps")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the picture of the graph")
    parser.add_argument("--animation", type=Path, metavar="FILE", help="write the steps as an SVG that moves")
    minus = re.compile(r"-(?!h$|-[a-z]{2,})")  # with a space before it, argparse takes it for no option
    options = parser.parse_intermixed_args([f" {a}" if minus.match(a) else a for a in arguments])
    try:
        for name, path in (("svg", options.svg), ("animation", options.animation)):
            if path and path.suffix.lower() != ".svg":
                raise ValueError(f"--{name} writes SVG, so the file's name ends in .svg, got {str(path)!r}")
        loss = evaluate(options.expression, parse_values(options.values))
        steps = step_through(loss)
        print(steps)
        if options.html:
            print(f"Page: {write(options.html, steps.html)}")
        if options.animation:
            print(f"Animation: {write(options.animation, steps.animation)}")
        if options.svg:
            loss.backward()
            print(f"Picture: {write(options.svg, draw_dot(loss).svg)}")
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        parser.exit(1, f"cannot write {error.filename}: {error.strerror}\n")


def parse_values(assignments: list[str]) -> dict[str, float]:
    """["a=2"] as {"a": 2.0}; ValueError for anything else."""
    values: dict[str, float] = {}
    for assignment in assignments:
        name, equals, number = (part.strip() for part in assignment.partition("="))
        name = unicodedata.normalize("NFKC", name)  # as Python reads names
        if not equals or not name or not number:
            raise ValueError(f"expected a value as name=number, without spaces, got {assignment!r}")
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"{name!r} cannot be a name; take letters, digits and _, and no word of Python's own")
        if name in values:
            raise ValueError(f"{name} has two values")
        try:
            values[name] = float(number)
        except ValueError:
            raise ValueError(f"{name} expected one number such as 0.5, got {number!r}") from None
    return values


def write(path: Path, text: str) -> Path:
    """Writes a text whole or not at all, in a folder that is made if need be; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode())
    return path


def tour(arguments: list[str]) -> None:
    """Parses the options and gives the tour; what goes wrong is told in one line."""
    parser = argparse.ArgumentParser(prog="python -m autograd", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("tour"), help="folder for pictures (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the training digits (default: %(default)s)")
    parser.add_argument("--hidden", type=int, default=32, help="neurons in the hidden layer (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="images in a mini-batch (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.05, help="learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides weights, split and order (default: %(default)s)")
    parser.add_argument("--eager", action="store_true", help="train operation by operation, even if llvmlite is there")
    options = parser.parse_args(arguments)
    for name in ("epochs", "hidden", "batch_size"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} is at least 1")
    if not 0 <= options.lr < math.inf:
        parser.error("--lr is a number >= 0")
    found = importlib.util.find_spec("nn")
    if found is None or not found.submodule_search_locations:
        sys.exit(f"{found.origin if found else 'nothing'} hides the package nn; start the tour in another folder")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        show_expression(options.output)
        show_networks(options.output)
        train_digits(options)
    except (ImportError, FloatingPointError) as error:
        sys.exit(f"\n{error}")
    except OSError as error:
        sys.exit(f"\ncannot write to {options.output} ({error.strerror}); choose another folder with --output")
    except KeyboardInterrupt:
        sys.exit("\nstopped")
    print("\nWhere to go next")
    print(
        "  notebooks/01_value_and_chain_rule.ipynb   the course: the same from the slope of a function on; open it with"
    )
    print("                                            .venv/bin/jupyter lab, which the extra `notebook` brings")
    print('  python -m autograd step "a*b + a" a=2 b=3 an expression of your own, step by step')
    print("  autograd/                                 the engine; README says in which order to read it")
    print("  python -m autograd --help                 other sizes, rates and seeds")


def show_expression(output: Path) -> None:
    """Records an expression, backpropagates, prints every node and writes the graph."""
    print("1. A graph: loss = tanh(a*b + c)\n")
    a, b, c = Value(2.0, label="a"), Value(-3.0, label="b"), Value(6.5, label="c")
    product = a * b
    product.label = "product"
    total = product + c
    total.label = "total"
    loss = total.tanh()
    loss.label = "loss"
    loss.backward()
    print(table(snapshot(loss)))
    print("\nEach gradient is the gradient of the user times the local derivative there, summed over all users.")
    print(f"Picture: {draw_dot(loss).save(output / 'graph.svg')}")
    print(f"Both passes step by step, open it in a browser: {step_through(loss).save(output / 'steps.html')}")


def show_networks(output: Path) -> None:
    """Writes pictures of a neuron and of a network."""
    from nn import MLP, Neuron  # which the folder may hide by an nn.py, and an expression does not need

    print("\n2. A neuron, and a network of them\n")
    neuron = Neuron(2, activation="tanh", rng=0)
    y = neuron([Value(0.5, label="x0"), Value(-1.0, label="x1")])
    y.backward()
    print(f"{neuron!r}: {draw_dot(y, expand=['dot']).save(output / 'neuron.svg')}")
    network = MLP(2, [16, 16, 1], rng=0)
    loss = (network([Value(0.5, label="x0"), Value(-1.0, label="x1")]) - 1) ** 2
    loss.backward()
    print(f"{network!r}: {draw_dot(loss).save(output / 'mlp.svg')}")


def train_digits(options: argparse.Namespace) -> None:
    """Trains an MLP on scikit-learn's digits and draws the learning curves."""
    from nn import (  # as above, not needed for an expression
        MLP,
        SGD,
        Trainer,
        accuracy,
        cross_entropy,
        load_digits,
        train_validation_test_split,
    )  # fmt: skip

    split = train_validation_test_split(*load_digits(), seed=options.seed)
    model = MLP(64, [options.hidden, 10], rng=options.seed)
    print(f"\n3. On real data: a network of {len(model.parameters())} parameters, each of them a Value\n\n{model!r}\n")
    sizes = [len(part) for part in (split.y_train, split.y_validation, split.y_test)]
    print(
        f"Handwritten digits: {sizes[0]} images to train on, {sizes[1]} to watch, {sizes[2]} to test once at the end."
    )
    optimizer = SGD(model.parameters(), lr=options.lr, momentum=0.9)
    compiled = not options.eager and importlib.util.find_spec("llvmlite") is not None
    trainer = Trainer(model, cross_entropy, optimizer, metrics=[accuracy], seed=options.seed, compile=compiled)
    history = trainer.fit(
        split.x_train,
        split.y_train,
        epochs=options.epochs,
        batch_size=options.batch_size,
        validation=(split.x_validation, split.y_validation),
    )
    loss, metrics = trainer.evaluate(split.x_test, split.y_test)
    done = f"Stopped after {len(history.train_loss)} complete epochs." if history.interrupted else "Trained."
    print(f"{done} Test loss {loss:.3f}.\nTest accuracy: {metrics['accuracy']:.1%}")
    if metrics["accuracy"] < 0.5 and not history.interrupted:
        print(f"That is poor: the learning rate, {options.lr:g}, may be too high or the training too short.")
    if history.train_loss:
        curves = io.BytesIO()
        history.plot().savefig(curves, dpi=120)
        write_file(options.output / "learning_curves.png", curves.getvalue())
        print(f"Learning curves: {options.output / 'learning_curves.png'}")
    if compiled:
        native, eager = times_of_a_step(trainer, split.x_train, split.y_train, options.batch_size)
        print(
            f"The scalar code was called once and compiled: a step took {1e6 * native:.0f} us. Eagerly, operation by\n"
            f"operation, it takes {1e3 * eager:.1f} ms, {eager / native:.0f} times as long; --eager shows it."
        )
    elif not options.eager:
        print("It ran eagerly; pip install 'scalar-autograd[compile]' makes the same training a hundred times faster.")


def times_of_a_step(trainer: "Trainer", X: list[list[float]], Y: list[int], batch_size: int) -> tuple[float, float]:
    """Seconds for a step of further training, compiled and eagerly."""
    seconds = []
    for compiled, batches, epochs in ((True, len(X) // batch_size or 1, 20), (False, 1, 3)):
        trainer.compile, size = compiled, batches * batch_size
        start = time.perf_counter()
        trainer.fit(X[:size], Y[:size], epochs=epochs, batch_size=batch_size, progress=False)
        seconds.append((time.perf_counter() - start) / batches / epochs)
    return seconds[0], seconds[1]


if __name__ == "__main__":
    main()
