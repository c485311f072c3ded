"""What a client survives: it is run through the named scenarios, and judged by what it did.

`trials` says what is expected, `watch` takes down what happened, `checks` and `verdict` judge.
"""
