"""The order of effects: look, plan, execute, verify, restore. No policy of its own."""
