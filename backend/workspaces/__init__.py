"""People, workspaces, members and their rights."""
