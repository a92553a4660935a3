"""MAMLviaPP: model-agnostic meta-learning via pre-trained parameters, as functions of values.

Where the paper's symbols and parts are. docs/paper.md gives the choices that the paper leaves open.

Symbols:

- φ, the pre-trained parameters: `pipeline.model.base.load.load_base`, the folder models/base.
- Φ, the extra parameters: `pipeline.model.phi.insert.insert_phi`.
- f, the learner (Section 3.2): `pipeline.model.network.learner.Learner`.
- θ, the tensors that training moves: `theta` of the learner, chosen in
  `pipeline.model.network.learner.build_learner`.
- θ̂, the adapted parameters: `pipeline.learning.inner.adapt.adapt` in training,
  `pipeline.learning.finetuning.updates.finetune` at test.
- α and β, the rates of the two loops: `inner_lr` and `outer_lr` in params.yaml.
- p(T), the distribution over tasks: `pipeline.learning.task_loss.episodes.draw_tasks`.
- T_i, a task: one persona's dialogues, `pipeline.persona.task.record.PersonaTask`.
- L_i, a task's loss: `pipeline.model.network.language_model.LanguageModel.losses`.
- K examples of a task: a support set, `pipeline.learning.task_loss.episodes.draw_episode`; in Fig.
  3 K counts support dialogues, `finetune.k` in params.yaml.

Equations and algorithms:

- Eq. 1, the sum of task losses after adaptation: `pipeline.learning.meta.maml.meta_gradient`.
- Eq. 2, f_φ ≈ f_[φ,Φ]: exact for every kind of Φ in `pipeline.model.phi`; a bottleneck starts at
  W_up = 0.
- Alg. 1 line 1, θ ← φ; Alg. 2 lines 1-2, θ ← [φ, Φ], φ fixed:
  `pipeline.model.network.learner.build_learner`. The algorithms differ in nothing else.
- Alg. 1 lines 2 and 9, Alg. 2 lines 3 and 10, the loop: `pipeline.learning.training.loop.run`.
- Alg. 1 line 3, Alg. 2 line 4, sampling tasks: `pipeline.learning.task_loss.episodes.draw_tasks`.
- Alg. 1 lines 4 and 7, Alg. 2 lines 5 and 8, for all tasks:
  `pipeline.learning.meta.maml.meta_gradient`.
- Alg. 1 line 5, Alg. 2 line 6, the gradient of the support loss:
  `pipeline.learning.task_loss.loss_gradients.loss_gradients`.
- Alg. 1 line 6, Alg. 2 line 7, the inner step: `pipeline.learning.inner.inner_step.Descent`.
- Alg. 1 line 8, Alg. 2 line 9, the outer step: its gradient for one task,
  `pipeline.learning.meta.outer_gradient.outer_gradient`; Adam's step on the mean over tasks,
  `pipeline.learning.training.loop.run`.

Figures, tables and sections:

- Fig. 1 and Table 1, rows 1 to 6 (initial parameters × training): `variants` in params.yaml.
- Fig. 2, the placement of adapters: `pipeline.model.phi.bottleneck`.
- Table 1, rows 7 to 9: `pipeline.model.network.next_utterance` (TransferTransfo's objective) and
  `pipeline.learning.p2bot` (P² Bot). The printed numbers: `pipeline.evaluation.report.published`.
- Fig. 3, K-shot: folds by `pipeline.evaluation.predict.protocols.k_shot`, points by
  `pipeline.evaluation.scoring.kshot`, drawn by
  `pipeline.evaluation.report.charts.figures.figure_3`.
- Fig. 4 and Appendix A, the format: marks by `pipeline.model.sequences.formats`, windows by
  `pipeline.model.sequences.encoding.Encoder`.
- Section 4, personas as tasks: `pipeline.persona.tasks.grouping.group` and
  `pipeline.persona.tasks.build.build_tasks`.
- Section 4.1, Hits@1: candidates by the corpus, else by `pipeline.persona.tasks.candidates`;
  their likelihoods by `pipeline.model.inference.candidates`, the metric by
  `pipeline.evaluation.metrics.ranking`.
- Section 4.1, perplexity: `pipeline.evaluation.metrics.likelihood`.
- Section 4.1, F1: responses by `pipeline.model.inference.responses`, the metric by
  `pipeline.evaluation.metrics.generation`.
- Section 4.2, normal training: `pipeline.learning.training.normal`; meta training:
  `pipeline.learning.meta.train`; evaluation on the test tasks: `pipeline.evaluation.predict`.
- Appendix B, hyper-parameters: presets/paper.yaml; nucleus sampling:
  `pipeline.model.inference.responses.nucleus`.
- Appendix C, samples: `pipeline.evaluation.report.samples.samples`.

Not in the paper:

- The control of adapters with normal training: variant `adapters` in params.yaml.
- The swap control (support of a stranger): `pipeline.evaluation.predict.protocols.swapped`,
  scored by `pipeline.evaluation.scoring.adaptation`.
- The support in the prompt instead of adaptation: `pipeline.evaluation.predict.in_context`.
- Floors (random, TF-IDF, constant reply, unigrams): `pipeline.evaluation.floors.measure`.
- Paired tests between variants: `pipeline.evaluation.comparison`.

Layers, top to bottom: evaluation > learning > model > persona > processes > params > artifacts >
errors. Nothing in here prints, parses a command line or knows of DVC.
"""
