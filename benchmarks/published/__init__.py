"""Published results from the cost functions alone: one script a work, each with our numbers beside the published ones."""
