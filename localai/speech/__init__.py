"""Text to speech for a command: sentences to a voice, its sound to a file or the loudspeaker."""
