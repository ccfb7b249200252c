"""Tests of the organisms: language, judge, datasets, training and the weights that ship."""
