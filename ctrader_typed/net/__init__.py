"""The protocol on trio: transports, the tasks of a link, and streams of events."""
