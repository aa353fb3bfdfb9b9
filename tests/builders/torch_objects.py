"""Names of the tensors in an object that torch loaded, as ckptscope names them."""

from collections.abc import Iterator, Mapping

import torch


def dtype_name(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def named_tensors(loaded: object) -> dict[str, torch.Tensor]:
    """Every tensor by the keys, indexes and attributes that lead to it, joined by `/`."""
    found: dict[str, torch.Tensor] = {}
    for name, tensor in _walk(loaded, "", set()):
        assert name not in found, name
        found[name] = tensor
    return found


def described(loaded: object) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        name: (dtype_name(one), tuple(one.shape)) for name, one in named_tensors(loaded).items()
    }


def _join(path: str, key: object) -> str:
    return f"{path}/{key}" if path else str(key)


def _walk(node: object, path: str, open_: set[int]) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(node, torch.Tensor):
        yield path, node
        return
    if isinstance(node, torch.nn.Module):
        for key, tensor in node.state_dict(keep_vars=True).items():
            if isinstance(tensor, torch.Tensor):
                yield _join(path, key), tensor
        return
    if id(node) in open_:
        return
    open_.add(id(node))
    if isinstance(node, Mapping):
        for key, item in node.items():
            yield from _walk(item, _join(path, key), open_)
    elif isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from _walk(item, _join(path, index), open_)
    elif hasattr(node, "__dict__") and not isinstance(node, type):
        for key, item in vars(node).items():
            yield from _walk(item, _join(path, key), open_)
    open_.discard(id(node))
