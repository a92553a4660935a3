"""Questions beside the pipeline: simulation, tuning, ConvAI2, samples. No torch."""
