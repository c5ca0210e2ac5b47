"""How good potentials of the default job are, beside published ones on the same data."""
