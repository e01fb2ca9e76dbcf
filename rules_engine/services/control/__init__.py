"""The figures of control: what is processed, shared out and called in a period, and the rows behind each figure."""
