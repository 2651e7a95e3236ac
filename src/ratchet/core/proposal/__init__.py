"""What a configuration for an unknown table could be: roles of columns, suspected leaks, lengths of windows."""
