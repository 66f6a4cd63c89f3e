"""The compiler: a scalar function is traced once, and runs natively."""
