"""The systems whose ISOs can be personalised, one module each."""
