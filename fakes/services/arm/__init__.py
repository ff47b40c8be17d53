"""Azure Resource Manager: cloud metadata, subscriptions, resource groups, workspaces."""
