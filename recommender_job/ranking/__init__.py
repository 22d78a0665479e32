"""The ranking model: training, baselines, metrics and the gate."""
