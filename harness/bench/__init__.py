"""Speed and memory, measured in one run as ratios: `python -m harness.bench`."""
