"""What a personalised medium carries: format and contents, for its writer and its reader."""
