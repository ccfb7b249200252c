"""Models: the table of them, where their weights are, and how a decoder is loaded and watched."""
