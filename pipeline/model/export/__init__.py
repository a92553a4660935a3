"""A trained variant for use outside this project.

Comes in: a `Learner` without adapters. Goes out: a plain model of the base's architecture, which
`base.huggingface_folder` can write. Read `plain_model.py`. The command: `python -m stages.export`.
"""
