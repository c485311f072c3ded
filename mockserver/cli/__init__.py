"""The commands of `python -m mockserver`."""
