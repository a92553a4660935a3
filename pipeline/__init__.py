"""MAMLviaPP: model-agnostic meta-learning via pre-trained parameters, as functions of values.

The paper's symbols and where they live:

====================  ============================================================
φ (phi)               pre-trained parameters: `pipeline.model.base.load`, `models/base/`
Φ (Phi)               adapters: `pipeline.model.phi.bottleneck` (Fig. 2, Eq. 2)
θ (theta)             the tensors that training moves: `pipeline.model.network.learner`
θ̂ (theta_hat)         adapted parameters: `pipeline.learning.inner.adapt.adapt`
α, β                  `inner_lr`, `outer_lr` in `params.yaml`
T_i                   one persona's dialogues: `pipeline.persona.task.PersonaTask`
K                     support dialogues: `finetune.k` (Fig. 3)
Algorithms 1 and 2    one function: `pipeline.learning.meta.maml.meta_gradient`
Section 4.1           `pipeline.evaluation.metrics.all`
Appendix A, Fig. 4    `pipeline.model.sequences.encoding`
====================  ============================================================

Layers, top to bottom: evaluation > learning > model > persona > artifacts, params > errors.
Nothing in here prints, parses a command line or knows of DVC.
"""
