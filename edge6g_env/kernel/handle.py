"""How compiled code holds a World: one pointer to a table of its arrays.

A NamedTuple of some thirty arrays travels as three hundred scalars through every call; measured on this kernel, that was most of a
slot and most of a compile. A handle is one word: `w.job` in compiled code loads the array's descriptor from the table. Interpreted
code (NUMBA_DISABLE_JIT=1) gets the World itself; both read alike. The arrays must outlive the handle and never be replaced.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core import config
from numba.core.imputils import impl_ret_borrowed
from numba.core.pythonapi import NativeValue
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import (
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)

from edge6g_env.kernel.world import World

_WORD = ir.IntType(64)
_N_HEADER = 5  # words before the shape: meminfo, parent, items, item size, data


class WorldType(types.Type):
    """Numba type of a handle: the names and types of the arrays behind it.

    It is known by a hash of them: written out they are 20 kB, which every symbol of the compiled code would repeat.
    """

    def __init__(self, fields: tuple[tuple[str, types.Type], ...]) -> None:
        self.fields = fields
        written_out = ", ".join(f"{name}: {kind}" for name, kind in fields)
        super().__init__(name=f"World_{hashlib.sha256(written_out.encode()).hexdigest()[:16]}")


class WorldHandle:
    """A World as compiled code takes it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.numba_type = WorldType(tuple((name, typeof(getattr(world, name))) for name in world._fields))
        self._table = np.concatenate([_descriptor(array) for array in world])
        self.address = int(self._table.ctypes.data)


def handle_of(world: World) -> WorldHandle | World:
    """What the kernel's entries take: a handle, or the World itself when the compiler is off."""
    return world if config.DISABLE_JIT else WorldHandle(world)


def _descriptor(array: np.ndarray) -> np.ndarray:
    """The words of Numba's array structure: meminfo, parent (none: borrowed), items, item size, data, shape, strides."""
    words = [0, 0, array.size, array.itemsize, array.ctypes.data, *array.shape, *array.strides]
    return np.array(words, dtype=np.uint64)


@typeof_impl.register(WorldHandle)
def _typeof_handle(value: WorldHandle, context: Any) -> WorldType:
    return value.numba_type


@register_model(WorldType)
class _HandleModel(models.PrimitiveModel):
    """The address of the table."""

    def __init__(self, dmm: Any, fe_type: WorldType) -> None:
        super().__init__(dmm, fe_type, _WORD.as_pointer())


@unbox(WorldType)
def _unbox_handle(typ: WorldType, obj: Any, c: Any) -> NativeValue:
    address = c.pyapi.object_getattr_string(obj, "address")
    number = c.pyapi.long_as_ulonglong(address)
    c.pyapi.decref(address)
    return NativeValue(c.builder.inttoptr(number, c.context.get_value_type(typ)))


@infer_getattr
class _WorldAttributes(AttributeTemplate):
    key = WorldType

    def generic_resolve(self, typ: WorldType, attr: str) -> types.Type | None:
        """Type of the array of this name, None if there is none."""
        return dict(typ.fields).get(attr)


@lower_getattr_generic(WorldType)
def _load_array(context: Any, builder: Any, typ: WorldType, value: Any, attr: str) -> Any:
    """The array's structure from its words. They never change while compiled code runs, and LLVM is told so: else it would read them
    again after every store to any array, a tenth of a slot."""
    at = 0
    for name, kind in typ.fields:
        if name == attr:
            break
        at += _N_HEADER + 2 * kind.ndim
    unchanging = builder.module.add_metadata([])

    def word(n: int) -> Any:
        loaded = builder.load(builder.gep(value, [ir.Constant(ir.IntType(32), at + n)], inbounds=True))
        loaded.set_metadata("invariant.load", unchanging)
        return loaded

    struct, item = context.get_value_type(kind), context.get_abi_sizeof(context.get_data_type(kind.dtype))
    strides = [ir.Undefined] * (kind.ndim - 1) + [item]  # the arrays are contiguous
    shape, borrowed = [ir.Undefined] * kind.ndim, [None, None]  # no meminfo, no parent
    parts = [*borrowed, ir.Undefined, item, ir.Undefined, shape, strides]
    array = ir.Constant(
        struct, [ir.Constant(element, part) for element, part in zip(struct.elements, parts, strict=True)]
    )
    array = builder.insert_value(array, builder.inttoptr(word(4), struct.elements[4]), 4)
    for axis in range(kind.ndim):
        array = builder.insert_value(array, word(_N_HEADER + axis), [5, axis])
        if axis < kind.ndim - 1:
            array = builder.insert_value(array, word(_N_HEADER + kind.ndim + axis), [6, axis])
    return impl_ret_borrowed(context, builder, kind, array)
