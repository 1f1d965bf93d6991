"""What a command prints, as pure functions from stored rows to text. Reads no clock, no database, no terminal."""
