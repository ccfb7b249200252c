"""Measuring: what there is to measure, what it needs and costs, how it is made, and where it is kept."""
