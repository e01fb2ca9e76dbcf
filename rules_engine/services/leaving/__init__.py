"""Away today and leaving for good: who takes over requests and clients."""
