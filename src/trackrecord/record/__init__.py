"""What a run leaves, as pure data: spans in, one record out, rows from the record. No I/O, no clock."""
