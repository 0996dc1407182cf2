"""Speech to text: engines behind one interface, their models, and which of them the settings mean."""
