"""Stores of other servers for WhatsApp; each module reads those of one, as `Source` says."""
