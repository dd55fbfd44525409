"""The configuration: every key as a typed model, and the checks made before anything runs."""
