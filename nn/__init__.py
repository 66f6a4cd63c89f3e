"""nn: neural networks on scalars, thin, with PyTorch's names. One example is a list of numbers."""

try:
    from autograd import Value as _Value  # noqa: F401  # to see whether it is ours
except ImportError as _error:
    raise ImportError(
        "nn needs the autograd of scalar-autograd, and found another package of that name, such as HIPS's; keep one of "
        "them: pip uninstall autograd scalar-autograd, then pip install scalar-autograd"
    ) from _error

# fmt: off
from .activations import ELU, GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .attention import MultiHeadAttention, TransformerBlock
from .convolution import AvgPool2d, Conv2d, MaxPool2d
from .data import (
    batches, load_breast_cancer, load_diabetes, load_digits, load_names, make_churn, make_circles, make_moons,
    make_spiral, make_xor, one_hot, standardize, train_validation_test_split,
)
from .history import History
from .init import (
    calculate_gain, constant_, kaiming_normal_, kaiming_uniform_, normal_, ones_, orthogonal_, uniform_,
    xavier_normal_, xavier_uniform_, zeros_,
)
from .layers import MLP, Dropout, Embedding, Flatten, Layer, Linear, Neuron, Residual, Sequential
from .losses import (
    binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, hinge_loss, huber_loss, kl_div, l1_loss,
    mse_loss, multi_margin_loss, nll_loss, triplet_margin_loss,
)
from .metrics import accuracy, confusion_matrix, f1, precision, recall, roc_auc
from .module import Module
from .nested import detach
from .monitor import Monitor
from .normalization import BatchNorm1d, LayerNorm, RMSNorm
from .optim import SGD, Adadelta, Adagrad, Adam, AdamW, NAdam, RMSprop, Sophia
from .optimizer import Optimizer
from .recurrent import RNN, GRUCell, LSTMCell, RNNCell
from .regularizers import checkpoint_sequential, clip_grad_norm_, clip_grad_value_, l1_penalty, l2_penalty
from .saving import load, save
from .schedulers import (
    CosineAnnealingLR, ExponentialLR, LinearLR, MultiStepLR, OneCycleLR, ReduceLROnPlateau, Scheduler, SequentialLR,
    StepLR,
)
from .train import Trainer

__all__ = [
    # modules, layers
    "Module", "Neuron", "Layer", "MLP", "Linear", "Sequential", "Residual", "Embedding", "Flatten", "Dropout",
    "BatchNorm1d", "LayerNorm", "RMSNorm", "RNNCell", "RNN", "GRUCell", "LSTMCell", "Conv2d", "MaxPool2d", "AvgPool2d",
    "MultiHeadAttention", "TransformerBlock", "detach",
    # activations
    "ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Softplus", "Sigmoid", "Tanh", "Softmax", "LogSoftmax",
    # losses
    "mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy",
    "nll_loss", "hinge_loss", "multi_margin_loss", "kl_div", "triplet_margin_loss",
    # initialisers
    "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_", "uniform_", "normal_",
    "constant_", "zeros_", "ones_", "calculate_gain",
    # optimizers, schedules
    "Optimizer", "SGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "NAdam", "Sophia",
    "Scheduler", "StepLR", "MultiStepLR", "ExponentialLR", "LinearLR", "CosineAnnealingLR", "SequentialLR",
    "OneCycleLR", "ReduceLROnPlateau",
    # remedies
    "clip_grad_norm_", "clip_grad_value_", "l1_penalty", "l2_penalty", "checkpoint_sequential",
    # data
    "batches", "train_validation_test_split", "standardize", "one_hot", "load_digits", "load_breast_cancer",
    "load_diabetes", "load_names", "make_moons", "make_circles", "make_xor", "make_spiral", "make_churn",
    # training
    "Trainer", "History", "Monitor", "save", "load",
    # metrics
    "accuracy", "precision", "recall", "f1", "roc_auc", "confusion_matrix",
]
# fmt: on
