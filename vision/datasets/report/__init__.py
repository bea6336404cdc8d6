"""The portrait of a dataset: summary, histograms, contact sheets, priors that fit."""
