"""What the generator refuses, in words that a person can act on."""


class SchemaError(Exception):
    """The .proto files do not compile, or say something that has no faithful Python form."""
