"""Questions, answered purely: frozen facts and the rules that fired in, effects out."""
