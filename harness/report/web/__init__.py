"""The ledger and the store as one HTML file that people open, filter, read and send to each other."""
