"""The protocol on trio: transports, the tasks of a link, and streams of events.

Decides nothing that `wire` can decide, and knows no message by name.
"""
