"""What is read from `datasets/`: trait data, gold responses, and how far words alone tell their classes apart."""
