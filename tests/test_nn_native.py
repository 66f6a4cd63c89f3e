"""`Trainer(compile=True)`: natively the same training as eagerly."""

import math
import random

import pytest
from tasks import task
from test_nn_optim import OPTIMIZERS

import nn
from autograd import Value
from nn import SGD, Adam, Dropout, Linear, Sequential, Sophia, Tanh, Trainer, cross_entropy, l2_penalty

pytest.importorskip("llvmlite")
