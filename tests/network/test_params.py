"""Parameters: their layout in the flat blocks, how they are drawn, and what does not fit into them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gpurnn.backend import Backend
from gpurnn.exceptions import CheckpointError
from gpurnn.network import Model, ModelConfig
from gpurnn.network.cells import CELLS
from gpurnn.network.chain import parts_of, specs_of
from gpurnn.network.params import INITIALISERS, Params, Spec

from .helpers import host

K, H, E = 11, 6, 5


def draw(be: Backend, spec: Spec, seed: int = 0, dtype: str = "float64") -> np.ndarray:
    params = Params(be, [spec], np.dtype(dtype))
    params.initialise(be, seed)
    return be.to_host(params.value[spec.name])


@pytest.mark.parametrize("cell", list(CELLS))
@pytest.mark.parametrize("embedding", [0, E], ids=["one_hot", "embedding"])
def test_names_and_shapes(be: Backend, cell: str, embedding: int):
    """What checkpoints are made of."""
    columns = {"simple": H, "simple-relu": H, "lstm": 4 * H, "gru": 3 * H, "slow-memory": 4 * H}.get(
        cell, CELLS[cell].gates * H
    )
    extra = {"b_h": (H,)} if cell == "gru" else {}
    expected = {"embedding.table": (K, E)} if embedding else {}
    for layer, width in enumerate((embedding or K, H)):
        shapes = {"U": (width, columns), "W": (H, columns), "b": (columns,)} | extra
        expected |= {f"layers.{layer}.{name}": shape for name, shape in shapes.items()}
    expected |= {"output.V": (H, K), "output.c": (K,)}
    params = Model(be, ModelConfig(K, cell, H, 2, embedding)).params
    assert {name: array.shape for name, array in params.value.items()} == expected
    assert list(params.value) == list(params.gradient) == list(expected)
    assert params.count == sum(math.prod(shape) for shape in expected.values())


@pytest.fixture
def params(be: Backend) -> Params:
    return Model(be, ModelConfig(K, "gru", 5, 2, 3, dtype="float64")).params


def test_views_share_the_flat_block_and_do_not_overlap(be: Backend, params: Params):
    for number, array in enumerate(params.value.values(), start=1):
        array.fill(number)
    flat = be.to_host(params.values)
    for number, array in enumerate(params.value.values(), start=1):
        assert (flat == number).sum() == array.size
    assert (flat != 0).sum() == params.count < params.size == flat.size
    assert not be.to_host(params.gradients).any()


def test_matrices_come_first_and_views_are_aligned(be: Backend, params: Params):
    """Weight decay applies to the first part; vector loads want multiples of 16 elements."""
    for name, array in params.value.items():
        params.values.fill(0)
        array.fill(1)
        where = np.flatnonzero(be.to_host(params.values))
        assert where[0] % 16 == 0, name
        assert (where[-1] < params.matrix_size) == (array.ndim == 2), name
        assert (where[0] >= params.matrix_size) == (array.ndim == 1), name


def test_named_views_of_another_block(be: Backend, params: Params):
    """Moments are laid out as the values are."""
    values = np.arange(params.size, dtype=float)
    moments, found = be.from_host(values), {}
    be.from_host(values, out=params.values)
    for name, array in params.named(moments).items():
        np.testing.assert_array_equal(be.to_host(array), be.to_host(params.value[name]))
        found[name] = array
    found["output.c"].fill(-1)
    assert (be.to_host(moments) == -1).sum() == K
    assert not (be.to_host(params.values) == -1).any()


def test_gaps_stay_zero(be: Backend, params: Params):
    """A norm over the flat block is the norm of the parameters."""
    params.initialise(be, 0)
    total = sum((be.to_host(array) ** 2).sum() for array in params.value.values())
    assert (be.to_host(params.values) ** 2).sum() == pytest.approx(total, rel=1e-14)


def test_load(be: Backend, params: Params):
    rng = np.random.default_rng(0)
    tensors = {name: rng.standard_normal(array.shape).astype(np.float32) for name, array in params.value.items()}
    params.load(be, tensors, "x.safetensors")
    for name, array in host(be, params.value).items():
        np.testing.assert_array_equal(array, tensors[name].astype(np.float64))


@pytest.mark.parametrize("kind", ["complex64", "U9", "object", "M8[s]", "?", list, np.ma.MaskedArray, None])
def test_what_is_loaded_is_numbers_and_all_of_it_or_nothing(be: Backend, params: Params, kind: Any):
    tensors = {name: be.to_host(value) + 1 for name, value in params.value.items()}
    last = params.specs[-1].name
    of_kind = {list: np.ndarray.tolist, np.ma.MaskedArray: np.ma.masked_array, None: lambda array: None}
    wrong = of_kind[kind](tensors[last]) if kind in of_kind else np.zeros(tensors[last].shape, kind)
    before = be.to_host(params.values).tobytes()
    with pytest.raises(CheckpointError, match=f"x.safetensors: {last}: expected a NumPy array of real numbers, found"):
        params.load(be, tensors | {last: wrong}, "x.safetensors")
    assert be.to_host(params.values).tobytes() == before


def test_load_names_what_does_not_fit(be: Backend, params: Params):
    tensors = host(be, params.value)
    wrong = tensors | {"layers.1.W": np.zeros((4, 12))}
    expected = r"x\.safetensors: layers\.1\.W: expected \(5, 15\), found \(4, 12\)"
    with pytest.raises(CheckpointError, match=expected):
        params.load(be, wrong, "x.safetensors")
    del tensors["layers.0.b_h"]
    with pytest.raises(CheckpointError, match=r"x\.safetensors: no parameter layers\.0\.b_h"):
        params.load(be, tensors, "x.safetensors")


@pytest.mark.parametrize("name", list(INITIALISERS))
def test_gates_are_drawn_each_for_itself(be: Backend, name: str):
    spec = Spec("W", (H, 3 * H), name, 3, H)
    whole = draw(be, spec)
    blocks = np.split(whole, 3, axis=1)
    np.testing.assert_array_equal(blocks[0], draw(be, Spec("W", (H, H), name, 1, H)))
    if name == "identity":
        np.testing.assert_array_equal(whole, np.hstack([np.eye(H)] * 3))
    else:
        assert not np.isclose(blocks[0], blocks[1]).any()


@pytest.mark.parametrize("shape", [(8, 8), (12, 5), (5, 12)])
def test_orthogonal(be: Backend, shape: tuple[int, int]):
    q = draw(be, Spec("W", shape, "orthogonal"))
    short = q if shape[0] <= shape[1] else q.T
    np.testing.assert_allclose(short @ short.T, np.eye(min(shape)), atol=1e-13)


def test_orthogonal_draws_both_signs(be: Backend):
    """A bare QR decomposition would not: its signs are fixed by the algorithm."""
    diagonals = [np.sign(draw(be, Spec("W", (6, 6), "orthogonal"), seed)[0, 0]) for seed in range(40)]
    assert 8 < sum(sign > 0 for sign in diagonals) < 32


@pytest.mark.parametrize(
    ("spec", "limit"),
    [
        (Spec("W", (200, 4 * 50), "uniform", 4, 50), 1 / math.sqrt(50)),
        (Spec("W", (200, 4 * 50), "glorot", 4, 50), math.sqrt(6 / 250)),
    ],
    ids=["uniform", "glorot"],
)
def test_uniform_ranges(be: Backend, spec: Spec, limit: float):
    drawn = draw(be, spec)
    assert np.abs(drawn).max() <= limit
    assert np.abs(drawn).max() > 0.999 * limit
    assert drawn.mean() == pytest.approx(0, abs=0.02 * limit)
    assert drawn.std() == pytest.approx(limit / math.sqrt(3), rel=0.02)


def test_normal(be: Backend):
    drawn = draw(be, Spec("embedding.table", (400, 100), "normal"))
    assert drawn.mean() == pytest.approx(0, abs=0.002)
    assert drawn.std() == pytest.approx(0.1, rel=0.02)


def test_identity(be: Backend):
    np.testing.assert_array_equal(draw(be, Spec("W", (3, 5), "identity")), np.eye(3, 5))


@pytest.mark.parametrize("cell", list(CELLS))
@pytest.mark.parametrize("forget_bias", [1.0, 2.5, 0.0])
def test_biases_start_at_zero_but_for_the_forget_gate(be: Backend, cell: str, forget_bias: float):
    config = ModelConfig(K, cell, H, 2, forget_bias=forget_bias)
    params = Model(be, config).params
    params.values.fill(9)
    params.initialise(be, 0)
    for name, array in host(be, params.value).items():
        if array.ndim == 2:
            assert not (array == 9).any()
            continue
        expected = np.zeros_like(array)
        if CELLS[cell].forget_gate and name.endswith(".b"):
            expected[H : 2 * H] = forget_bias  # the second of i f g o
        np.testing.assert_array_equal(array, expected, err_msg=name)


@pytest.mark.parametrize("cell", list(CELLS))
def test_which_initialiser(be: Backend, cell: str):
    """W by the cell's own unless another is named; all other matrices by `init`; the table always normal."""
    own = {"simple": "orthogonal", "simple-relu": "identity"}.get(cell, "uniform")
    for init, recurrent, expected in (("glorot", "", own), ("uniform", "normal", "normal")):
        config = ModelConfig(K, cell, H, 2, E, init=init, recurrent_init=recurrent)
        specs = {s.name: s.init for s in specs_of(parts_of(config))}
        assert specs["embedding.table"] == "normal"
        for name, found in specs.items():
            if name.endswith(".W"):
                assert found == expected
            elif name.endswith((".U", ".V")):
                assert found == init


def test_seeds(be: Backend):
    config = ModelConfig(K, "lstm", H, 2, E)

    def drawn(config: ModelConfig, seed: int) -> dict[str, np.ndarray]:
        params = Model(be, config).params
        params.initialise(be, seed)
        return host(be, params.value)

    first, again, other = drawn(config, 1), drawn(config, 1), drawn(config, 2)
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
        if array.ndim == 2:
            assert not np.isclose(array, other[name], atol=0).any(), name
    assert not np.isclose(first["layers.0.W"], first["layers.1.W"], atol=0).any()
    more_symbols = drawn(ModelConfig(K + 5, "lstm", H, 2, E), 1)
    np.testing.assert_array_equal(more_symbols["layers.1.W"], first["layers.1.W"])


def test_float32_is_float64_rounded(be: Backend):
    spec = Spec("U", (K, 4 * H), "uniform", 4, H)
    np.testing.assert_array_equal(draw(be, spec, dtype="float32"), draw(be, spec).astype(np.float32))
