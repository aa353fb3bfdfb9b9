"""LSTM, GRU, RNN and their cells: the number of gates is rows of `weight_hh` over the hidden width.

Enters: a `Layer`. Leaves: a `Guess`: weight_ih_l{k}[_reverse] [gates·hidden, in], weight_hh
[gates·hidden, hidden], or [gates·hidden, projected] beside weight_hr [projected, hidden]. Layer
k takes what all directions of layer k - 1 give.

Source: `torch/nn/modules/rnn.py`.
"""

from collections.abc import Iterator

import msgspec

from ckptscope.facts.tensors import Origin
from ckptscope.tensors.module_layers import Guess, Layer, Surroundings, flow_text

_GATES = {1: "RNN", 3: "GRU", 4: "LSTM"}
_REASON = "rows of weight_hh for each hidden unit: one RNN, three GRU, four LSTM"


class _Cell(msgspec.Struct, frozen=True):
    """The weights of one layer in one direction."""

    gates: int
    entering: int
    hidden: int
    projected: int | None
    names: tuple[str, ...]

    @property
    def leaving(self) -> int:
        return self.hidden if self.projected is None else self.projected


def recognise_recurrent(layer: Layer, around: Surroundings) -> Guess | None:
    """LSTM, GRU or RNN of any number of layers."""
    if "weight_ih_l0" not in layer.shapes:
        return None
    rows = list(_rows(layer))
    if not rows:
        return None
    first = rows[0][0]
    entering = first.entering
    for row in rows:
        for cell in row:
            shape = (cell.gates, cell.hidden, cell.projected)
            if len(row) != len(rows[0]) or cell.entering != entering:
                return None
            if shape != (first.gates, first.hidden, first.projected):
                return None
        entering = first.leaving * len(row)
    kind = _GATES[first.gates]
    if first.projected is not None and kind != "LSTM":
        return None
    detail = flow_text(first.entering, first.hidden)
    detail += f", {len(rows)} layers" if len(rows) > 1 else ""
    detail += ", bidirectional" if len(rows[0]) > 1 else ""
    detail += f", projected to {first.projected}" if first.projected is not None else ""
    claims = tuple(name for row in rows for cell in row for name in cell.names)
    return Guess(kind=kind, detail=detail, origin=Origin.DERIVED, reason=_REASON, claims=claims)


def recognise_cell(layer: Layer, around: Surroundings) -> Guess | None:
    """LSTMCell, GRUCell or RNNCell."""
    if "weight_ih" not in layer.shapes:
        return None
    cell = _cell(layer, "")
    if cell is None or cell.projected is not None:
        return None
    return Guess(
        kind=f"{_GATES[cell.gates]}Cell",
        detail=flow_text(cell.entering, cell.hidden),
        origin=Origin.DERIVED,
        reason=_REASON,
        claims=cell.names,
    )


def _rows(layer: Layer) -> Iterator[list[_Cell]]:
    """Yield the directions of each layer, as far as they are whole."""
    for index in range(len(layer.shapes)):
        found = [_cell(layer, f"_l{index}{way}") for way in ("", "_reverse")]
        cells = [cell for cell in found if cell is not None]
        if found[0] is None:
            return
        yield cells


def _cell(layer: Layer, end: str) -> _Cell | None:
    entering, recurrent = (layer.shapes.get(f"weight_{way}{end}", ()) for way in ("ih", "hh"))
    if len(entering) != 2 or len(recurrent) != 2 or entering[0] != recurrent[0]:
        return None
    projection = layer.shapes.get(f"weight_hr{end}")
    hidden, projected = recurrent[1], None
    if projection is not None:
        if len(projection) != 2 or projection[0] != recurrent[1]:
            return None
        projected, hidden = projection
    if hidden == 0 or entering[0] % hidden or entering[0] // hidden not in _GATES:
        return None
    if not all(layer.fits(f"bias_{way}{end}", entering[0]) for way in ("ih", "hh")):
        return None
    names = layer.claim(*(f"{name}{end}" for name in _NAMES))
    return _Cell(entering[0] // hidden, entering[1], hidden, projected, names)


_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
