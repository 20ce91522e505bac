"""Files that hold tokenizers."""
