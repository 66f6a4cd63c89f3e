"""Monitor: what happens inside a network while it learns, and what is wrong with it in plain words."""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from autograd import Value, gradients, mean

from .data import paired
from .history import History
from .layers import Neuron
from .module import Module
from .nested import flat, is_list
from .randomness import Draws, drawing
from .regularizers import clip_factor
from .showing import figure, has_matplotlib, page

SATURATES = {"tanh": (-0.99, 0.99), "sigmoid": (0.01, 0.99)}
"""Beyond these outputs next to nothing flows back."""

# Rules of thumb, above which `diagnose` speaks.
FLOW = 100.0
"""The ratio from which the gradient of the first layer's outputs is called vanishing or exploding beside the last
one's."""
FLOW_PER_LAYER = 1.5
HUGE = 1e6
"""The size of a layer's outputs."""
JUMPS = 0.3
"""All rises of the loss in the last six epochs together, of its usual size."""
USUAL = 1e-3
"""The update ratio of a training that goes well."""
DEAD = SATURATED = 0.5
"""Share of a layer's units."""


class LayerRecord(NamedTuple):
    """One layer in one epoch. Sizes are root mean squares unless told; nan where the layer has no parameters."""

    gradient: float
    """Of the loss by the layer's parameters."""
    output_gradient: float
    """Of the loss by the layer's outputs, the length for a typical example: what flows back through the network. nan
    where the outputs are the parameters themselves, as those of an `Embedding`."""
    update_ratio: float
    """Of the step that the optimizer would take, at the learning rate of the epoch, over that of the parameters."""
    mean: float
    spread: float
    """Mean and standard deviation of its outputs."""
    dead: float
    """Share of ReLUs that give 0 for every example. A channel of an image counts as one, in all its places."""
    saturated: float
    """Share of outputs of tanh and sigmoid that are close to their ends."""
    outputs: list[float]
    gradients: list[float]


class Monitor:
    """Looks at every layer after each epoch, on one sample batch: `fit(..., callbacks=[monitor])`.

    X, Y: the sample, at least two examples of the training data, drawn at random, since a unit that is silent for all
    of them is taken for dead. Nothing of the model or the optimizer is changed.
    `records` has for each of the `epochs` a `LayerRecord` for each layer; `diagnose()` says what they mean, by rules of
    thumb; `plot()` shows them. A layer is a module without modules inside: of activations within a recurrent cell or a
    `TransformerBlock` only the results are seen.
    """

    def __init__(self, model: Module, loss: Callable[[Any, Any], Any], X: Sequence[Any], Y: Sequence[Any]) -> None:
        self.model, self.loss, (self.X, self.Y) = model, loss, paired(X, Y)
        self.layers = {
            name or type(m).__name__: m
            for name, m in model.named_modules()
            if not isinstance(m, Neuron) and all(x is m or isinstance(x, Neuron) for _, x in m.named_modules())
        } or {type(model).__name__: model}
        self.records: list[dict[str, LayerRecord]] = []
        self.epochs: list[int] = []
        self.history = History()
        self._seen = -1  # steps of the training at the latest record

    def __call__(self, trainer: Any) -> None:
        """Records one epoch. Raises ValueError if the trainer trains another model."""
        if trainer.model is not self.model:
            raise ValueError("the monitor looks at another model; make it with the one that is trained")
        outputs: dict[str, list[list[list[Any]]]] = {name: [] for name in self.layers}
        buffers = [(buffer, list(buffer)) for _, buffer in self.model.named_buffers()]
        called: dict[str, None] = {}  # in the order of the first calls, which is that of what flows
        handles = [
            layer.register_forward_hook(_collect(name, outputs[name], called)) for name, layer in self.layers.items()
        ]
        try:
            with drawing(Draws(trainer.steps)):
                predicted = self.model.batch(self.X)
                loss = mean([self.loss(output, y) for output, y in zip(predicted, self.Y, strict=True)])
        finally:
            for handle in handles:
                handle.remove()
            for buffer, numbers in buffers:
                buffer[:] = numbers
        parameters = trainer.optimizer.parameters
        nodes = [y for calls in outputs.values() for y in flat(calls) if isinstance(y, Value)]
        slopes = dict(zip([*parameters, *nodes], gradients(loss, [*parameters, *nodes]), strict=True))
        with _rates_of_the_epoch(trainer):
            moved = trainer.optimizer.proposals(_clipped(trainer, [slopes[p] for p in parameters]))
        steps = {p: data - p.data for p, (data, _) in zip(parameters, moved, strict=True)}
        if self._seen == trainer.steps:  # told again of an epoch, after an interrupt
            self.records.pop()
            self.epochs.pop()
        self.records.append(
            {name: _record(self.layers[name], outputs[name], slopes, steps, len(self.X)) for name in called}
        )
        self.epochs.append(max(trainer.epoch, self.epochs[-1] + 1 if self.epochs else 1))
        self.history, self._seen = trainer.history, trainer.steps

    def diagnose(self) -> list[str]:
        """A sentence for each thing that is wrong, with what to try; an empty list if nothing is. Raises ValueError
        before the first epoch."""
        if not self.records:
            raise ValueError("diagnose expected at least one epoch; give the monitor to fit(..., callbacks=[monitor])")
        latest = self.records[-1]
        rate, units = self._exploded(latest) or self._rate(latest), self._units(latest)
        return [*rate, *self._flow(latest, bool(rate or units)), *units, *self._fit()]

    def _flow(self, latest: dict[str, LayerRecord], explained: bool) -> list[str]:
        sizes = [
            (name, r.output_gradient)
            for name, r in latest.items()
            if not math.isnan(r.gradient) and not math.isnan(r.output_gradient)
        ]
        if len(sizes) < 3 or not sizes[-1][1]:  # where nothing leaves the loss, all examples are learned
            return []
        (name, first), (_, last) = sizes[0], sizes[-1]
        if not first and explained:
            return []
        if not first:
            return [
                f"no gradient reaches {name}: look for a learning rate that was too high, dead units, detach() or "
                f"no_grad()"
            ]
        factor = (last / first) ** (1.0 / (len(sizes) - 1))
        if last / first > FLOW and factor > FLOW_PER_LAYER:
            return [
                f"gradients shrink by {factor:.2g}x per layer towards the input: vanishing; try relu, an initialiser "
                f"that fits the activation, normalisation or residual connections"
            ]
        if first / last > FLOW and factor < 1.0 / FLOW_PER_LAYER:
            return [
                f"gradients grow by {1.0 / factor:.2g}x per layer towards the input: exploding; try a smaller "
                f"initialisation, normalisation or clip_grad_norm"
            ]
        return []

    def _exploded(self, latest: dict[str, LayerRecord]) -> list[str]:
        for name, r in latest.items():
            if not math.hypot(r.mean, r.spread) < HUGE and not math.isnan(r.mean):
                return [
                    f"outputs of {name} are of size {math.hypot(r.mean, r.spread):.0e}: they have exploded; lower the "
                    f"learning rate, standardize the inputs"
                ]
        return []

    def _units(self, latest: dict[str, LayerRecord]) -> list[str]:
        found, output = [], list(latest)[-1]  # whose sigmoid may be as sure as it likes
        for name, r in latest.items():
            if r.dead >= DEAD:
                found.append(
                    f"dead units {r.dead:.0%} in {name}: these ReLUs give 0 for every example and learn nothing; try a "
                    f"lower learning rate, leaky_relu, or another initialisation"
                )
            if r.saturated >= SATURATED and name != output:
                found.append(
                    f"saturated units {r.saturated:.0%} in {name}: they sit at the ends of tanh or sigmoid, where the "
                    f"slope is next to 0; try a lower learning rate, smaller initial weights, standardized inputs or "
                    f"normalisation"
                )
        return found

    def _rate(self, latest: dict[str, LayerRecord]) -> list[str]:
        ratios = [r.update_ratio for r in latest.values() if not math.isnan(r.update_ratio)]
        losses = self.history.train_loss
        if not ratios or len(losses) < 4:
            return []
        rises = [after > before for before, after in itertools.pairwise(losses[-7:])]
        if all(rises[-3:]) and max(ratios) > 0.05:
            return [f"loss rose 3 times in a row and the update ratio is {max(ratios):.1g}: learning rate too high"]
        if sum(rises) >= 3 and max(ratios) > 0.1:
            return [
                f"loss rose in {sum(rises)} of {len(rises)} epochs and the update ratio is {max(ratios):.1g}: learning "
                f"rate too high"
            ]
        recent = losses[-7:]
        usual = sorted(recent)[len(recent) // 2]
        jumps = sum(max(after - before, 0.0) for before, after in itertools.pairwise(recent))
        if max(losses) > 10.0 * abs(losses[0]) or (jumps > JUMPS * usual and losses[-1] > 0.2 * losses[0]):
            return [
                f"loss jumps, between {min(losses):.2g} and {max(losses):.2g} over the epochs: learning rate too high, "
                f"which can be the cause of all below"
            ]
        highest = max(r.update_ratio for record in self.records for r in record.values() if r.update_ratio >= 0.0)
        if highest < 1e-4 and losses[len(losses) // 2] - losses[-1] < 0.02 * abs(losses[0]):
            return [
                f"loss hardly falls and the update ratio is at most {highest:.0e}, where 1e-3 is usual: learning rate "
                f"too low"
            ]
        return []

    def _fit(self) -> list[str]:
        h = self.history
        if len(h.validation_loss) < 4 or len(h.train_loss) < 2:
            return []
        best = min(range(len(h.validation_loss)), key=h.validation_loss.__getitem__)
        since = h.validation_loss[best:]
        epoch = math.ceil(h.validation_at[best])
        falls = h.train_loss[-1] < h.train_loss[max(min(epoch, len(h.train_loss)) - 1, 0)]
        rise, gained = min(since[-3:]) - since[0], h.validation_loss[0] - since[0]
        if len(since) > 3 and rise > max(0.05 * abs(since[0]), 0.1 * gained) and falls:
            return [
                f"validation rises while training falls: over-fitting since epoch {epoch}; try patience, weight_decay, "
                f"dropout or more data"
            ]
        return []

    def __repr__(self) -> str:
        found = self.diagnose() if self.records else []
        wrong = f"{len(found)} thing{'s' * (len(found) != 1)} wrong: see diagnose()" if found else "nothing wrong"
        return f"Monitor({len(self.layers)} layers, {len(self.records)} epochs{f', {wrong}' if self.records else ''})"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, ...]] = [
            ("layer", "gradient of outputs", "update / weight", "spread", "dead", "saturated")
        ]
        for name, r in self.records[-1].items() if self.records else ():
            sizes = (r.output_gradient, r.update_ratio, r.spread)
            shown = ["" if math.isnan(x) else f"{x:.1e}" for x in sizes]
            rows.append((name, *shown, f"{r.dead:.0%}", f"{r.saturated:.0%}"))
        found = [(text,) for text in self.diagnose()] if self.records else []
        return page(repr(self), [*rows, *found], self.plot() if self.records and has_matplotlib() else None)

    def plot(self, path: Any = None) -> Any:
        """Every layer's gradient, update ratio, spread, and dead or saturated share over the epochs, and histograms of
        the latest outputs and gradients, as a matplotlib figure, which a notebook shows; also written to `path` if
        given. A layer has one colour in all panels. The dotted line is the usual update ratio, 1e-3."""
        drawn, axes = figure(3, 2, epochs=4)
        layers = list(self.records[-1]) if self.records else []
        colours = {name: f"C{i % 10}" for i, name in enumerate(layers)}
        lines = {name: ("-", "--", ":", "-.")[i // 10 % 4] for i, name in enumerate(layers)}
        curves: dict[str, Callable[[LayerRecord], float]] = {
            "gradient of outputs": lambda r: r.output_gradient,
            "update / weight": lambda r: r.update_ratio,
            "spread of outputs": lambda r: r.spread,
            "dead or saturated": lambda r: max(r.dead, r.saturated),
        }
        for axis, (title, read) in zip(axes, curves.items(), strict=False):
            for name in layers:
                y = [read(record[name]) if name in record else math.nan for record in self.records]
                if not all(map(math.isnan, y)):
                    axis.plot(self.epochs, y, marker=".", label=name, color=colours[name], linestyle=lines[name])
            axis.set(title=title, xlabel="epoch", yscale="linear" if title.startswith("dead") else "log")
        axes[1].axhline(USUAL, color="gray", linestyle=":")
        axes[3].set_ylim(-0.02, 1.02)
        for axis, field in zip(axes[4:], ("outputs", "gradients"), strict=True):
            for name in layers:
                if numbers := getattr(self.records[-1][name], field):  # a histogram of nothing would stretch the axis
                    axis.hist(numbers, bins=40, histtype="step", label=name, color=colours[name], linestyle=lines[name])
            axis.set(title=f"latest {field}", yscale="log")
        handles = {
            name: handle for axis in axes for handle, name in zip(*axis.get_legend_handles_labels(), strict=True)
        }
        if handles:
            names = [name for name in layers if name in handles]
            drawn.legend(
                [handles[name] for name in names], names, loc="outside lower center", ncols=4, fontsize="small"
            )
        if path is not None:
            drawn.savefig(path, dpi=120)
        return drawn


@contextlib.contextmanager
def _rates_of_the_epoch(trainer: Any) -> Iterator[None]:
    """The optimizer with the learning rates of the last epoch, after which a schedule has changed them."""
    groups, used = trainer.optimizer.param_groups, trainer.history.learning_rate[-1:]
    now = [group["lr"] for group in groups]
    first = groups[0].get("initial_lr", now[0]) if groups else 0.0
    try:
        for group in groups if used and now[:1] != used and first else ():
            group["lr"] = used[0] * group.get("initial_lr", group["lr"]) / first
        yield
    finally:
        for group, rate in zip(groups, now, strict=True):
            group["lr"] = rate


def _record(
    layer: Module,
    outputs: list[list[list[Any]]],
    slopes: dict[Value, float],
    steps: dict[Value, float],
    examples: int,
) -> LayerRecord:
    """outputs: for each call of the layer its units, for each of these the numbers. slopes: of parameters and outputs.
    steps: of parameters."""
    own = [p for p in layer.parameters() if p in steps]
    nodes = [y for y in flat(outputs) if isinstance(y, Value)]
    made = [y for y in nodes if y.primitive is not None]
    numbers = [y.data for y in nodes]
    middle = mean(numbers or [math.nan])
    units = [flat(unit) for unit in zip(*outputs, strict=False)]
    relus = [unit for unit in units if all(_made_by(y) == "relu" for y in unit)]
    ends = [(y.data, *SATURATES[_made_by(y)]) for y in nodes if _made_by(y) in SATURATES]
    return LayerRecord(
        gradient=_size([slopes[p] for p in own]),
        output_gradient=math.hypot(*[slopes[y] for y in made]) / math.sqrt(examples) if made else math.nan,
        update_ratio=_size([steps[p] for p in own]) / max(_size([p.data for p in own]), 1e-12),
        mean=middle,
        spread=_size([x - middle for x in numbers]),
        dead=sum(all(y.data == 0.0 for y in unit) for unit in relus) / max(len(relus), 1),
        saturated=sum(not low < x < high for x, low, high in ends) / max(len(ends), 1),
        outputs=numbers,
        gradients=[slopes[p] for p in own],
    )


def _clipped(trainer: Any, gradients: list[float]) -> list[float]:
    """These gradients as the trainer would clip them."""
    limit, length = trainer.clip_grad_norm or math.inf, math.hypot(*gradients)
    most = math.inf if trainer.clip_grad_value is None else trainer.clip_grad_value
    return [min(max(g * clip_factor(length, limit), -most), most) for g in gradients]


def _collect(name: str, calls: list[list[list[Any]]], called: dict[str, None]) -> Callable[..., None]:
    """A hook that notes the call, and adds the units of the layer's output: of an image each channel, of a sequence
    each number of its places, else each number."""

    def hook(module: Module, inputs: Any, output: Any) -> None:
        called[name] = None
        rows = output if is_list(output) else [output]
        if is_list(rows[0]) and not is_list(rows[0][0]):
            rows = zip(*rows, strict=True)
        calls.append([flat(row) for row in rows])

    return hook


def _made_by(y: Any) -> str:
    return y.primitive.name if isinstance(y, Value) and y.primitive is not None else ""


def _size(xs: Sequence[float]) -> float:
    """The root mean square; nan of nothing."""
    return math.hypot(*xs) / math.sqrt(len(xs)) if xs else math.nan
