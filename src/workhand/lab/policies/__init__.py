"""Ways of keeping the context, ours and others', as what a replay runs."""
