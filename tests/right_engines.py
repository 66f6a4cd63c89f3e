"""Right engines that are no style of `engines.py`, as texts."""

from engines import HEAD, TOPOLOGICAL

COMPOSED = (
    HEAD
    + '''
class Value:
    """As in the lecture: subtraction and division are made of others, and so is tanh."""
    def __init__(self, data, _children=(), _op="", label=""):
        self.data, self.grad, self._op, self.label = data, 0.0, _op, label
        self._backward = lambda: None
        self._prev = set(_children)
    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other), "+")
        def _backward():
            self.grad += 1.0 * out.grad
            other.grad += 1.0 * out.grad
        out._backward = _backward
        return out
    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other), "*")
        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad
        out._backward = _backward
        return out
    def __pow__(self, other):
        assert isinstance(other, (int, float))
        out = Value(self.data**other, (self,), f"**{other}")
        def _backward():
            self.grad += other * self.data ** (other - 1) * out.grad
        out._backward = _backward
        return out
    def exp(self):
        out = Value(math.exp(self.data), (self,), "exp")
        def _backward():
            self.grad += out.data * out.grad
        out._backward = _backward
        return out
    def sigmoid(self):
        if self.data >= 0:
            return 1 / (1 + (-self).exp())
        return self.exp() / (1 + self.exp())
    def tanh(self):
        return 2 * (2 * self).sigmoid() - 1
    def __radd__(self, other): return self + other
    def __rmul__(self, other): return self * other
    def __neg__(self): return self * -1
    def __sub__(self, other): return self + (-other)
    def __rsub__(self, other): return other + (-self)
    def __truediv__(self, other): return self * other**-1
    def __rtruediv__(self, other): return other * self**-1
'''
    + TOPOLOGICAL.replace("CHILDREN", "v._prev").replace("STEP", "v._backward()")
)

TAPE = (
    HEAD
    + '''
import numpy as np
tape = []

class Value:
    """Records on a tape, which a sweep reads from its end; numbers are NumPy's."""
    def __init__(self, data):
        self.data, self.grad = np.float64(data), np.float64(0)
def record(y, *pulls):
    out = Value(y)
    tape.append((out, pulls))
    return out
def lift(x): return x if isinstance(x, Value) else Value(x)
def add(a, b): a, b = lift(a), lift(b); return record(a.data + b.data, (a, 1.0), (b, 1.0))
def mul(a, b): a, b = lift(a), lift(b); return record(a.data * b.data, (a, b.data), (b, a.data))
def sub(a, b): a, b = lift(a), lift(b); return record(a.data - b.data, (a, 1.0), (b, -1.0))
def div(a, b): a, b = lift(a), lift(b); return record(a.data / b.data, (a, 1 / b.data), (b, -a.data / b.data**2))
Value.__add__, Value.__radd__ = add, lambda a, b: add(b, a)
Value.__mul__, Value.__rmul__ = mul, lambda a, b: mul(b, a)
Value.__sub__, Value.__rsub__ = sub, lambda a, b: sub(b, a)
Value.__truediv__, Value.__rtruediv__ = div, lambda a, b: div(b, a)
Value.__neg__ = lambda a: record(-a.data, (a, -1.0))
Value.__pow__ = lambda a, n: record(a.data**float(n), (a, n * a.data ** (float(n) - 1)))
Value.tanh = lambda a: record(np.tanh(a.data), (a, 1 - np.tanh(a.data) ** 2))
Value.relu = lambda a: record(np.maximum(a.data, 0), (a, np.heaviside(a.data, 0)))
def backward(root):
    for out, _ in tape:
        out.grad = np.float64(0)
    root.grad = np.float64(1)
    for out, pulls in reversed(tape):
        for x, slope in pulls:
            x.grad = x.grad + slope * out.grad
Value.backward = backward
'''
)

DATACLASS = (
    HEAD
    + '''
from dataclasses import dataclass, field

@dataclass(eq=False)
class Value:
    """Keeps operands with their slopes; counts uses, and passes on when the last user has run. Has + * ** only."""
    data: float
    parents: list = field(default_factory=list)
    grad: float = None
    def __post_init__(self):
        self.data = float(self.data)
    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, [(self, 1.0), (other, 1.0)])
    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, [(self, other.data), (other, self.data)])
    def __pow__(self, n):
        return Value(self.data**n, [(self, n * self.data ** (n - 1))])
    __radd__, __rmul__ = __add__, __mul__
    def backward(self):
        uses, stack = {}, [self]
        while stack:
            for p, _ in stack.pop().parents:
                uses[id(p)] = uses.get(id(p), 0) + 1
                if uses[id(p)] == 1:
                    stack.append(p)
        grads, stack = {id(self): 1.0}, [self]
        while stack:
            v = stack.pop()
            if not v.parents:
                v.grad = (v.grad or 0.0) + grads[id(v)]
            for p, slope in v.parents:
                grads[id(p)] = grads.get(id(p), 0.0) + slope * grads[id(v)]
                uses[id(p)] -= 1
                if not uses[id(p)]:
                    stack.append(p)
'''
)
