"""Commands on likelihoods after K dialogues: `python -m stages.NAME`.

`rates` chooses on valid how each K is fine-tuned, `shots` scores test by what was chosen,
`shot_tests` answers a run's claims by its shots, `conflict` draws the curve of study `conflict`.
"""
