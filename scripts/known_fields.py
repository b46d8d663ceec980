"""A plugin for mypy: `get` with a field that a TypedDict does not have is an error.

mypy refuses `device["metadat"]`, but silently types `device.get("metadat")` as `object`, and that
is how optional fields are read. Enabled by `plugins` in `[tool.mypy]`.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.plugin import MethodContext, Plugin
from mypy.plugins.common import try_getting_str_literals
from mypy.plugins.default import typed_dict_get_callback
from mypy.types import Type, TypedDictType, get_proper_type


class KnownFields(Plugin):
    """Checks the first argument of `TypedDict.get`, then leaves the rest to mypy."""

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Return the hook that mypy calls for each call of `get` on a mapping."""
        return check_field if fullname == "typing.Mapping.get" else None


def check_field(context: MethodContext) -> Type:
    """Report a literal that is not a field; return the type that mypy itself would."""
    receiver = get_proper_type(context.type)
    if isinstance(receiver, TypedDictType) and context.args and context.args[0]:
        names = try_getting_str_literals(context.args[0][0], context.arg_types[0][0]) or ()
        for name in names:
            if name not in receiver.items:
                context.api.fail(
                    f'"{receiver.fallback.type.name}" has no field "{name}"', context.context
                )
    return typed_dict_get_callback(context)


def plugin(_: str) -> type[Plugin]:
    """Return the plugin; mypy passes its own version."""
    return KnownFields
