"""From a kernel, or a whole small program, to the text of a native function, LLVM's or C's."""
