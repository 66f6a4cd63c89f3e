"""Writes torch_nn.json: PyTorch 2.13's layers, losses, optimizers and schedules in float64.

Run once in an environment of its own: pip install torch==2.13.0, then python tests/reference/make_torch_nn.py.
"""

import functools
import json
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch_optim import OPTIMIZERS, clipping, groups, schedules, sophia, touched_schedules, trajectory, watched

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
warnings.simplefilter("ignore")  # schedules are stepped without an optimizer's step


# Losses: (name, prediction, target, options), with gradients by the prediction

PROBABILITIES = [0.2, 0.5, 0.3]
LOG_PROBABILITIES = [-0.5, -1.5, -2.0]
LOSSES = [
    ("mse_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 3.0], {}),
    ("mse_loss", [1.5], [0.25], {"reduction": "sum"}),
    ("mse_loss", [[0.5, -2.0], [3.0, 1.0]], [[1.0, 0.0], [3.0, 2.0]], {}),
    ("l1_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 3.0], {}),
    ("l1_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 3.0], {"reduction": "sum"}),
    ("huber_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 3.0], {}),
    ("huber_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 1.0], {"delta": 2.0}),
    ("huber_loss", [0.5, -2.0, 3.0], [1.0, 0.0, 1.0], {"delta": 0.25, "reduction": "sum"}),
    ("binary_cross_entropy", [0.2, 0.9, 0.5], [1.0, 0.0, 0.25], {}),
    ("binary_cross_entropy", [0.2, 1e-8, 0.999], [1.0, 1.0, 0.0], {"reduction": "sum"}),
    ("binary_cross_entropy_with_logits", [0.5, -2.0, 40.0], [1.0, 0.0, 0.25], {}),
    ("binary_cross_entropy_with_logits", [-800.0], [1.0], {}),
    ("binary_cross_entropy_with_logits", [30.0, -30.0], [1.0, 0.0], {"reduction": "sum"}),
    ("binary_cross_entropy_with_logits", [3.0, -2.0, 0.0], [0.9, 0.2, 0.5], {}),
    ("binary_cross_entropy_with_logits", [800.0], [1.0], {"reduction": "sum"}),
    ("cross_entropy", [0.5, -2.0, 3.0], 0, {}),
    ("cross_entropy", [1000.0, 0.0], 1, {}),
    ("cross_entropy", [1.0], 0, {}),
    ("cross_entropy", [0.5, -2.0, 3.0], PROBABILITIES, {}),
    ("cross_entropy", [0.5, -2.0, 3.0], 1, {"label_smoothing": 0.1}),
    ("cross_entropy", [0.5, -2.0, 3.0], PROBABILITIES, {"label_smoothing": 0.3}),
    ("nll_loss", LOG_PROBABILITIES, 2, {}),
    ("multi_margin_loss", [0.1, 0.9, 0.2, -3.0], 2, {}),
    ("multi_margin_loss", [0.1, 0.9, 0.2, -3.0], 1, {"p": 2}),
    ("multi_margin_loss", [0.1, 0.9, 0.2, -3.0], 0, {"margin": 2.5}),
    ("kl_div", LOG_PROBABILITIES, PROBABILITIES, {}),
    ("kl_div", LOG_PROBABILITIES, [0.0, 0.6, 0.4], {"reduction": "sum"}),
    ("kl_div", LOG_PROBABILITIES, LOG_PROBABILITIES[::-1], {"log_target": True}),
]


def loss(name, prediction, target, options):
    x = torch.tensor(prediction, requires_grad=True)
    function = getattr(F, name)
    if name == "multi_margin_loss":  # it has no unbatched form with a plain index
        y = function(x[None], torch.tensor([target]), **options)
    else:
        y = function(x, torch.tensor(target), **options)
    y.backward()
    return {"loss": name, "prediction": prediction, "target": target, "options": options, "value": y.item(),
            "gradient": x.grad.flatten().tolist()}  # fmt: skip


def triplet():
    a, p, n = (torch.tensor(x, requires_grad=True) for x in ([0.5, -1.0, 2.0], [0.4, -1.5, 1.0], [1.0, 0.0, 2.0]))
    y = F.triplet_margin_loss(a, p, n, margin=1.5)
    y.backward()
    return {
        "points": [x.tolist() for x in (a, p, n)],
        "value": y.item(),
        "gradients": [x.grad.tolist() for x in (a, p, n)],
    }


# Layers: parameters in the order of our own, input, output, and the gradients of sum(output x cotangent)


def weights(*modules):
    """Weight and bias of each module, in that order."""
    return [p for m in modules for p in (m.weight, m.bias) if p is not None]


def attention_weights(m):
    """q, k, v and out: weight and bias of each."""
    q, k, v = m.in_proj_weight.chunk(3)
    bq, bk, bv = m.in_proj_bias.chunk(3)
    return [q, bq, k, bk, v, bv, m.out_proj.weight, m.out_proj.bias]


def gathered(m, by_name):
    """The gradients of parameters that PyTorch keeps in one tensor, taken apart."""
    return torch.cat([p.flatten() for p in by_name(m)]).tolist()


def shuffled_parameters(module):
    for p in module.parameters():
        with torch.no_grad():
            p.copy_(torch.randn_like(p) * 0.5)


class Grads:
    """Reads `.grad` in the place of each parameter."""

    def __init__(self, module):
        self.module = module

    def __getattr__(self, name):
        found = getattr(self.module, name)
        if isinstance(found, torch.Tensor):
            return found.grad
        return Grads(found) if isinstance(found, nn.Module) else found


def layer(name, module, args, kwargs, read, x, call=None):
    shuffled_parameters(module)
    inputs = x if isinstance(x, torch.Tensor) else torch.randn(*x, requires_grad=True)
    output = (call or module)(inputs)
    outputs = output if isinstance(output, tuple) else (output,)
    cotangents = [torch.randn_like(y) for y in outputs]
    sum((y * c).sum() for y, c in zip(outputs, cotangents, strict=True)).backward()
    row = {"layer": name, "args": args, "kwargs": kwargs, "input": inputs.tolist()}
    row["parameters"] = gathered(module, read)
    row["output"] = [v for y in outputs for v in y.flatten().tolist()]
    row["cotangent"] = [v for c in cotangents for v in c.flatten().tolist()]
    row["input_gradient"] = inputs.grad.flatten().tolist() if inputs.requires_grad else []
    row["parameter_gradient"] = gathered(Grads(module), read)
    return row


def nothing(m):
    return [torch.zeros(0)]


def cell_weights(m):
    return [m.weight_ih, m.weight_hh, m.bias_ih, m.bias_hh]


def rnn_weights(m):
    return [getattr(m, f"{kind}_l{i}") for i in range(2) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def block_weights(m):
    return [*weights(m.norm1), *attention_weights(m.self_attn), *weights(m.norm2, m.linear1, m.linear2)]


def layers():
    causal = nn.Transformer.generate_square_subsequent_mask(3)
    for args, kwargs, torch_kwargs in (([3, 4], {}, {}), ([3, 4], {"bias": False}, {"bias": False})):
        yield layer("Linear", nn.Linear(*args, **torch_kwargs), args, kwargs, weights, [3])
    yield layer("Linear", nn.Linear(3, 2), [3, 2], {}, weights, [2, 3])
    yield layer("Embedding", nn.Embedding(5, 3), [5, 3], {}, lambda m: [m.weight], torch.tensor([1, 3, 1]))
    yield layer("LayerNorm", nn.LayerNorm(4), [4], {}, weights, [2, 4])
    yield layer("LayerNorm", nn.LayerNorm(4, bias=False), [4], {"bias": False}, weights, [4])
    kwargs = {"elementwise_affine": False, "eps": 0.1}
    yield layer("LayerNorm", nn.LayerNorm(4, **kwargs), [4], kwargs, nothing, [4])
    yield layer("RMSNorm", nn.RMSNorm(4), [4], {}, lambda m: [m.weight], [2, 4])
    kwargs = {"elementwise_affine": False, "eps": 1e-5}
    yield layer("RMSNorm", nn.RMSNorm(4, **kwargs), [4], kwargs, nothing, [4])
    yield layer("RNNCell", nn.RNNCell(3, 2), [3, 2], {}, cell_weights, [3])
    yield layer("RNNCell", nn.RNNCell(3, 2, nonlinearity="relu"), [3, 2], {"nonlinearity": "relu"}, cell_weights, [3])
    yield layer("GRUCell", nn.GRUCell(3, 2), [3, 2], {}, cell_weights, [3])
    yield layer("LSTMCell", nn.LSTMCell(3, 2), [3, 2], {}, cell_weights, [3])
    yield layer("RNN", nn.RNN(3, 2, num_layers=2), [3, 2, 2], {}, rnn_weights, [4, 3])
    yield layer("Conv2d", nn.Conv2d(2, 3, 3), [2, 3, 3], {}, weights, [2, 5, 4])
    kwargs = {"stride": 2, "padding": 1, "bias": False}
    yield layer("Conv2d", nn.Conv2d(1, 2, 3, **kwargs), [1, 2, 3], kwargs, weights, [1, 5, 6])
    kwargs = {"stride": (1, 2), "padding": (0, 1)}
    yield layer("Conv2d", nn.Conv2d(2, 2, (2, 3), **kwargs), [2, 2, (2, 3)], kwargs, weights, [2, 4, 5])
    for args, kwargs, sizes in (
        ([2, 3, 3], {"dilation": 2}, [2, 6, 5]), ([4, 6, 2], {"groups": 2}, [4, 4, 3]),
        ([3, 3, 3], {"groups": 3, "dilation": (1, 2), "padding": (1, 0)}, [3, 4, 6]),
        ([1, 2, (2, 3)], {"padding": "same"}, [1, 4, 4]), ([2, 2, 4], {"padding": "same", "dilation": 2}, [2, 5, 4]),
        ([1, 1, 2], {"padding": "valid", "stride": 2}, [1, 4, 5]),
    ):  # fmt: skip
        yield layer("Conv2d", nn.Conv2d(*args, **kwargs), args, kwargs, weights, sizes)
    yield layer("MaxPool2d", nn.MaxPool2d(2), [2], {}, nothing, [2, 4, 5])
    yield layer("MaxPool2d", nn.MaxPool2d(3, stride=1), [3], {"stride": 1}, nothing, [1, 4, 4])
    yield layer("AvgPool2d", nn.AvgPool2d(2), [2], {}, nothing, [2, 4, 4])
    yield layer("AvgPool2d", nn.AvgPool2d((2, 1), stride=(1, 2)), [(2, 1)], {"stride": (1, 2)}, nothing, [1, 4, 4])
    yield layer("Flatten", nn.Flatten(0), [], {}, nothing, [2, 3, 2])
    for name in ("ReLU", "LeakyReLU", "GELU", "SiLU", "Softplus", "Sigmoid", "Tanh"):
        yield layer(name, getattr(nn, name)(), [], {}, nothing, [2, 5])
    for name, parameter in (("LeakyReLU", 0.2), ("ELU", 0.7)):
        yield layer(name, getattr(nn, name)(parameter), [parameter], {}, nothing, [2, 5])
    yield layer("Softmax", nn.Softmax(-1), [], {}, nothing, [2, 4])
    yield layer("LogSoftmax", nn.LogSoftmax(-1), [], {}, nothing, [4])
    for is_causal, mask in ((True, causal), (False, None)):
        m = nn.MultiheadAttention(4, 2)
        attend = functools.partial(attended, m, mask)
        yield layer("MultiHeadAttention", m, [4, 2], {"causal": is_causal}, attention_weights, [3, 4], attend)
        for activation in ("relu", "gelu"):
            m = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, activation=activation, norm_first=True)
            kwargs = {"causal": is_causal, "activation": activation}
            call = functools.partial(m, src_mask=mask)
            yield layer("TransformerBlock", m, [4, 2, 6], kwargs, block_weights, [3, 4], call)


def attended(module, mask, x):
    return module(x, x, x, attn_mask=mask, need_weights=False)[0]


def masked():
    """Attention and a block with masks: truths, numbers that are added, padding, and both together."""
    truths = [[False, True, False], [False, False, True], [True, False, False]]
    added = [[0.0, -1.5, 0.5], [float("-inf"), 0.0, 2.0], [1.0, 0.0, float("-inf")]]
    padding = [False, False, True]
    for mask, pad in ((truths, None), (added, None), (None, padding), (truths, padding)):
        attn = None if mask is None else torch.tensor(mask)
        ignored = None if pad is None else torch.tensor(pad)
        if attn is not None and attn.dtype != torch.bool and ignored is not None:
            ignored = torch.zeros(3).masked_fill(ignored, float("-inf"))
        shown = None if mask is None else [["-inf" if m == float("-inf") else m for m in row] for row in mask]
        m = nn.MultiheadAttention(4, 2)
        call = functools.partial(attend_masked, m, attn, ignored)
        row = layer("MultiHeadAttention", m, [4, 2], {"causal": False}, attention_weights, [3, 4], call)
        yield {**row, "mask": shown, "padding": pad}
        m = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, norm_first=True)
        call = functools.partial(m, src_mask=attn, src_key_padding_mask=ignored)
        row = layer("TransformerBlock", m, [4, 2, 6], {"causal": False}, block_weights, [3, 4], call)
        yield {**row, "mask": shown, "padding": pad}


def attend_masked(module, mask, padding, x):
    return module(x, x, x, attn_mask=mask, key_padding_mask=padding, need_weights=False)[0]


def batch_norm():
    """Two batches in training mode, then one example in evaluation mode."""
    m = nn.BatchNorm1d(3, momentum=0.3)
    shuffled_parameters(m)
    row = {"parameters": gathered(m, weights), "batches": []}
    for size in (4, 2):
        x = torch.randn(size, 3, requires_grad=True)
        cotangent = torch.randn(size, 3)
        m.zero_grad()
        y = m(x)
        (y * cotangent).sum().backward()
        row["batches"].append({"input": x.tolist(), "output": y.tolist(), "cotangent": cotangent.tolist(),
            "input_gradient": x.grad.flatten().tolist(), "parameter_gradient": gathered(Grads(m), weights),
            "running_mean": m.running_mean.tolist(), "running_var": m.running_var.tolist()})  # fmt: skip
    x = torch.randn(1, 3)
    row["evaluation"] = {"input": x[0].tolist(), "output": m.eval()(x)[0].tolist()}
    return row


def main():
    gains = {name: nn.init.calculate_gain(name) for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "selu")}
    result = {
        "version": torch.__version__,
        "losses": [loss(*row) for row in LOSSES],
        "triplet": triplet(),
        "layers": list(layers()),
        "masked": list(masked()),
        "batch_norm": batch_norm(),
        "trajectories": [trajectory(*row) for row in OPTIMIZERS],
        "groups": groups(),
        "sophia": sophia(),
        "schedules": list(schedules()),
        "touched_schedules": list(touched_schedules()),
        "watched": [watched(t) for t in range(100)],
        "clipping": clipping(),
        "gains": {**gains, "leaky_relu": nn.init.calculate_gain("leaky_relu", 0.2)},
    }
    parts = []
    for name, part in result.items():  # a row a line, so that a change shows what changed
        text = json.dumps(part, allow_nan=False)
        if isinstance(part, list) and isinstance(part[0], dict):
            text = "[\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in part) + "\n]"
        parts.append(f'"{name}": {text}')
    Path(__file__).with_name("torch_nn.json").write_text("{" + ",\n".join(parts) + "}\n")


main()
