"""One drawing of a world: map, nodes, cloud, time; as an array, or in a window. Nothing is imported or drawn before somebody asks."""
