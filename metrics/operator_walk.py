"""Walks the operators of a forward pass and says which of them the FLOP formulas leave out."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

# Free by the convention of FLOP tables, beside elementwise operators and views. Names without overload and without the
# underscore of in-place forms.
_MAKES = (
    "bernoulli empty_like fill full_like new_empty new_empty_strided new_full new_ones new_zeros normal ones_like "
    "rand_like randn_like uniform zero zeros_like"
)
_MOVES = (
    "_index_put_impl _to_copy _unsafe_index _unsafe_view as_strided as_strided_copy cat channel_shuffle col2im "
    "constant_pad_nd copy diagonal_scatter embedding flip gather im2col index index_add index_copy index_put "
    "index_select masked_scatter native_channel_shuffle one_hot pixel_shuffle pixel_unshuffle reflection_pad1d "
    "reflection_pad2d reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d "
    "resize roll scatter scatter_add select_scatter slice_scatter split_with_sizes_copy stack take tril triu "
    "unsafe_chunk unsafe_split unsafe_split_with_sizes"
)
_NORMS = (
    "_batch_norm_no_update _fused_rms_norm _log_softmax _native_batch_norm_legit _native_batch_norm_legit_no_training "
    "_safe_softmax _softmax cudnn_batch_norm native_batch_norm native_group_norm native_layer_norm"
)
_REDUCTIONS = (
    "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d all amax amin aminmax any "
    "argmax argmin avg_pool1d avg_pool2d avg_pool3d kthvalue linalg_vector_norm logsumexp max max_pool2d_with_indices "
    "max_pool3d_with_indices mean median min mode norm prod sort std std_mean sum topk var var_mean"
)
_ELEMENTWISE = "_prelu_kernel elu gelu hardsigmoid hardswish hardtanh leaky_relu mish native_dropout silu softplus"
_FREE = frozenset(" ".join((_MAKES, _MOVES, _NORMS, _REDUCTIONS, _ELEMENTWISE)).split())
_PRODUCTS = frozenset("addcmul mul multiply".split())


class OperatorWalk(TorchDispatchMode):
    """Records what one forward pass does with the weights of a module.

    Enter it before a ``FlopCounterMode``, which then hands it the operators after its own decompositions. A matrix of
    weights is followed through views, casts and other changes of the weights alone, so that it is known by what it
    finally meets.

    Args:
        module: The module that runs.

    Attributes:
        uncounted: Arithmetic operators without a formula, ``aten.grid_sampler_2d`` for example, sorted in ``report``.
        touched: Names of the parameters that were used.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.uncounted: set[str] = set()
        self.touched: set[str] = set()
        self._owners: dict[int, frozenset[str]] = {}
        self._alive: list[Tensor] = []  # a freed storage would give its address to another one
        self._sizes: dict[str, int] = {}
        self._counted: set[str] = set()
        self._missed: dict[str, str] = {}
        for name, parameter in module.named_parameters():
            self._owners[_storage(parameter)] = frozenset({name})
            # Vectors are scales, shifts and positions, whatever dimensions of length one they carry.
            if sum(length > 1 for length in parameter.shape) > 1:
                self._sizes[name] = parameter.numel()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator and note what it did."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given, made = list(_tensors((args, kwargs))), list(_tensors(result))
        used = frozenset().union(*(self._owners.get(_storage(each), frozenset()) for each in given))
        self.touched |= used
        matrices = {name for name in used if name in self._sizes}
        if func._overloadpacket in flop_registry:
            self._counted |= matrices
        elif any(each.is_floating_point() or each.is_complex() for each in made) and given:
            missed = matrices
            if not _is_free(func):
                self.uncounted.add(_name(func))
            elif func._overloadpacket.__name__.rstrip("_") in _PRODUCTS:
                # One product a weight is a change of the weights; more of them are a hand-written layer.
                most = max(each.numel() for each in made)
                missed = {name for name in matrices if most > self._sizes[name]}
            else:
                missed = set()
            self._missed |= {name: _name(func) for name in missed}
        if used and all(_storage(each) in self._owners for each in given if each.is_floating_point()):
            for each in made:
                self._owners[_storage(each)] = used
                self._alive.append(each)
        return result

    def silent_weights(self) -> dict[str, str]:
        """Matrices of weights that did arithmetic and none of it counted: parameter to operator."""
        return {name: operator for name, operator in self._missed.items() if name not in self._counted}


def _tensors(values: Any) -> Iterator[Tensor]:
    return (each for each in tree_leaves(values) if isinstance(each, Tensor))


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _name(func: Any) -> str:
    return str(func._overloadpacket)


def _is_free(func: Any) -> bool:
    if torch.Tag.pointwise in func.tags or func._overloadpacket.__name__.rstrip("_") in _FREE:
        # The names are aten's: an operator of somebody's own library may compute anything under them.
        return func.namespace in ("aten", "prims", "prim")
    returns: Iterable[Any] = func._schema.returns
    return any(each.alias_info is not None and not each.alias_info.is_write for each in returns)
