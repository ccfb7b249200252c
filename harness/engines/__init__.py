"""Engines that steer a decoder, ours and others, behind one protocol, and the checks that set them side by side."""
