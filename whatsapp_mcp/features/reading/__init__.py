"""What files say: the text of documents, the words in pictures, transcripts of speech."""
