"""Tests of the instrument: one file per module, every test named as the sentence it checks."""
