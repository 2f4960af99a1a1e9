"""Writes tests/goldens/pytorch_pairs.npz: what PyTorch's encoder-decoders compute of pairs, one at a time, in float64.

    python tests/network/make_pytorch_pairs.py

Needs PyTorch (2.13.0 wrote the file). Two layers; the encoder reads a source in both directions, the decoder begins
with tanh(x P + b) of its last states and reads [end, target]; J is the mean of the losses of all steps of all pairs.
The pairs are `sources` and `targets`, one after the other, with `source_lengths` and `target_lengths`. Of each network
NAME: `NAME.values` and `NAME.gradients`, all parameters one after the other in the order of their names in gpurnn and
in its layout, and `NAME.outputs`, those of the steps of all pairs in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

VALUES = Path(__file__).resolve().parent.parent / "goldens" / "pytorch_pairs.npz"
SOURCE_LENGTHS, TARGET_LENGTHS = (4, 1, 3, 2), (2, 3, 0, 1)
SOURCES, SYMBOLS, HIDDEN, WIDTH, LAYERS = 6, 5, 3, 2, 2
NETWORKS = {"none": ("lstm", ""), "dot": ("gru", "dot"), "additive": ("lstm", "additive")}


class EncoderDecoder(nn.Module):
    def __init__(self, cell: str, attention: str) -> None:
        super().__init__()
        layer = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.cell, self.attention = cell, attention
        self.source, self.target = nn.Embedding(SOURCES, WIDTH), nn.Embedding(SYMBOLS, WIDTH)
        self.encoder = layer(WIDTH, HIDDEN, LAYERS, bidirectional=True)
        self.decoder = layer(WIDTH, HIDDEN, LAYERS)
        states = "h" if cell == "gru" else "hc"
        self.starts = nn.ModuleDict(
            {f"layers-{n}-start-{state}": nn.Linear(2 * HIDDEN, HIDDEN) for n in range(LAYERS) for state in states}
        )
        width = 2 * HIDDEN if attention == "dot" else HIDDEN
        self.query = nn.Linear(HIDDEN, width, bias=False) if attention else None
        self.key = nn.Linear(2 * HIDDEN, width, bias=False) if attention == "additive" else None
        self.v = nn.Linear(width, 1, bias=False) if attention == "additive" else None
        self.joined = nn.Linear(3 * HIDDEN, HIDDEN) if attention else None
        self.output = nn.Linear(HIDDEN, SYMBOLS)

    def forward(self, source: Tensor, tokens: Tensor) -> Tensor:
        encoded, _ = self.encoder(self.source(source))
        x = torch.cat([encoded[-1, :HIDDEN], encoded[0, HIDDEN:]])
        begin = [
            torch.stack([torch.tanh(self.starts[f"layers-{n}-start-{state}"](x)) for n in range(LAYERS)])
            for state in ("h" if self.cell == "gru" else "hc")
        ]
        y, _ = self.decoder(self.target(tokens), begin[0] if self.cell == "gru" else tuple(begin))
        if self.query is not None and self.joined is not None:
            y = torch.tanh(self.joined(torch.cat([self.seen(self.query(y), encoded), y], dim=1)))
        return self.output(y)

    def seen(self, q: Tensor, encoded: Tensor) -> Tensor:
        if self.key is None or self.v is None:
            scores = q @ encoded.T
        else:
            scores = self.v(torch.tanh(q[:, None] + self.key(encoded)))[:, :, 0]
        return torch.softmax(scores, dim=1) @ encoded

    def by_our_names(self, *, gradients: bool) -> Iterator[tuple[str, np.ndarray]]:
        """Every parameter, or its gradient, transposed where ours is; b is the bias of the input's part."""

        def of(tensor: Tensor) -> np.ndarray:
            chosen = tensor.grad if gradients else tensor.detach()
            assert chosen is not None
            return chosen.numpy().T.copy()

        yield "encoder.embedding.table", of(self.source.weight).T
        yield "embedding.table", of(self.target.weight).T
        for prefix, network, directions in (("encoder.", self.encoder, 2), ("", self.decoder, 1)):
            for n in range(LAYERS):
                for theirs, ours in (("", ""), ("_reverse", "reverse."))[:directions]:
                    name = f"{prefix}layers.{n}.{ours}"
                    weights = [
                        of(getattr(network, f"{kind}_l{n}{theirs}"))
                        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                    ]
                    yield from zip((f"{name}U", f"{name}W", f"{name}b"), weights, strict=False)
                    if self.cell == "gru":
                        yield f"{name}b_h", weights[3][-HIDDEN:]
        linear = {name.replace("-", "."): start for name, start in self.starts.items()}
        for name, start in linear.items():
            yield f"{name}.P", of(start.weight)
            yield f"{name}.b", of(start.bias)
        yield "output.V", of(self.output.weight)
        yield "output.c", of(self.output.bias)
        names = {"W_q": self.query, "W_k": self.key, "v": self.v, "W_o": self.joined}
        for name, part in names.items():
            if part is not None:
                yield f"attention.{name}", of(part.weight)
        if self.joined is not None:
            yield "attention.b", of(self.joined.bias)

    def draw(self) -> None:
        """Parameters far from 0; of two biases one is 0, but for what a GRU's last gate has apart."""
        for parameter in self.parameters():
            parameter.data.uniform_(-0.8, 0.8)
        for network in (self.encoder, self.decoder):
            for name, bias in network.named_parameters():
                if name.startswith("bias_hh"):
                    bias.data[: -HIDDEN if self.cell == "gru" else None] = 0


def main() -> None:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    sources, targets = (
        torch.randint(SOURCES, (sum(SOURCE_LENGTHS),)),
        torch.randint(SYMBOLS - 1, (sum(TARGET_LENGTHS),)),
    )
    made = {"source_lengths": np.array(SOURCE_LENGTHS), "target_lengths": np.array(TARGET_LENGTHS)}
    made |= {"sources": sources.numpy(), "targets": targets.numpy()}
    end = torch.tensor([SYMBOLS - 1])
    for name, (cell, attention) in NETWORKS.items():
        network = EncoderDecoder(cell, attention)
        network.draw()
        pairs = list(zip(sources.split(SOURCE_LENGTHS), targets.split(TARGET_LENGTHS), strict=True))
        outputs = torch.cat([network(source, torch.cat([end, target])) for source, target in pairs])
        wanted = torch.cat([torch.cat([target, end]) for _, target in pairs])
        nn.functional.cross_entropy(outputs, wanted).backward()
        made[f"{name}.outputs"] = outputs.detach().numpy()
        for kind in ("values", "gradients"):
            found = dict(network.by_our_names(gradients=kind == "gradients"))
            made[f"{name}.{kind}"] = np.concatenate([found[parameter].reshape(-1) for parameter in sorted(found)])
    np.savez_compressed(VALUES, **made)


if __name__ == "__main__":
    main()
