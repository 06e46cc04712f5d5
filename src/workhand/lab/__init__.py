"""The laboratory: recorded sessions, policies and caches, measured alike."""
