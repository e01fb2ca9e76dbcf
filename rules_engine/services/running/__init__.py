"""What keeps the installation going: the agenda of due work, replay, quarantine, health, the first set-up."""
