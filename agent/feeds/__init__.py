"""The open rungs of the sensors, and what several of them share, over kernel/ and decode/."""
