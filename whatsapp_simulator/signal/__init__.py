"""Signal's protocol, version 3, as WhatsApp uses it: keys, sessions, sender keys. Bytes in, bytes out."""
