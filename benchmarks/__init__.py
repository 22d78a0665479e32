"""Measurements, run by hand: how good and how fast the job is beside references measured in the same run."""
