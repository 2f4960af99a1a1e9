"""What `scripts/demo tags` does but for the training: tables of source with the kind of each character, and colours."""
