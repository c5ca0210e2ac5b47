"""What stands for ``torch.cuda`` without a graphics processor: graphs of torch operations.

A recording notes every operation with the tensors it took and gave. As on a device nothing is
computed yet: what was given is nan. A replay computes it anew, in the same order, into the same
tensors.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only


class PretendedGraph:
    """Operations in their order."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    def replay(self) -> None:
        self.events.append("replay")
        for function, args, kwargs, result in self.operations:
            again = function(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class _Noting(TorchDispatchMode):
    def __init__(self, graph: PretendedGraph, breaks: Exception | None) -> None:
        super().__init__()
        self.graph, self.breaks = graph, breaks

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if self.breaks is not None and len(self.graph.operations) == 9:
            raise self.breaks
        result = func(*args, **(kwargs or {}))
        noted = tree_map_only(torch.Tensor, torch.Tensor.detach, (args, kwargs or {}, result))
        self.graph.operations.append((func, *noted))
        return result


class PretendedStream:
    """Notes what it waits for."""

    def __init__(self, events: list[str], name: str) -> None:
        self.events, self.name = events, name

    def wait_stream(self, other: "PretendedStream") -> None:
        self.events.append(f"{self.name} waits for {other.name}")


class PretendedCuda:
    """The part of ``torch.cuda`` that recordings need.

    Attributes:
        events: What was asked for, in order.
        breaks: What an operation raises in every recording, if anything.
    """

    def __init__(self, breaks: Exception | None = None) -> None:
        self.events: list[str] = []
        self.breaks = breaks
        self._current = PretendedStream(self.events, "main")

    def Stream(self, device: torch.device) -> PretendedStream:
        return PretendedStream(self.events, "side")

    def CUDAGraph(self) -> PretendedGraph:
        return PretendedGraph(self.events)

    def current_stream(self, device: torch.device) -> PretendedStream:
        return self._current

    @contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        yield

    @contextmanager
    def stream(self, stream: PretendedStream) -> Iterator[None]:
        before, self._current = self._current, stream
        self.events.append(f"on {stream.name}")
        try:
            yield
        finally:
            self._current = before

    @contextmanager
    def graph(self, graph: PretendedGraph, stream: PretendedStream) -> Iterator[None]:
        self.events.append(f"record on {stream.name}")
        try:
            with _Noting(graph, self.breaks):
                yield
        except Exception:
            self._current = stream  # as torch leaves it
            raise RuntimeError("the recording is void")  # noqa: B904 - nor does torch say why
        given = set()
        for _, args, kwargs, result in graph.operations:
            taken = {_place(one) for one in tree_leaves((args, kwargs)) if _is_tensor(one)}
            for one in filter(_is_tensor, tree_leaves(result)):
                if _place(one) in given or _place(one) not in taken:
                    given.add(_place(one))
                    if one.is_floating_point():
                        one.fill_(torch.nan)


def _is_tensor(thing: object) -> bool:
    return isinstance(thing, torch.Tensor)


def _place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
