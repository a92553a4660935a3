"""The learner f (Section 3.2): a language model, what is added to it, and what it is fed.

`base/` loads φ, `phi/` adds Φ, `network/` puts f together, `sequences/` turns dialogues into
tensors, `derivatives/` has the operations that are differentiated twice by hand, `inference/` ranks
and responds, `pretraining/` makes a φ, `variant/` and `files/` read and write what was trained,
`export/` hands it on.
"""
