"""A reply's NLL by one plain forward pass."""

import torch


def plain_nll(learner, prefix, continuation):
    """By one forward pass over nothing but these ids."""
    ids = torch.tensor([[*prefix, *continuation]])
    parameters = learner.parameters(learner.theta)
    with torch.no_grad():
        output = learner.model.hidden(parameters, ids)
        log_p = learner.model.logits(parameters, output[0]).log_softmax(-1)
    places = range(len(prefix), ids.shape[1])
    return -sum(log_p[p - 1, ids[0, p]].item() for p in places)
