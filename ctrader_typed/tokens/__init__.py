"""Access tokens: where they are kept, and how they stay fresh.

A refresh token can be used once. So whoever refreshes does it alone, among all tasks and processes
that share a store, and a refresh whose reply is lost is known to be lost.
"""

from ..keywords import suggest_all
from .file import FileTokenStore
from .keeper import TokenKeeper, save_tokens
from .secret import (
    SecretTokenStore,
    tokens_in_environment,
    tokens_in_file,
    tokens_of_command,
)
from .store import Held, Kept, TokenStore
from .value import Tokens

__all__ = [
    "FileTokenStore",
    "Held",
    "Kept",
    "SecretTokenStore",
    "TokenKeeper",
    "TokenStore",
    "Tokens",
    "save_tokens",
    "tokens_in_environment",
    "tokens_in_file",
    "tokens_of_command",
]

suggest_all(globals())


def __dir__() -> list[str]:
    return __all__
