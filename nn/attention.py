"""Attention, and the transformer block made of it. A sequence is a list of T lists of `embed_dim` numbers.

`forward` takes a whole sequence. `step` takes one place of it and a cache of the keys and values of the places before,
and returns the output with the longer cache: the same numbers, without computing the past again.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from autograd import Value, equal, linear, softmax, where
from autograd.compiler import each, in_parts, is_symbolic, part

from .activations import activation_function
from .layers import Dropout, Linear, check_sizes, wrong_input
from .module import Module
from .nested import is_list, nested, shape
from .normalization import LayerNorm, RMSNorm
from .randomness import Rng, as_rng

NORMS = {"layer": LayerNorm, "rms": RMSNorm}


class Cache(NamedTuple):
    """Keys and values of the T places so far: for each place, and for each head, embed_dim / num_heads numbers."""

    keys: tuple[list[tuple[Any, ...]], ...] = ()
    values: tuple[list[tuple[Any, ...]], ...] = ()


class MultiHeadAttention(Module):
    """softmax(q k^T / sqrt(d)) v in each of `num_heads` heads, of d = embed_dim / num_heads numbers, between linear
    projections (Vaswani et al. 2017).

    x: a sequence of T lists of embed_dim numbers, which attends to itself; so comes out. causal: a place attends to
    itself and those before. attn_mask: T lists, for each place, of T entries; key_padding_mask: T entries, for all
    places. An entry that is true hides that place, as in PyTorch; a float is added to its score, and -inf hides it. A
    place to which all are hidden attends to nothing: 0 in the place of values, where PyTorch has nan.
    The weights start as `Linear` has them; PyTorch's start wider.
    Raises ValueError if num_heads does not divide embed_dim or a mask is of another size, and RuntimeError for `step`
    without causal.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, *, bias: bool = True, causal: bool = True, rng: Rng = None
    ) -> None:
        check_sizes("MultiHeadAttention", embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise ValueError(f"MultiHeadAttention expected num_heads that divide {embed_dim}, got {num_heads}")
        rng = as_rng(rng)
        self.num_heads, self.causal, self.embed_dim = num_heads, causal, embed_dim
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            Linear(embed_dim, embed_dim, bias, rng=rng) for _ in range(4)
        )

    def forward(self, x: Sequence[Any], *, attn_mask: Any = None, key_padding_mask: Any = None) -> list[Any]:
        if not is_list(x) or not all(is_list(place) for place in x):
            raise wrong_input(self, f"a sequence of lists of {self.embed_dim} numbers", x)
        if self.causal and attn_mask is None and key_padding_mask is None:
            if not _can_be_parted(self, x):
                return _in_steps(self, x)
            return [self.out_proj(row) for row in self._attend_together(each(self._projected, [(row,) for row in x]))]
        cache = Cache(*(tuple(map(self._heads, project(x))) for project in (self.k_proj, self.v_proj)))
        rows = _mask_rows(len(x), attn_mask, key_padding_mask)
        return [self._attend(place, cache, row[: t + 1] if self.causal else row)
                for t, (place, row) in enumerate(zip(x, rows, strict=True))]  # fmt: skip

    def step(self, x: Sequence[Any], cache: Cache | None = None) -> tuple[list[Any], Cache]:
        """The output at the place after those in the cache, and the cache with this place in it. Raises RuntimeError
        unless it is causal.
        """
        if not self.causal:
            raise RuntimeError("MultiHeadAttention.step needs causal=True: otherwise a place attends to later ones")
        x, (keys, values) = tuple(x), cache or Cache()
        cache = Cache((*keys, self._heads(self.k_proj(x))), (*values, self._heads(self.v_proj(x))))
        return self._attend(x, cache), cache

    def _projected(self, x: Sequence[Any]) -> list[list[tuple[Any, ...]]]:
        """Queries, keys and values of a place, head by head."""
        return [self._heads(project(x)) for project in (self.q_proj, self.k_proj, self.v_proj)]

    def _attend_together(self, projected: Sequence[Any]) -> list[list[Any]]:
        """The values that each place attends to, all places at once: later ones are hidden to it."""
        size, heads = len(projected), []
        masks = [[(0.0 if i <= t else -math.inf,) for i in range(size)] for t in range(size)]
        for head in range(self.num_heads):
            queries, keys, values = ([row[k][head] for row in projected] for k in range(3))
            heads.append(each(_attend_in_head, list(zip(queries, masks, strict=True)), (keys, values)))
        return [[y for part in parts for y in part] for parts in zip(*heads, strict=True)]

    def _heads(self, row: Sequence[Any]) -> list[tuple[Any, ...]]:
        size = self.embed_dim // self.num_heads
        return [tuple(row[start : start + size]) for start in range(0, self.embed_dim, size)]

    def _attend(self, x: Sequence[Any], cache: Cache, masks: Sequence[tuple[Any, ...]] | None = None) -> list[Any]:
        """masks: the entries for each key, of those that may be seen."""
        seen = (
            range(len(cache.keys)) if masks is None else [i for i, row in enumerate(masks) if not any(map(_hides, row))]
        )
        attended: list[Any] = []
        shown = None if masks is None else [masks[i] for i in seen]
        for head, query in enumerate(self._heads(self.q_proj(x))):
            if seen:
                keys, values = ([rows[i][head] for i in seen] for rows in cache)
                attended += _attend_in_head(query, shown, keys, values)
            else:
                attended += [0.0] * len(query)
        result: list[Any] = self.out_proj(attended)
        return result

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, {self.num_heads}, causal={self.causal}"


@part
def _attend_in_head(query: Any, masks: Any, keys: Any, values: Any) -> list[Any]:
    """The values by the weights that a query gives to keys. masks: the entries for each key, if there are any."""
    scores = linear([q * len(query) ** -0.5 for q in query], keys)
    if masks is not None:
        scores = list(map(_masked, scores, masks))
    weights = softmax(scores)
    if masks is not None:
        weights = list(map(_unless_hidden, weights, masks))
    return linear(weights, list(zip(*values, strict=True)))


def _mask_rows(size: int, attn_mask: Any, key_padding_mask: Any) -> list[list[tuple[Any, ...]]]:
    """For each place and each key the entries of both masks. ValueError for masks of another size."""
    attn_mask, padding = (x.tolist() if hasattr(x, "tolist") else x for x in (attn_mask, key_padding_mask))
    square = attn_mask is None or (is_list(attn_mask) and all(is_list(row) and len(row) == size for row in attn_mask))
    if not square or (attn_mask is not None and len(attn_mask) != size):
        raise ValueError(f"expected an attn_mask of {size} x {size} entries, got {shape(attn_mask)}")
    rows = [[()] * size for _ in range(size)] if attn_mask is None else [[(m,) for m in row] for row in attn_mask]
    if padding is None:
        return rows
    if not is_list(padding) or len(padding) != size:
        raise ValueError(f"expected a key_padding_mask of {size} entries, got {shape(padding)}")
    return [[(*found, m) for found, m in zip(row, padding, strict=True)] for row in rows]


def _is_truth(m: Any) -> bool:
    """Whether an entry of a mask is true or false, or a whole number known only when a compiled program runs."""
    return hasattr(m, "__index__")


def _hides(m: Any) -> bool:
    """Whether an entry hides its place, as far as that is known now."""
    if isinstance(m, Value):
        return not is_symbolic() and m.data == -math.inf
    return bool(m) if _is_truth(m) else bool(m == -math.inf)


def _masked(score: Any, masks: tuple[Any, ...]) -> Any:
    for m in masks:
        if not _is_truth(m):
            score = score + m
        elif isinstance(m, Value):
            score = where(m, -math.inf, score)
    return score


def _unless_hidden(weight: Any, masks: tuple[Any, ...]) -> Any:
    """The weight, or 0 where a mask that is known only when a compiled program runs hides it."""
    for m in masks:
        if isinstance(m, Value) and is_symbolic():
            weight = where(m if _is_truth(m) else equal(m, -math.inf), 0.0, weight)
    return weight


class TransformerBlock(Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)): the pre-norm form (Xiong et al. 2020), whose feed-forward
    part is linear, activation, linear with `dim_feedforward` numbers between, 4 embed_dim unless told.

    x: T lists of embed_dim numbers; so comes out. src_mask, src_key_padding_mask: as the masks of `MultiHeadAttention`.
    norm: "layer" or "rms"; norm_affine=False normalises without weights.
    dropout: of both branches' outputs. bias: of all linear layers.
    Raises ValueError for another norm.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dim_feedforward: int | None = None,
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        norm: str = "layer",
        norm_eps: float = 1e-5,
        norm_affine: bool = True,
        bias: bool = True,
        causal: bool = True,
        rng: Rng = None,
    ) -> None:
        if norm not in NORMS:
            raise ValueError(f"TransformerBlock expected norm 'layer' or 'rms', got {norm!r}")
        rng = as_rng(rng)
        hidden = 4 * embed_dim if dim_feedforward is None else dim_feedforward
        self.norm1 = NORMS[norm](embed_dim, norm_eps, norm_affine)
        self.attention = MultiHeadAttention(embed_dim, num_heads, bias=bias, causal=causal, rng=rng)
        self.norm2 = NORMS[norm](embed_dim, norm_eps, norm_affine)
        self.linear1 = Linear(embed_dim, hidden, bias, rng=rng)
        self.linear2 = Linear(hidden, embed_dim, bias, rng=rng)
        self.dropout = Dropout(dropout)
        self.activation = activation
        self._activate = activation_function(activation)

    def forward(self, x: Sequence[Any], *, src_mask: Any = None, src_key_padding_mask: Any = None) -> list[Any]:
        if not is_list(x) or not all(is_list(place) for place in x):
            raise wrong_input(self, f"a sequence of lists of {self.attention.embed_dim} numbers", x)
        masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask}
        masks = {name: mask for name, mask in masks.items() if mask is not None}
        plain = type(self.attention) is MultiHeadAttention and not self.attention._hooks
        if self.attention.causal and plain and not masks:
            if not _can_be_parted(self, x):
                return _in_steps(self, x)
            attended = self.attention._attend_together(each(self._projected, [(row,) for row in x]))
            return each(self._rest_of_heads, list(zip(x, attended, strict=True)))
        attended = self.attention(self.norm1(x), **masks)
        return [self._rest(*place) for place in zip(x, attended, strict=True)]

    def step(self, x: Sequence[Any], cache: Cache | None = None) -> tuple[list[Any], Cache]:
        """The output at the place after those in the cache, and the cache with this place in it."""
        attended, cache = self.attention.step(self.norm1(x), cache)
        return self._rest(x, attended), cache

    def _projected(self, x: Sequence[Any]) -> list[list[tuple[Any, ...]]]:
        return self.attention._projected(self.norm1(x))

    def _rest_of_heads(self, x: Sequence[Any], heads: list[Any]) -> list[Any]:
        return self._rest(x, self.attention.out_proj(heads))

    @part
    def _rest(self, x: Sequence[Any], attended: list[Any]) -> list[Any]:
        x = _plus(x, self.dropout(attended))
        hidden = nested(self._activate, self.linear1(self.norm2(x)))
        return _plus(x, self.dropout(self.linear2(hidden)))


def _plus(x: Sequence[Any], y: Sequence[Any]) -> list[Any]:
    return [a + b for a, b in zip(x, y, strict=True)]


def _can_be_parted(module: Module, x: Sequence[Any]) -> bool:
    """Whether a sequence is recorded in parts, and nobody has written a method anew, or looks at what is within."""
    plain = type(module) in (MultiHeadAttention, TransformerBlock)
    return plain and len(x) > 1 and in_parts() and not any(inner._hooks for _, inner in module.named_modules())


def _in_steps(module: Any, x: Sequence[Any]) -> list[Any]:
    """The outputs of a whole sequence, place by place."""
    outputs, cache = [], None
    for place in x:
        y, cache = module.step(place, cache)
        outputs.append(y)
    return outputs
