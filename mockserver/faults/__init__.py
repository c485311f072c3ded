"""What can go wrong between a client and a server, on purpose and repeatably.

`effects` says what happens, `plan` when it does, `disturbed` does it to a behaviour, `scenarios`
has a name for what goes wrong most often. Pure: the engine only gets unusual actions.
"""
