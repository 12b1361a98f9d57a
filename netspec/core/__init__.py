"""Pure values: resources, states, changes, plans. Standard library only."""
