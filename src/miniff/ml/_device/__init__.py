"""Descriptors, energies and training in torch, on any device; the compiled core serves the CPU."""
