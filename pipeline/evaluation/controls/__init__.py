"""Controls that run a model: no fine-tuning, the support set's own loss, equal budgets."""
