"""One model for each section of params.yaml, a file for each family of stages.

No key has a default, except a variant's axes.
"""
