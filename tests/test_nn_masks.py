"""Masks of attention: PyTorch's numbers, what is fully masked, and masks in the data of a compiled trainer."""

import math

import numpy as np
import pytest
from reference_nn import TORCH, all_same, assign, numbers

import nn
from autograd import Value, compile, dot, mean
from nn import SGD, Module, MultiHeadAttention, Trainer, TransformerBlock
from nn.nested import flat, nested

X = [[0.3, -0.7, 1.1, 0.2], [0.5, 0.1, -0.4, 0.9], [-0.2, 0.8, 0.6, -1.0]]
INF = math.inf


def masks(row):
    mask = row["mask"] and nested(lambda m: -INF if m == "-inf" else m, row["mask"])
    names = ("attn_mask", "key_padding_mask") if row["layer"] == "MultiHeadAttention" else (
        "src_mask", "src_key_padding_mask")  # fmt: skip
    return {name: m for name, m in zip(names, (mask, row["padding"]), strict=True) if m is not None}


@pytest.mark.parametrize("row", TORCH["masked"], ids=lambda row: f"{row['layer']}-{row['mask']}-{row['padding']}")
@pytest.mark.parametrize("form", [lambda m: m, np.array])
def test_values_and_gradients_equal_pytorch(row, form):
    module = getattr(nn, row["layer"])(*row["args"], **row["kwargs"])
    assign(module.parameters(), row["parameters"])
    x = nested(Value, row["input"])
    output = flat(module(x, **{name: form(m) for name, m in masks(row).items()}))
    assert all_same(numbers(output), row["output"])
    dot(output, row["cotangent"]).backward()
    assert all_same([p.grad for p in module.parameters()], row["parameter_gradient"])
    assert all_same([v.grad for v in flat(x)], row["input_gradient"])


@pytest.mark.parametrize("hidden", [True, -INF])
def test_a_place_that_sees_nothing_gets_nothing_and_no_nan(hidden):
    attention = MultiHeadAttention(4, 2, causal=False, rng=0)
    x = nested(Value, X)
    y = attention(x, key_padding_mask=[hidden] * 3)
    assert [[v.data for v in row] for row in y] == [[b.data for b in attention.out_proj.bias]] * 3
    mean(flat(y)).backward()
    assert all(math.isfinite(p.grad) for p in attention.parameters())
    assert all(v.grad == 0.0 for v in flat(x))
    causal = MultiHeadAttention(4, 2, rng=0)
    whole = causal(X)
    assert numbers(causal(X, key_padding_mask=[False] * 3)) == numbers(whole)
    assert numbers(causal(X, attn_mask=[[0.0] * 3] * 3)) == numbers(whole)
    y = causal(X, key_padding_mask=[hidden, False, False])
    assert [v.data for v in y[0]] == [b.data for b in causal.out_proj.bias]


def test_what_is_padded_does_not_matter():
    block = TransformerBlock(4, 2, 3, causal=False, rng=0)
    longer = block([*X, [9.0, 9.0, 9.0, 9.0]], src_key_padding_mask=[False, False, False, True])
    assert numbers(longer[:3]) == [pytest.approx(row, rel=1e-12) for row in numbers(block(X))]


def test_a_mask_of_another_size_is_refused():
    attention = MultiHeadAttention(4, 2)
    with pytest.raises(ValueError, match="expected an attn_mask of 3 x 3 entries, got 2 x 3 numbers"):
        attention(X, attn_mask=[[False] * 3] * 2)
    with pytest.raises(ValueError, match="expected a key_padding_mask of 3 entries, got 2 numbers"):
        attention(X, key_padding_mask=[False] * 2)


class Pooled(Module):
    def __init__(self):
        self.block = TransformerBlock(4, 2, 3, causal=False, rng=0)

    def forward(self, x):
        places, hidden = x
        return mean(flat(self.block(places, src_key_padding_mask=hidden)))


@pytest.mark.parametrize("kind", [bool, lambda m: -INF if m else 0.0], ids=["truths", "numbers"])
def test_masks_in_the_data_compile(kind):
    data = [(X, [kind(m) for m in row]) for row in ([0, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 0])]
    losses = []
    for compiled in (False, True):
        model = Pooled()
        trainer = Trainer(model, nn.mse_loss, SGD(model.parameters(), lr=0.1), compile=compiled)
        history = trainer.fit(data, [1.0, -1.0, 0.5, 0.0], epochs=3, batch_size=2, progress=False)
        losses.append([*history.train_loss, *trainer.predict(data)])
    assert all(map(math.isfinite, losses[0]))
    assert losses[1] == pytest.approx(losses[0], rel=1e-11)


def test_a_learned_bias_is_added_and_learns():
    attention, bias = (
        MultiHeadAttention(4, 2, causal=False, rng=0),
        [[Value(0.1 * i * j) for i in range(3)] for j in range(3)],
    )
    mean(flat(attention(X, attn_mask=bias))).backward()
    assert any(v.grad for v in flat(bias))
    assert compile(lambda x: mean(flat(attention(x, attn_mask=bias))), flat(bias))([X]) == pytest.approx(
        mean(flat(attention(X, attn_mask=bias))).data, rel=1e-12
    )


def test_convolutions_say_what_is_wrong():
    for options, text in (
        ({"groups": 2}, "expected groups that divide 3 and 4 channels, got 2"),
        ({"padding": "same", "stride": 2}, 'expected stride 1 with padding="same", got 2'),
        ({"padding": "full"}, "expected padding as numbers, 'same' or 'valid', got 'full'"),
        ({"dilation": 0}, "expected dilation as a whole number of at least 1, got 0"),
        ({"padding": -1}, "expected padding as a whole number of at least 0, got -1"),
    ):
        with pytest.raises(ValueError, match=text):
            nn.Conv2d(3, 4, 3, **options)
    assert repr(nn.Conv2d(3, 3, 3, padding="same", groups=3)) == (
        "Conv2d(3, 3, kernel_size=(3, 3), stride=(1, 1), padding='same', groups=3)"
    )
    with pytest.raises(ValueError, match="at least 5 x 5 places"):
        nn.Conv2d(1, 1, 3, dilation=2)([[[0.0] * 4] * 4])


def test_the_repr_tells_what_an_attention_does():
    assert repr(MultiHeadAttention(4, 2, causal=False)).startswith("MultiHeadAttention(4, 2, causal=False,\n  (q_proj)")
