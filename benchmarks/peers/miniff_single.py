"""miniff with descriptors and networks in single precision."""

from functools import partial

from benchmarks.peers import Method, Peer
from benchmarks.peers.miniff import network

PEER = Peer(
    name="miniff_single",
    modules=("miniff.kernel", "vesin"),
    distribution="miniff",
    methods=dict.fromkeys(
        ("g4-network", "g5-network"),
        Method(partial(network, precision="single"), note="single precision", tolerance=1e-4),
    ),
)
