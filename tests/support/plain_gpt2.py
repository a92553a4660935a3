"""A GPT-2 written out plainly, whose gradients are autograd's alone."""

import torch
from torch.nn import functional as F


def plain_gpt2_loss(parameters, ids, labels, heads):
    """A second GPT-2, written from the paper's equations, for this test alone."""
    table = torch.cat([parameters["wte.weight"], parameters["special.weight"]])
    length, width = ids.shape[1], table.shape[1]
    h = table[ids] + parameters["wpe.weight"][:length]
    blocked = torch.ones(length, length, dtype=torch.bool).triu(1)
    layers = 1 + max(int(n.split(".")[1]) for n in parameters if n.startswith("h."))

    def norm(x, name):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0)
        scaled = (x - mean) / (var + 1e-5).sqrt()
        return scaled * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]

    def linear(x, name):
        return x @ parameters[f"{name}.weight"] + parameters[f"{name}.bias"]

    def adapter(x, name):
        if f"{name}.down.weight" not in parameters:
            return x
        inner = x @ parameters[f"{name}.down.weight"].T + parameters[f"{name}.down.bias"]
        inner = F.gelu(inner, approximate="tanh")
        return x + inner @ parameters[f"{name}.up.weight"].T + parameters[f"{name}.up.bias"]

    def split(x):
        return x.view(*x.shape[:2], heads, -1).transpose(1, 2)

    for i in range(layers):
        q, k, v = linear(norm(h, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn").split(width, -1)
        scores = split(q) @ split(k).transpose(-1, -2) / (width // heads) ** 0.5
        mixed = scores.masked_fill(blocked, -torch.inf).softmax(-1) @ split(v)
        mixed = mixed.transpose(1, 2).reshape(h.shape)
        h = h + adapter(linear(mixed, f"h.{i}.attn.c_proj"), f"h.{i}.attn.adapter")
        inner = F.gelu(linear(norm(h, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc"), approximate="tanh")
        h = h + adapter(linear(inner, f"h.{i}.mlp.c_proj"), f"h.{i}.mlp.adapter")
    log_p = (norm(h, "ln_f") @ table.T).log_softmax(-1)
    picked = log_p[:, :-1].gather(-1, labels[:, 1:].clamp(min=0)[..., None])[..., 0]
    return -picked[labels[:, 1:] >= 0]


def reference_loss(learner, theta, pieces):
    """Mean over all predicted tokens, one reply at a time through the plain GPT-2."""
    parts = []
    for piece in pieces:
        for span in piece.spans:
            ids = torch.tensor([piece.window.ids[: span.end]])
            labels = ids.clone()
            labels[0, : span.start] = -1
            parts.append(plain_gpt2_loss({**learner.fixed, **theta}, ids, labels, heads=2))
    return torch.cat(parts).mean()
