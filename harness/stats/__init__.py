"""Statistics of scores, pure: resampling, intervals, dose-response curves and the best on them."""
