"""An account moves between the files of one computer and the database of a fleet."""
