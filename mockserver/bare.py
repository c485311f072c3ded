"""Exceptions as they were raised, out of the groups that nurseries wrap them in."""

from __future__ import annotations

from typing import cast


def bare(error: BaseException) -> BaseException:
    """The exception inside groups of one; a group of several stays a group."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    inside = list(group.exceptions)
    return bare(inside[0]) if len(inside) == 1 else group
