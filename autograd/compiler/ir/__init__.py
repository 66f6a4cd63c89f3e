"""From a graph to a program, plain data, and from a program to a shorter one that gives the same outputs."""
