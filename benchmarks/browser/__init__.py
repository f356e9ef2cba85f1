"""The parts of benchmarks/dashboard.py: one file for each thing that is measured."""
