"""`edge6g profile`: times layers of a model's shape on this machine with torch, and leaves a device profile for scenarios."""
