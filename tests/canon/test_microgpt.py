"""What microgpt.py's model code does with its Value: a tiny transformer, Adam written out, all in plain operators."""

import random

import pytest
from microgpt import Plain, adam, documents, gpt, training_of_nn, training_of_plain

from autograd import Value
from nn import load_names


def train(value, steps=3):
    """Trains on a tiny alphabet with Adam written out; losses of each step and the last parameters."""
    params, loss_of = gpt(value, random.Random(42), width=4, heads=2, block=4, vocabulary=5, spread=0.3)
    losses, update = [], adam(params, (0.85, 0.99))
    for _ in range(steps):
        loss = loss_of([0, 3, 1, 4, 2])
        loss.backward()
        update(0.01)
        losses.append(loss.data)
    return losses, [p.data for p in params]


def test_the_model_trains_the_same_with_its_own_class_deleted():
    losses, parameters = train(Value)
    expected_losses, expected_parameters = train(Plain)
    assert losses == pytest.approx(expected_losses, rel=1e-12)
    assert parameters == pytest.approx(expected_parameters, rel=1e-10)
    assert losses[-1] < losses[0]


TEN_LOSSES = [  # of microgpt.py's training on the project's names, with its own class
    3.3344122461736356, 3.168966661469562, 3.3268181269789214, 2.9582291151623785, 3.187029655973821,
    3.2974889158781897, 3.0255373292945493, 2.946805672878817, 3.289089447262038, 3.2756393140666678,
]  # fmt: skip


@pytest.mark.parametrize(("training", "steps"), [(training_of_nn, 10), (training_of_plain, 2)])
def test_its_training_has_the_stored_losses(training, steps):
    names, tokens, vocabulary, rng = documents(load_names())
    step = training(vocabulary, rng)
    for name, expected in zip(names[:steps], TEN_LOSSES, strict=False):
        assert abs(step(tokens(name)) - expected) <= 1e-12
