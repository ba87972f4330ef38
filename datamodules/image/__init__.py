"""Pictures on their way to a model: what makes and cuts them."""
