"""Names that the generated code needs for itself, as data."""

# A field: what every message has, and what the body of a generated class or method itself calls.
FIELDS_TAKEN = frozenset(
    {
        "blank",
        "bool",
        "bytes",
        "class_of",
        "dump",
        "field",
        "float",
        "from_dict",
        "from_json",
        "from_pydict",
        "int",
        "is_set",
        "list",
        "load",
        "message_fields",
        "mro",
        "or_default",
        "parse",
        "register",
        "required_fields",
        "self",
        "str",
        "straight_decode",
        "straight_encode",
        "to_dict",
        "to_json",
        "to_pydict",
    }
)
# An enum value: what every enum and every int has.
MEMBERS_TAKEN = frozenset(
    {
        "as_integer_ratio",
        "bit_count",
        "bit_length",
        "conjugate",
        "denominator",
        "from_bytes",
        "from_string",
        "imag",
        "is_integer",
        "is_known",
        "mro",
        "name",
        "numerator",
        "real",
        "to_bytes",
        "try_value",
        "value",
    }
)
# A method: what every client has, and the types in the signatures beside it.
METHODS_TAKEN = frozenset(
    {
        "accompany",
        "account",
        "auth",
        "bool",
        "bytes",
        "columns",
        "connected",
        "events",
        "float",
        "int",
        "limits",
        "orders",
        "place",
        "request",
        "schema",
        "statistics",
        "str",
        "trio_run",
    }
)
# A class: what the generated modules import and export.
CLASSES_TAKEN = frozenset(
    {
        "ABC",
        "Any",
        "Api",
        "CODECS",
        "Client",
        "Enum",
        "Irregular",
        "Iterable",
        "Message",
        "Methods",
        "R",
        "Request",
        "SCHEMA",
        "Schema",
        "TYPE_CHECKING",
        "TradingClient",
        "TypeVar",
    }
)
# A module: what the generated package has beside the modules of the .proto files.
MODULES_TAKEN = frozenset({"api", "codecs", "compiled", "methods", "registry"})
