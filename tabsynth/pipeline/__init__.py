"""The main job, step by step: input, split, fit, sample, evaluate, release, verify; and the Python face."""
