"""The machine: memory, threads, devices and the precision that matrices are multiplied in."""
