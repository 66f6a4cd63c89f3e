"""nn: neural networks on scalars, thin, with PyTorch's names. One example is a list of numbers."""

from .data import batches, load_digits, train_validation_test_split
from .layers import MLP, Layer, Neuron
from .losses import binary_cross_entropy_with_logits, cross_entropy, hinge_loss, mse_loss
from .module import Module
from .optim import SGD, Optimizer
from .train import History, Trainer

__all__ = [
    "MLP",
    "SGD",
    "History",
    "Layer",
    "Module",
    "Neuron",
    "Optimizer",
    "Trainer",
    "batches",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "hinge_loss",
    "load_digits",
    "mse_loss",
    "train_validation_test_split",
]
