"""A generated fleet: a month of people's and machines' work with insiders in it, as sealed batches."""
