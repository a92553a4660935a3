"""One person outside the corpus: adapt to their conversations, measure it, talk.

Comes in: a trained variant and a file of conversations. Goes out: θ̂, the held-out losses, replies
token by token. Read `person.py` first; `adapted.py` adapts and measures as stage `finetune` does,
`session.py` talks.
"""
