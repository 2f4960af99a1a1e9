"""What a cell is: the pointwise part of one step, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass

from gpurnn.backend import FusedOp


@dataclass(frozen=True)
class Cell:
    """The pointwise part of a recurrent layer; it holds no weights and knows no time.

    name: as on the command line; gates: G, how many blocks of H columns U and W have.
    states: what is carried from step to step, the hidden state `h` first; each (B, H).
    forward, backward: fused operations whose argument names say which buffer they get:

    - `a` (B, GH): x U of this step before `forward`; the activated gates after it; the errors da after `backward`.
    - `r` (B, GH): h(t-1) W before `forward`. Where `apart`, it is kept for `backward`, which overwrites it with the
      errors of the recurrent projection; otherwise those are `a`.
    - `b` (GH,), and each of `biases` (H,): parameters.
    - `h`, `c`: the states after the step; `h_prev`, `c_prev`: before it.
    - each of `saved` (B, H): kept from `forward` for `backward`.
    - `dh_out` (B, H): error of h(t) from above; `dh_rec` (B, H): from da(t+1) W^T.
    - `e` (B, H): the error that goes back beside W (of c for the LSTM, of h past the gates for the GRU); overwritten.
      Present where `carries_error`; `e_is_h` says that it is an error of h.
    """

    name: str
    gates: int
    states: tuple[str, ...]
    forward: FusedOp
    backward: FusedOp
    apart: bool = False
    biases: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    carries_error: bool = False
    e_is_h: bool = False
    recurrent_init: str = "uniform"
    forget_gate: bool = False
