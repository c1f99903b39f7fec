"""The open rungs of the process and connection sensors: one module each, over kernel/ and decode/."""
