"""What steps' records hold: a file a record, declared field by field; machine code and what fills it read the same file."""
