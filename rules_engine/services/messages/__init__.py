"""The outbox: what is to be said to whom, when it may be, and by which way it goes out."""
