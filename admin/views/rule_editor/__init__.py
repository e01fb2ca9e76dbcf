"""The room of the rule editor: reading, editing, trying, publishing, history."""
