"""Directions in the residual stream, pure: fitting, cleaning, calibrating and separating."""
