"""Networks of the learned schedulers and the policies that act by them."""
