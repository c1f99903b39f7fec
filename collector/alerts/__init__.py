"""From a finding to what is told: raised, worded, revised, throttled. Pure."""
