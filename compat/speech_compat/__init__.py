"""Drop-in replacement for the names of Azure's retired meeting transcription."""
