"""How well a trained model does."""
