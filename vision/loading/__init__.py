"""From an index of annotations to batches: dataset, sampler, loaders, and workers that may die."""
