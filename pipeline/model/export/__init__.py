"""A trained variant for use outside this project.

Comes in: a `Learner`. Goes out: a folder that plain `transformers` loads, which can also be a
`base.source` where Φ is merged or none is there. Read `folder.py` first. `plain_model.py` maps
names, `adapter_files.py` writes Φ for PEFT, `shipped/` has the programs that an export holds. The
command: `python -m stages.export`.
"""
