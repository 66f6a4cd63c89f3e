"""From a program to kernels: instructions that do the same to different numbers, and the places of all numbers."""
