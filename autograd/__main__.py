"""The tour: `python -m autograd`. One expression from its graph to its gradients, then a network on real digits."""

import argparse
import io
import math
import os
import sys
import tempfile
from pathlib import Path

from nn import MLP, SGD, History, Trainer, cross_entropy, load_digits, train_validation_test_split

from . import Value
from .drawing import draw_dot, table
from .drawing.digraph import use_dot
from .graph import snapshot


def main() -> None:
    """Parses the options and gives the tour; what goes wrong is told in one line."""
    parser = argparse.ArgumentParser(prog="python -m autograd", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("tour"), help="folder for pictures (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the training digits (default: %(default)s)")
    parser.add_argument("--hidden", type=int, default=32, help="neurons in the hidden layer (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="images in a mini-batch (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.05, help="learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides weights, split and order (default: %(default)s)")
    options = parser.parse_args()
    for name in ("epochs", "hidden", "batch_size"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} is at least 1")
    if not 0 <= options.lr < math.inf:
        parser.error("--lr is a number >= 0")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        show_expression(options.output)
        train_digits(options)
    except (ImportError, FloatingPointError) as error:
        sys.exit(f"\n{error}")
    except OSError as error:
        sys.exit(f"\ncannot write to {options.output} ({error.strerror}); choose another folder with --output")
    except KeyboardInterrupt:
        sys.exit("\nstopped")
    print("\nWhere to go next")
    print("  notebooks/01_value_and_chain_rule.ipynb   the same step by step, from the slope of a function")
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
    if use_dot():
        path = output / "graph.svg"
        write(path, draw_dot(loss).pipe(format="svg", quiet=True))
        print(f"Picture: {path}")
    else:
        print("No picture: nothing here computes positions. Mend it with: pip install 'scalar-autograd[draw]'")


def train_digits(options: argparse.Namespace) -> None:
    """Trains an MLP on scikit-learn's digits and draws the learning curves."""
    split = train_validation_test_split(*load_digits(), seed=options.seed)
    model = MLP(64, [options.hidden, 10], rng=options.seed)
    print(f"\n2. A network: {len(model.parameters())} parameters, each of them a Value\n\n{model!r}\n")
    sizes = [len(part) for part in (split.y_train, split.y_validation, split.y_test)]
    print(
        f"Handwritten digits: {sizes[0]} images to train on, {sizes[1]} to watch, {sizes[2]} to test once at the end."
    )
    optimizer = SGD(model.parameters(), lr=options.lr, momentum=0.9)
    trainer = Trainer(model, cross_entropy, optimizer, metrics={"accuracy": is_right}, seed=options.seed)
    history: History = trainer.fit(
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
        write(options.output / "learning_curves.png", curves.getvalue())
        print(f"Learning curves: {options.output / 'learning_curves.png'}")


def is_right(logits: list[float], digit: int) -> float:
    """1.0 if the largest logit is the digit's, else 0.0."""
    return float(max(range(len(logits)), key=logits.__getitem__) == digit)


def write(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(content)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


if __name__ == "__main__":
    main()
