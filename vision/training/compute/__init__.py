"""On what a step is computed: devices, processes, precision, memory."""
