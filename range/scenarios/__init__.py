"""The scenarios, one file each; SCENARIO in each is what `range.scenario.load` looks for."""
