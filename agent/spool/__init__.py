"""The only joint between watch and ship: what watch sealed goes out, what the collector answered comes in."""
