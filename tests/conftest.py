"""Scripts that pytest does not collect: they need packages that the tests do without."""

collect_ignore = ["reference", "benchmarks"]
