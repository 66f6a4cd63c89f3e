"""A small task and trainers for it."""

import random

from nn import MLP, SGD, Adam, BatchNorm1d, Dropout, Linear, Sequential, StepLR, Tanh, Trainer, accuracy, cross_entropy


def task():
    rng = random.Random(0)
    X = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(80)]
    return X, [int(a * b > 0) for a, b in X]


def trainer(seed=0, **options):
    model = MLP(2, [8, 2], activation="tanh", rng=1)
    return Trainer(model, cross_entropy, SGD(model.parameters(), lr=0.3, momentum=0.9), seed=seed, **options)


def rich(seed=0):
    """Everything that has a state: batch normalisation, dropout, Adam, a schedule."""
    model = Sequential(Linear(2, 6, rng=2), BatchNorm1d(6), Tanh(), Dropout(0.25), Linear(6, 2, rng=3))
    optimizer = Adam(model.parameters(), lr=0.02, amsgrad=True)
    return Trainer(
        model, cross_entropy, optimizer, scheduler=StepLR(optimizer, 2, gamma=0.5), metrics=[accuracy], seed=seed
    )


def options(X, Y, epochs):
    return {"epochs": epochs, "batch_size": 16, "validation": (X, Y), "validate_every": 3, "progress": False}
