"""The parts of a Single Shot MultiBox Detector: networks, data, training, evaluation, export."""
