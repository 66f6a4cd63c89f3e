"""The compiler: a scalar function is traced once, and runs natively."""

from .compiled import Compiled, compile

__all__ = ["Compiled", "compile"]
