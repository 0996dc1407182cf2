"""Chats that WhatsApp exported: the jobs that read them in the decoding process, and who asks for them."""
