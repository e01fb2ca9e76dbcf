"""Work items: what must be looked at and when, claimed by index, woken by versions that come into force."""
