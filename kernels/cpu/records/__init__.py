"""What steps' records hold: one file per record, declared field by field; machine code and what fills the record read the same file."""
