"""Running a decoder: greedy generation, capture of activations, steering row by row."""
