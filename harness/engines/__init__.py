"""Engines that steer a decoder, ours and other people's, behind one protocol, and the checks that set them side by side."""
