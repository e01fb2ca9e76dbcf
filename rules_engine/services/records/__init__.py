"""How rows are written and read, whatever they are about: in batches, with an audit, from forms that strangers fill."""
