"""Speed of miniff and of other programs at the same work: `python -m benchmarks`."""
