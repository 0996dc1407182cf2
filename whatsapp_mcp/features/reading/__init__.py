"""Text of files: documents, words in pictures, transcripts of speech."""
