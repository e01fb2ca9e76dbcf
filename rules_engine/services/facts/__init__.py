"""What the rules are told: the fields of requests, clients, candidates and money, read for any number at once."""
