"""Speed of the simulator, errors of its cost model, published results: tables, no tests."""
