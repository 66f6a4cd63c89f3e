"""From kernels to a table of calls of native functions with its memory, checked; and batches, to run it on."""
