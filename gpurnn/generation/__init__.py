"""Text from a trained model: prompts, sampling."""
